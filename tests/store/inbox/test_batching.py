"""What comes at the same moment shares a transaction, and nothing else: each is kept once, durably, and one that is bad fails alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DataError

from store import database
from store.database.tables import EventRow
from store.inbox import batching, deliveries
from store.inbox import record as inbox
from store.inbox.batching import PAUSE_SECONDS, GroupCommit
from store.inbox.deliveries import Delivery
from store.inbox.record import Kept
from store.system.deadlines import DeadlineExceeded

SENDERS = 16


def delivery(name: str, *, subject: str | None = None, vendor: str = "idngo") -> Delivery:
    body = name.encode()
    return Delivery(vendor=vendor, environment="live", headers={}, body=body, identity=body, subject=subject.encode() if subject else None)


def at_once(deliveries: Sequence[Delivery]) -> list[Kept | Exception]:
    """What each of several senders is told, who all begin at the same moment."""
    start = threading.Barrier(len(deliveries))

    def send(one: Delivery) -> Kept | Exception:
        start.wait()
        try:
            return inbox.record(one)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(deliveries)) as senders:
        return list(senders.map(send, deliveries))


def kept() -> dict[bytes, int]:
    """How many deliveries each event counts."""
    with database.reading() as connection:
        return {row.body_sha256: row.deliveries for row in connection.execute(select(EventRow.body_sha256, EventRow.deliveries))}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("subject", [None, "one subject"])
def test_of_many_deliveries_of_one_event_at_the_same_moment_one_is_the_first(subject: str | None) -> None:
    for number in range(5):
        told = at_once([delivery(f"event {number}", subject=subject)] * SENDERS)
        assert all(isinstance(one, Kept) for one in told), told
        assert len({one.event_id for one in told if isinstance(one, Kept)}) == 1
        assert sum(one.first for one in told if isinstance(one, Kept)) == 1
    assert sorted(kept().values()) == [SENDERS] * 5


@pytest.mark.usefixtures("kept")
def test_deliveries_of_many_events_at_the_same_moment_are_all_kept_before_they_are_answered() -> None:
    for number in range(5):
        told = at_once([delivery(f"{number} {sender}", subject=f"{sender}" if sender % 2 else None) for sender in range(SENDERS)])
        assert all(isinstance(one, Kept) and one.first for one in told), told
        with database.reading() as connection:
            there = set(connection.execute(select(EventRow.id)).scalars())
        assert {one.event_id for one in told if isinstance(one, Kept)} <= there


@pytest.mark.usefixtures("kept")
def test_a_subject_that_two_senders_speak_of_at_once_gets_both_one_after_the_other() -> None:
    for _ in range(5):
        told = at_once([delivery("approved", subject="scan"), delivery("denied", subject="scan")])
        assert all(isinstance(one, Kept) for one in told), told
    with database.reading() as connection:
        assert connection.execute(select(func.sum(EventRow.deliveries))).scalar_one() == 10


@pytest.mark.usefixtures("kept")
def test_one_that_the_database_refuses_fails_alone() -> None:
    if database.is_sqlite():
        pytest.skip("SQLite bounds no names")
    # How long a delivery waits is not the matter here: on a slow disk all may be overdue.
    senders = [delivery(f"good {number}") for number in range(SENDERS - 1)]
    arrived = [deliveries.seal(one) for one in (delivery("bad", vendor="x" * 41), *senders)]
    bad, *good = inbox._commit_group(arrived)
    assert isinstance(bad, DataError)
    assert good == [arrival.id for arrival in arrived[1:]]
    assert len(kept()) == len(good)


def test_one_that_hangs_costs_others_a_moment_and_then_another_does_the_work() -> None:
    let_go = threading.Event()

    def do(items: Sequence[str]) -> list[str | Exception]:
        if "hang" in items:
            let_go.wait(60)
        return list(items)

    together = GroupCommit("test", do, most=1)
    with pytest.raises(DeadlineExceeded):
        together.submit("hang", seconds=0.5)
    time.sleep(max(PAUSE_SECONDS, 5.0))  # Work hangs that is older than its next caller would wait.
    assert together.submit("back", seconds=5.0) == "back"
    let_go.set()
    for number in range(20):
        assert together.submit(str(number), seconds=20) == str(number)


def test_while_all_hang_whoever_comes_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "PAUSE_SECONDS", 60.0)  # No second thread joins, however long this takes.
    hangs, let_go = threading.Event(), threading.Event()

    def do(items: Sequence[str]) -> list[str | Exception]:
        hangs.set()
        let_go.wait(60)
        return [ConnectionError() for _ in items]

    together = GroupCommit("test", do, most=10)
    while not hangs.is_set():  # On a busy machine it may be given up before the thread has taken it.
        with pytest.raises(DeadlineExceeded):
            together.submit("hang", seconds=0.5)
    time.sleep(0.6)
    with pytest.raises(DeadlineExceeded, match="all others are overdue"):
        together.submit("next", seconds=0.5)
    let_go.set()
    with pytest.raises(ConnectionError):
        together.submit("later", seconds=20)
