"""Notifications: each process reports to the service manager that it works, as long as it does, and that it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.web.server.reports import SILENT_SECONDS
from store.system.processes import LATELY_SECONDS
from tests.conftest import KEY
from tests.deploy.systemd.manager import Notifications, notifications, signal_all
from tests.support.service import Service, children, eventually, free_port

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

#: A minute for what a busy machine is slow at.
SECONDS = max(SILENT_SECONDS, LATELY_SECONDS) + 60


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Notifications]:
    with notifications(str(tmp_path / "notify")) as found:
        yield found


@pytest.fixture
def idle(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service of which nothing runs yet."""
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "CONSOLE_PORT": str(free_port())}
    service = Service(tmp_path, settings)
    yield service
    service.end()


def start(service: Service, role: str, heard: Notifications) -> int:
    service.environment |= heard.environment
    return service.run("standing", role).pid


def until_ready(heard: Notifications, what: str) -> None:
    """Wait for the report that it is ready, which is the first. It comes again with each other number of processes that answer."""
    eventually(heard.states, what)
    assert set(heard.states()) == {"READY"}


def end(service: Service, heard: Notifications) -> None:
    """End it; it says so first, and is not ready again."""
    process = service.processes[-1]
    process.terminate()
    assert process.wait(60) == 0, service.logged()
    eventually(lambda: heard.states()[-1] == "STOPPING", "the report that it ends")
    assert heard.states().count("STOPPING") == 1


def assert_watched(heard: Notifications, frozen: list[int], trouble: str) -> None:
    """The watchdog is fed, but for the time in which these processes are frozen."""
    eventually(lambda: heard.fed() > 2, "the watchdog to be fed")
    signal_all(frozen, signal.SIGSTOP)
    try:
        eventually(
            lambda: heard.is_hungry() and heard.status() == trouble, f"the watchdog to miss it, and to be told: {trouble}", seconds=SECONDS
        )
    finally:
        signal_all(frozen, signal.SIGCONT)
    fed = heard.fed()
    eventually(lambda: heard.fed() > fed + 2, "the watchdog to be fed again", seconds=SECONDS)


def test_the_web_process_is_ready_when_it_answers_and_is_watched_until_it_ends(idle: Service, heard: Notifications) -> None:
    parent = start(idle, "web", heard)
    until_ready(heard, "the web process to be ready")
    assert idle.is_up()
    eventually(lambda: heard.status() == "2 processes answer.", "both to answer")
    assert_watched(heard, children(parent), "No process answers.")
    signal_all(children(parent)[:1], signal.SIGSTOP)  # One of two: the service answers, and gunicorn replaces it.
    eventually(lambda: heard.status() == "1 process answers.", "it to be missed", seconds=SECONDS)
    fed = heard.fed()
    eventually(lambda: heard.fed() > fed, "the watchdog to be fed all the same")
    signal_all(children(parent), signal.SIGCONT)
    eventually(lambda: heard.status() == "2 processes answer.", "both to answer again")
    end(idle, heard)


def test_a_web_process_that_reads_its_settings_again_says_so_and_is_ready_afterwards(idle: Service, heard: Notifications) -> None:
    start(idle, "web", heard)
    until_ready(heard, "the web process to be ready")
    eventually(lambda: heard.status() == "2 processes answer.", "both to answer")
    idle.processes[-1].send_signal(signal.SIGHUP)
    eventually(lambda: "RELOADING" in heard.states() and heard.states()[-1] == "READY", "the reload to end")
    assert heard.states().count("RELOADING") == 1
    assert idle.is_up()


def test_the_console_is_ready_when_it_answers_and_is_watched_until_it_ends(idle: Service, heard: Notifications) -> None:
    parent = start(idle, "console", heard)
    until_ready(heard, "the console to be ready")
    idle.port = int(idle.environment["CONSOLE_PORT"])
    assert idle.get("/console/sign-in", token=None).status == 200
    assert_watched(heard, children(parent), "No process answers.")
    end(idle, heard)


def test_a_worker_is_ready_when_it_looks_for_events_and_is_watched_until_it_ends(idle: Service, heard: Notifications) -> None:
    parent = start(idle, "worker", heard)
    until_ready(heard, "the worker to be ready")
    eventually(lambda: "the worker is up" in idle.logged(), "the worker to be up")
    assert_watched(heard, children(parent)[:1], "The working process shows no life.")
    end(idle, heard)


def test_the_relay_is_ready_when_it_takes_images_and_is_watched_until_it_ends(idle: Service, heard: Notifications, tmp_path: Path) -> None:
    parent = start(idle, "relay", heard)
    until_ready(heard, "the relay to be ready")
    assert (tmp_path / "var" / "relay.sock").is_socket()
    assert_watched(heard, [parent], "Images are taken.")
    end(idle, heard)


def test_a_name_of_the_abstract_namespace_is_notified_and_the_watchdog_of_another_process_is_not_fed(idle: Service, tmp_path: Path) -> None:
    with notifications(f"@standing-{tmp_path.name}-{free_port()}") as heard:
        idle.environment["WATCHDOG_PID"] = "1"
        start(idle, "relay", heard)
        until_ready(heard, "the relay to be ready")
        end(idle, heard)
        assert heard.fed() == 0


def test_what_a_worker_starts_beside_itself_is_not_given_the_socket(idle: Service, heard: Notifications) -> None:
    parent = start(idle, "worker", heard)
    working = eventually(lambda: children(parent), "the child")[0]
    beside = eventually(lambda: [pid for pid in children(working) if b"-m" in Path(f"/proc/{pid}/cmdline").read_bytes()], "a sidecar")
    assert b"NOTIFY_SOCKET" not in Path(f"/proc/{beside[0]}/environ").read_bytes()
