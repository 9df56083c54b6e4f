"""A log in this process's database: who is approved, so that there is something to log, and how that is logged and signed."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from handlers import process
from store import database
from store.database.log_tables import Leaf, Unlogged
from store.inbox import record as inbox
from store.inbox.deliveries import Delivery
from store.proof import checkpoints, sequencer
from store.proof.sequencer import Horizon
from tests.conftest import forget
from tests.support import payloads
from tests.support.service import LOG_ORIGIN, LOG_SIGNING_KEY

#: Another key than that of the log.
OTHER_KEY = base64.b64encode(b"another seed, of 32 bytes, too..").decode()

#: The seeds of both, as keys are made of them.
SEED, OTHER_SEED = (base64.b64decode(key) for key in (LOG_SIGNING_KEY, OTHER_KEY))

#: Who holds the lease of the log in tests.
RUNNER = "a host:1"


def configure(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    forget()


@pytest.fixture
def signing(kept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This process, configured to sign a log in an empty database."""
    (tmp_path / "var").mkdir(exist_ok=True)
    configure(monkeypatch, LOG_ORIGIN=LOG_ORIGIN, LOG_SIGNING_KEY=LOG_SIGNING_KEY)


def approval() -> Delivery:
    """A delivery that approves an applicant of its own."""
    body = msgspec.json.encode(payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    return Delivery(vendor="idngo", environment="live", headers={}, body=body, identity=hashlib.sha256(body).digest())


def happen(count: int = 1) -> None:
    """Have some applicants be approved."""
    for _ in range(count):
        inbox.record(approval())
    while process.handle_some("worker"):
        pass


def log_once(horizon: Horizon | None = None, runner: str = RUNNER) -> int:
    return database.write(lambda connection: sequencer.log_some(connection, runner, horizon or Horizon()))


def log_all(horizon: Horizon | None = None) -> int:
    """Log until nothing waits; give the number of leaves that were appended."""
    assert database.write(lambda connection: sequencer.take_lease(connection, RUNNER))
    total = 0
    while some := log_once(horizon):
        total += some
    assert database.read(lambda connection: connection.execute(select(Unlogged.__table__)).all()) == []
    return total


def log_and_sign() -> bool:
    """Log all that waits, and sign it; give whether something was signed."""
    log_all()
    signed = checkpoints.sign()  # Or it begins the first epoch, whose leaf is logged next.
    log_all()
    return checkpoints.sign() or signed


def kept_leaves() -> list[Any]:
    return list(database.read(lambda connection: connection.execute(select(Leaf.__table__).order_by(Leaf.number)).all()))
