"""`standing up`: everything on one machine, kept running, ended in order."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import payloads
from tests.support.service import LOG_SIGNING_KEY, PATIENCE_SECONDS, PROGRAMS, Service, children, end, eventually, free_port, memory


class Up:
    """A `standing up` in a folder of its own, configured by nothing but a port."""

    #: The contract gives a later start 3 seconds; a shared machine is given more before this counts as broken.
    ready_seconds = PATIENCE_SECONDS

    def __init__(self, folder: Path, *, programs: Path = PROGRAMS) -> None:
        self.folder, self.port, self.program = folder, free_port(), str(programs / "standing")
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = clean | {"PORT": str(self.port), "CONSOLE_PORT": str(free_port()), "WEB_CONCURRENCY": "1"}

    def start(self) -> None:
        log = os.open(self.folder / "up.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.process = subprocess.Popen([self.program, "up"], cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        os.close(log)
        eventually(self.ready, "readiness", seconds=self.ready_seconds)

    def another(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Start another one in a folder, with the same configuration; give how it ended."""
        return subprocess.run(
            [self.program, "up"], cwd=folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(json.load(answer)["status"] == "ok")
        except OSError:
            return False

    def children(self) -> list[int]:
        listed = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in listed.split()]

    def sign_in_page(self) -> str | None:
        """The console's page for who is not signed in; None as long as it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.environment['CONSOLE_PORT']}/console/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def said(self) -> str:
        return (self.folder / "up.log").read_text()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    try:
        running.start()
        yield running
    finally:
        end(running.process)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that tests only look at, or that outlives what they do."""
    running = Up(tmp_path_factory.mktemp("undisturbed"))
    try:
        running.start()
        yield running
    finally:
        end(running.process)


def test_it_makes_what_is_missing_keeps_it_privately_and_says_so(undisturbed: Up) -> None:
    folder = undisturbed.folder / "var" / "secrets"
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert made.keys() >= {"ENCRYPTION_KEYS", "INDEX_KEY", "LOG_SIGNING_KEY", "READ_TOKENS", "OPERATOR_TOKENS", "IDNGO_SANDBOX_SECRETS"}
    assert set(made.values()) == {0o600}
    said = undisturbed.said()
    assert all(name in said for name in made if "." not in name)
    assert not any((folder / name).read_text().strip() in said for name in made)


def test_a_second_start_keeps_what_the_first_made_and_what_it_was_told(up: Up) -> None:
    secret = (up.folder / "var" / "secrets" / "IDNGO_SANDBOX_SECRETS").read_text().strip()
    token = (up.folder / "var" / "secrets" / "READ_TOKENS").read_text().strip().partition("=")[2]
    outside = Service(up.folder, {})
    outside.port = up.port
    who = payloads.new_applicant()
    outside.kept("idngo", payloads.idngo(who, answer="GREEN"), secret=secret)
    end(up.process)
    up.start()
    read = f"/v1/applicants/idngo/{who}?environment=sandbox"
    eventually(lambda: outside.request("GET", read, token=token).status == 200, "the applicant")
    assert outside.request("GET", read, token=token).json["status"] == "approved"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_everything_in_order_when_asked_to(up: Up, number: signal.Signals) -> None:
    family = eventually(lambda: up.children() if len(up.children()) == 5 else None, "the console as well")
    up.process.send_signal(number)
    assert up.process.wait(PATIENCE_SECONDS) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)


def test_a_process_that_dies_is_started_again(up: Up) -> None:
    before = eventually(lambda: up.children() if len(up.children()) == 5 else None, "the console as well")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: up.ready() and len(set(up.children()) - set(before)) == 5, "five new processes")
    assert up.said().count("it is started again in") == 5


def test_every_line_is_a_json_object_where_no_terminal_reads_it(up: Up) -> None:
    before = eventually(lambda: up.children() if len(up.children()) == 5 else None, "the console as well")
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: up.ready() and len(set(up.children()) - set(before)) == 1, "a process in its place")
    end(up.process)
    lines = [json.loads(line) for line in up.said().splitlines()]
    assert {"made", "ready", "ending"} <= {line["event"].split()[0] for line in lines}


def test_nothing_outlives_it_when_it_is_killed(up: Up) -> None:
    children = up.children()
    up.process.kill()
    up.process.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the children to end")


def test_a_second_one_on_the_same_data_is_refused(undisturbed: Up) -> None:
    second = undisturbed.another(undisturbed.folder)
    assert second.returncode != 0
    assert "already runs" in second.stderr
    assert undisturbed.ready()


def test_a_taken_port_is_told_and_nothing_starts(undisturbed: Up, tmp_path: Path) -> None:
    second = undisturbed.another(tmp_path)
    assert second.returncode != 0
    assert f"port {undisturbed.port}" in second.stderr
    assert "ready after" not in second.stderr


def test_what_is_wrong_for_the_worker_is_told_before_anything_starts(tmp_path: Path) -> None:
    wrong = {"ATTEMPTS_MAX": "-1", "IFCGATE_STATUSES": "a:b", "PORT": "x", "PATH": os.environ["PATH"]}
    told = subprocess.run(
        [str(PROGRAMS / "standing"), "up"], cwd=tmp_path, env=wrong, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert told.returncode == 2
    assert all(name in told.stderr for name in ("ATTEMPTS_MAX", "IFCGATE_STATUSES", "PORT"))


def test_what_is_kept_is_for_its_owner_alone(undisturbed: Up) -> None:
    var = undisturbed.folder / "var"
    kept = [var, *var.iterdir()]
    assert [path for path in kept if path.stat().st_mode & 0o077] == []


def test_an_answer_in_flight_is_given_before_the_end(tmp_path: Path) -> None:
    up = Up(tmp_path)
    # Three places to wait in: whoever finds none is answered at once.
    up.environment["WEB_CONNECTIONS"] = "12"
    try:
        up.start()
        _end_it_while_three_wait(up)
    finally:
        end(up.process)


def _end_it_while_three_wait(up: Up) -> None:
    token = (up.folder / "var" / "secrets" / "READ_TOKENS").read_text().strip().partition("=")[2]
    outside = Service(up.folder, {})
    outside.port = up.port
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(outside.get, "/v1/changes", token=token, after="latest", wait=30) for _ in range(4)]
        eventually(lambda: sum(one.done() for one in asked) == 1, "the others to wait")
        up.process.terminate()
        answers = [one.result() for one in asked]
    assert [(answer.status, answer.json["data"]) for answer in answers] == [(200, [])] * 4
    assert up.process.wait(PATIENCE_SECONDS) == 0


def test_the_console_answers_and_no_line_shows_the_token_that_signs_in(undisturbed: Up) -> None:
    assert "Sign in" in eventually(undisturbed.sign_in_page, "the console")
    made = (undisturbed.folder / "var" / "secrets" / "OPERATOR_TOKENS").read_text().strip()
    assert str(undisturbed.folder / "var" / "secrets" / "OPERATOR_TOKENS") in undisturbed.said()
    assert made.partition("=")[2] not in undisturbed.said()


def test_where_the_console_cannot_listen_everything_else_runs(undisturbed: Up, tmp_path: Path) -> None:
    eventually(undisturbed.sign_in_page, "the console")
    second = Up(tmp_path)
    second.environment["CONSOLE_PORT"] = undisturbed.environment["CONSOLE_PORT"]
    try:
        second.start()
        assert "there is no console" in second.said()
        assert len(second.children()) == 4
    finally:
        end(second.process)


def test_the_console_holds_no_secret_that_a_vendor_signs_with(undisturbed: Up) -> None:
    secret = (undisturbed.folder / "var" / "secrets" / "IDNGO_SANDBOX_SECRETS").read_text().strip().encode()

    def console() -> list[int]:
        return [pid for parent in undisturbed.children() for pid in (parent, *children(parent)) if b"console" in _command(parent)]

    pids = eventually(lambda: console() if len(console()) == 2 else None, "the console and its worker")
    assert not any(secret in memory(pid) for pid in pids)


def test_none_but_the_worker_reads_the_key_that_signs_the_log(undisturbed: Up) -> None:
    assert not _holding(undisturbed, (undisturbed.folder / "var" / "secrets" / "LOG_SIGNING_KEY").read_text().strip())


def test_none_but_the_worker_is_given_the_key_that_signs_the_log(tmp_path: Path) -> None:
    running = Up(tmp_path)
    running.environment["LOG_SIGNING_KEY"] = LOG_SIGNING_KEY
    try:
        running.start()
        assert not _holding(running, running.environment["LOG_SIGNING_KEY"])
    finally:
        end(running.process)


def _holding(up: Up, key: str) -> list[bytes]:
    """What runs beside the worker and has the key in memory, as it is given or decoded."""

    def others() -> list[int]:
        return [pid for parent in up.children() if b"standing\0worker" not in _command(parent) for pid in (parent, *children(parent))]

    pids = eventually(lambda: others() if len(others()) == 6 else None, "Valkey, the relay, and two processes each of web and console")
    return [_command(pid) for pid in pids if any(form in memory(pid) for form in (key.encode(), base64.b64decode(key)))]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
