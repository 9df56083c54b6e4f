"""The log's process: what comes is logged, signed, published and verified by itself, and another process takes over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from handlers.worker import sequencer
from handlers.worker.sequencer import Sequencer
from store import database
from store.database.log_tables import LogState
from store.database.tables import TransitionRow
from store.proof import checkpoints, tree
from store.proof.verify import open_note, read_vkey
from tests.support.proof.log import configure, happen, signing
from tests.support.service import eventually

__all__ = ["signing"]


@pytest.fixture
def folder(signing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where checkpoints are published."""
    (tmp_path / "published").mkdir()
    for name in ("PUBLISH_SECONDS", "VERIFY_LOOK_SECONDS", "REST_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(sequencer, name, 0.1)
    configure(monkeypatch, LOG_PUBLISH=str(tmp_path / "published"))
    return tmp_path / "published"


@contextmanager
def logging(name: str = "a host:1") -> Iterator[None]:
    """Log meanwhile, as the process does."""
    stopping = threading.Event()
    thread = threading.Thread(target=Sequencer(name, stopping).run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(60)
    assert not thread.is_alive()


def signed_size() -> int:
    found = database.read(checkpoints.newest)
    return found.size if found else 0


def state() -> Any:
    with database.reading() as connection:
        return connection.execute(select(LogState.__table__)).one()


def is_all_signed() -> bool:
    return signed_size() == database.read(tree.size) > 2


def test_what_comes_is_logged_signed_published_and_verified_by_itself(folder: Path) -> None:
    happen()
    with logging():
        eventually(is_all_signed, "the first rows to be signed")
        happen(2)
        eventually(lambda: signed_size() >= 7, "what came later to be signed")
        [note] = eventually(lambda: list(folder.iterdir()), "a checkpoint to be published")
        eventually(lambda: state().verified_at, "the first verification")
    assert (state().runner, state().faults) == (None, 0)
    [vkey] = database.read(checkpoints.vkeys)
    assert open_note(note.read_text(), read_vkey(vkey))


def test_a_fault_that_it_finds_is_recorded(folder: Path) -> None:
    happen()
    with logging():
        eventually(lambda: state().verified_at, "the first verification")
    happen()
    with logging():
        eventually(lambda: signed_size() > state().verified_size, "what came later to be signed")
    with database.begin() as connection:
        connection.execute(delete(TransitionRow).where(TransitionRow.number == 2))
        connection.execute(update(LogState).values(verified_at=None))
    with logging():
        eventually(lambda: state().faults, "the fault to be found")


def test_another_process_goes_on_once_the_first_has_ended(folder: Path) -> None:
    happen()
    with logging("a host:1"), logging("another host:1"):
        eventually(is_all_signed, "the first rows to be signed")
    size = signed_size()
    with logging("another host:1"):
        happen()
        eventually(lambda: signed_size() >= size + 2, "the other one to log")
