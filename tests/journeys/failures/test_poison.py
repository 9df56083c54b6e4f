"""An event that breaks whoever handles it: it raises, hangs or eats all memory. It delays itself, and nobody else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service, children, eventually

#: So short that a test need not wait for it.
PATIENCE = {"EVENT_SECONDS_MAX": "1", "RETRY_BASE_SECONDS": "1", "WORKER_BYTES_MAX": str(256 * 1024 * 1024)}


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    folder = tmp_path / "faults"
    folder.mkdir()
    return folder


@pytest.fixture
def poisonable(database_url: str, redis_url: str, faults: Path, tmp_path: Path) -> Iterator[Service]:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(faults)}
    with Service(tmp_path, settings | PATIENCE) as service:
        yield service


def poison(faults: Path, body: bytes, deed: str) -> Path:
    """Let the handling of this one body do that, as long as the file is there."""
    armed = faults / f"interpret.{hashlib.sha256(body).hexdigest()}"
    armed.write_text(deed)
    return armed


def verdict(who: str, answer: str, **passed: float) -> bytes:
    return json.dumps(payloads.idngo(who, answer=answer, reject="FINAL" if answer == "RED" else None, at=after(**passed))).encode()


def tried(service: Service, event_id: str) -> Any:
    event = service.get(f"/v1/events/{event_id}").json
    return event if event["attempts"] else None


@pytest.mark.parametrize("deed", ["raise", "hang", "eat"])
def test_a_poisonous_event_delays_neither_its_batch_nor_newer_news_of_its_applicant(poisonable: Service, faults: Path, deed: str) -> None:
    whose, other = payloads.new_applicant(), payloads.new_applicant()
    body = verdict(whose, "GREEN")
    armed = poison(faults, body, deed)
    poisoned = poisonable.kept("idngo", body)
    newer = poisonable.told("idngo", verdict(whose, "RED", minutes=1))
    beside = poisonable.told("idngo", verdict(other, "GREEN"))
    assert (newer["status"], beside["status"]) == ("applied", "applied")
    event = eventually(lambda: tried(poisonable, poisoned), "a try that failed")
    assert (event["status"], whose in event["reason"]) == ("pending", False)
    armed.unlink()
    assert poisonable.settled(poisoned)["status"] == "superseded"
    assert poisonable.applicant("idngo", whose)["status"] == "rejected"


def test_a_worker_whose_parent_was_killed_ends_too(poisonable: Service) -> None:
    parent = poisonable.processes[-1]
    child = eventually(lambda: children(parent.pid), "the working process")[0]
    parent.kill()
    parent.wait()
    eventually(lambda: not alive(child), "the working process to end")
    poisonable.start_worker()
    assert poisonable.told("idngo", verdict(payloads.new_applicant(), "GREEN"))["status"] == "applied"


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").exists()
