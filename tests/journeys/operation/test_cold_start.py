"""Programs that start as they do anywhere else. The other tests fork them from processes that are loaded: that must show nowhere."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY, next_part
from tests.support import payloads, warm
from tests.support.service import Service, children, eventually

WHO = "6626a2f4b6c9a91e2f1c0a01"

#: A command of each group, whose output stays the same as long as nothing happens, or that fails.
COMMANDS = (
    "applicants show idngo",
    "events list",
    "failed list",
    "decisions list",
    "keys list",
    "notify list",
    "reactions list",
    "replays list",
    "reconcile idngo",
    "review",
    "reversals --since 2026-01-01T00:00:00Z",
    "audit",
    "export applicants",
    "no-such-command",
)


@pytest.fixture(scope="module")
def started_cold(valkey_url: str, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of executables that loaded everything themselves, and an applicant in it."""
    folder = tmp_path_factory.mktemp("cold")
    shutil.copy(migrated_sqlite, folder / "standing.sqlite3")
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'standing.sqlite3'}",
        "REDIS_URL": f"{valkey_url}?db={next_part()}",
        "ENCRYPTION_KEYS": KEY,
    }
    with warm.cold():
        service = Service(folder, settings).__enter__()
    try:
        # From then on nothing happens by itself that a command would show.
        eventually(lambda: "log" in service.subscribers(), "the process beside the worker to run")
        yield service
    finally:
        service.__exit__(None, None, None)


def test_what_is_sent_to_a_service_that_started_cold_is_applied_and_told(started_cold: Service) -> None:
    started_cold.told("idngo", payloads.idngo(WHO, answer="GREEN"))
    assert started_cold.applicant("idngo", WHO)["status"] == "approved"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_starts_cold_ends_and_says_the_same(started_cold: Service, command: str) -> None:
    words = [*command.split(), WHO] if command.endswith("idngo") else command.split()
    with warm.cold():
        cold = started_cold.standing(*words)
    forked = started_cold.standing(*words)
    assert (forked.returncode, forked.stdout, forked.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def beside(service: Service) -> Path:
    """The process that a worker runs beside its own, as the system shows it."""
    working = eventually(lambda: children(service.processes[1].pid), "the worker to work")[0]
    command = ["pgrep", "-P", str(working), "-f", "handlers.notify.dispatcher"]
    found = eventually(lambda: subprocess.run(command, capture_output=True, text=True, check=False).stdout, "the dispatcher")
    return Path(f"/proc/{found.strip()}")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_runs_beside_a_worker_is_forked_unless_the_worker_started_cold(started_cold: Service, service: Service) -> None:
    started = {
        name: b"PYTHONSAFEPATH" in (beside(one) / "environ").read_bytes() for name, one in (("cold", started_cold), ("warm", service))
    }
    assert started == {"cold": True, "warm": False}
