"""The drain: one wake-up handles all that waits, and claims no oftener than it must."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from handlers import process
from handlers.worker import drain
from store import database
from store.applicants.erased import FENCES_LOCK
from store.database.engine import engine
from store.database.operations_tables import Lease
from store.database.tables import EventRow
from store.inbox import claims, settling
from store.system import clock
from tests.handlers.test_process import keep, of
from tests.support.service import eventually
from tests.support.telling import idngo

pytestmark = pytest.mark.usefixtures("kept")


@pytest.fixture(autouse=True)
def _look_for_suspects() -> None:
    drain.suspects.expect()


def keep_some(count: int) -> list[str]:
    return [keep(of(f"{number:024d}", idngo(answer="GREEN"))) for number in range(count)]


def pending() -> int:
    with database.reading() as connection:
        return len(connection.execute(select(EventRow.id).where(EventRow.status == "pending")).all())


def claimed() -> int:
    with database.reading() as connection:
        return len(connection.execute(select(EventRow.id).where(EventRow.claimed_by.is_not(None))).all())


@contextmanager
def transactions() -> Iterator[list[object]]:
    """The transactions that this process begins, as long as it lasts."""
    begun: list[object] = []

    def note(connection: object) -> None:
        begun.append(connection)

    event.listen(engine(), "begin", note)
    try:
        yield begun
    finally:
        event.remove(engine(), "begin", note)


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The statements that this process sends, with their parameters, as long as it lasts."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def test_one_event_costs_a_claim_and_a_write_and_no_look_for_suspects_within_a_second_of_the_last() -> None:
    drain.drain()
    keep_some(1)
    with transactions() as begun:
        assert drain.drain() == 1
    assert len(begun) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_claim_is_one_statement_that_reads_no_whole_table() -> None:
    """The limits, the lease and the claims: each statement more would cost every wake-up."""
    keep_some(3)
    with statements() as sent:
        assert len(claims.claim_oldest("A", most=2)) == 2
    [(statement, parameters)] = sent
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    assert "Seq Scan on events" not in plan, plan
    assert plan.count("ix_events_pending") == 1, plan
    assert plan.count("ix_events_retries") == 1, plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_statement_of_a_claim_reads_the_keys_of_all_bodies() -> None:
    """SQLite uses no index for a query within RETURNING. A claim would cost the more, the more was ever kept."""
    keep_some(2)
    with statements() as sent:
        assert len(claims.claim_oldest("A", most=1)) == 1
        with database.begin() as connection:
            connection.execute(update(Lease).values(until=clock.now() - timedelta(seconds=1)))
        assert claims.claim_suspect("B") is not None
    with database.reading() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", given).all() for one, given in sent if "body_keys" in one]
    steps = [step.detail for plan in plans for step in plan if "body_keys" in step.detail]
    assert steps
    assert {step.partition(" ")[0] for step in steps} == {"SEARCH"}, steps


def test_a_wake_up_handles_more_than_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BATCH", 4)
    keep_some(10)
    assert drain.drain() == 10


def test_a_wake_up_handles_what_one_claim_had_no_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "CLAIMED_BYTES_MAX", 1)
    keep_some(3)
    assert len(claims.claim_oldest("another", most=10)) == 1
    assert drain.drain() == 2


def test_a_wake_up_handles_every_retry_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BATCH", 4)
    keep_some(5)
    for one in claims.claim_oldest("A", most=5):
        settling.postpone(one.sequence, holder="A", retry_at=clock.now() - timedelta(seconds=1), error="failed")
    assert drain.drain() == 5


def test_a_wake_up_handles_every_event_of_a_crashed_worker() -> None:
    keep_some(3)
    claims.claim_oldest("killed", most=10)
    with database.begin() as connection:
        connection.execute(update(Lease).values(until=clock.now() - timedelta(seconds=1)))
    assert drain.drain() == 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_event_that_comes_while_another_drain_runs_waits_for_no_sweep() -> None:
    """The sweep drains, and waits for a lock with what it claimed. An event comes, and its wake-up finds the sweep's drain at work."""
    keep_some(1)
    sweep = threading.Thread(target=drain.drain)
    with database.begin() as connection:
        database.take_lock(connection, FENCES_LOCK)
        sweep.start()
        eventually(lambda: claimed() == 1, "the sweep's claim")
        keep(of("f" * 24, idngo(answer="GREEN")))
        assert drain.drain() == 0
    sweep.join()
    assert pending() == 0
