"""A backup beside live traffic, and a service that comes back from it: nothing acknowledged before it is missing, readers notice."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service, children, end, eventually

#: The contract: a delivery is answered within 2 seconds.
ANSWER_SECONDS = 2.0

#: So many bodies of a megabyte, that copying them takes a while.
LARGE_BODIES = 100

PERSON = "Zzmarkedzzperson"


@pytest.fixture
def machine(migrated_sqlite: Path, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service on SQLite; a test starts the worker, and arms faults."""
    path, faults = tmp_path / "standing.sqlite3", tmp_path / "faults"
    path.write_bytes(migrated_sqlite.read_bytes())
    faults.mkdir()
    environment = {"DATABASE_URL": f"sqlite:///{path}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(faults)}
    with Service(tmp_path, environment, worker=False) as service:
        yield service


class Traffic:
    """A vendor that delivers, one after the other, until told to stop."""

    def __init__(self, service: Service) -> None:
        self._service, self._stopping = service, threading.Event()
        self.answers: list[tuple[int, str, float]] = []
        self._thread = threading.Thread(target=self._deliver)

    def __enter__(self) -> Traffic:
        self._thread.start()
        eventually(lambda: self.answers, "the first answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _deliver(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            answer = self._service.deliver("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN", info=PERSON))
            self.answers.append((answer.status, answer.json["event_id"], time.monotonic() - began))


def backed_up(file: Path) -> dict[str, str]:
    """The events in a backup, and how each stood."""
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = connection.execute("SELECT id, status FROM events").fetchall()
    connection.close()
    return {str(uuid.UUID(event_id)): status for event_id, status in rows}


def all_that_is_shown(service: Service) -> tuple[Any, Any]:
    """Every applicant, and every change in the feed but for its cursor."""
    changes = service.get("/v1/changes", limit=500).json["data"]
    return service.get("/v1/applicants", limit=500).json["data"], [entry | {"cursor": None} for entry in changes]


def claimed_by_one_that_died(service: Service, worker: subprocess.Popen[bytes]) -> tuple[str, str]:
    """An event that a worker held when it was killed: whose, and its id."""
    point, who = service.folder / "faults" / "claimed", payloads.new_applicant()
    point.write_text("hang")
    event_id = service.kept("idngo", payloads.idngo(who, answer="GREEN"))
    eventually(lambda: not point.exists(), "the worker to hold it")
    for pid in (worker.pid, *children(worker.pid)):
        os.kill(pid, signal.SIGKILL)
    worker.wait()
    return who, event_id


@pytest.mark.alone
def test_a_backup_under_traffic_holds_all_that_was_acknowledged_and_holds_up_no_delivery(machine: Service, tmp_path: Path) -> None:
    machine.start_worker()
    file = tmp_path / "backup.sqlite3"
    for _ in range(LARGE_BODIES):
        machine.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN", info=PERSON, more="x" * 1_000_000))
    with Traffic(machine) as traffic:
        before = list(traffic.answers)
        said = machine.standing("backup", str(file))
        during = traffic.answers[len(before) :]
    assert said.returncode == 0, said.stderr
    assert len(during) > 10
    assert {status for status, _, _ in traffic.answers} == {200}
    assert max(seconds for _, _, seconds in traffic.answers) < ANSWER_SECONDS
    held = backed_up(file)
    assert {event_id for _, event_id, _ in before} <= held.keys()
    assert len(held) >= LARGE_BODIES + len(before)
    for secret in (KEY.encode(), base64.b64decode(KEY), PERSON.encode()):
        assert secret not in file.read_bytes()


def test_a_restored_service_stands_as_the_backup_did_and_readers_of_the_feed_notice(machine: Service, tmp_path: Path) -> None:
    worker = machine.start_worker()
    whose = [payloads.new_applicant() for _ in range(5)]
    for who in whose:
        machine.told("idngo", payloads.idngo(who, answer="GREEN"))
    read_until = machine.get("/v1/changes").json["next_cursor"]
    shown = all_that_is_shown(machine)
    waiting, claimed = claimed_by_one_that_died(machine, worker)

    file = tmp_path / "backup.sqlite3"
    assert machine.standing("backup", str(file)).returncode == 0
    assert backed_up(file)[claimed] == "pending"
    worker = machine.start_worker()
    for who in whose:
        machine.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["BLACKLIST"], at=after(days=1)))
    end(worker)
    end(machine.web)
    restored = machine.standing("restore", "--yes", str(file))
    assert restored.returncode == 0, restored.stderr

    machine.web = machine.start_web()
    assert all_that_is_shown(machine) == shown
    refused = machine.get("/v1/changes", after=read_until)
    assert refused.status == 400
    assert "'after'" in refused.json["detail"]
    assert "start again without a cursor" in refused.json["detail"]
    anew = machine.get("/v1/changes").json
    assert [entry["reference"] for entry in anew["data"]] == whose

    machine.start_worker()
    assert machine.settled(claimed)["status"] == "applied"
    (told,) = machine.get("/v1/changes", after=anew["next_cursor"]).json["data"]
    assert (told["reference"], told["type"]) == (waiting, "applicant.approved")


def test_a_restore_is_refused_while_any_process_of_the_service_runs_idle(machine: Service, tmp_path: Path) -> None:
    file = tmp_path / "backup.sqlite3"
    assert machine.standing("backup", str(file)).returncode == 0
    kept = machine.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))

    def refused() -> bool:
        said = machine.standing("restore", "--yes", str(file))
        return said.returncode == 2 and "end the service" in said.stderr

    assert refused(), "the web process alone"
    worker = machine.start_worker()
    machine.settled(kept)
    end(machine.web)
    assert refused(), "the worker alone"
    assert worker.poll() is None
