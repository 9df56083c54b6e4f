"""Erasures while vendors deliver and workers handle: nothing waits in a circle, nobody comes back, nothing of others is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import func, select, text

from handlers import process
from handlers.interpret import interpret
from handlers.privacy import erase, fence
from store import database
from store.applicants import erased
from store.database.tables import ApplicantRow, EventRow, MentionRow, Subject
from store.inbox import claims, settling
from store.inbox.record import Unavailable
from store.system import clock
from store.text.states import ApplicantKey, Outcome
from tests.support import payloads
from tests.support.privacy.erasing import approved, differences, handle_all, keep, shown
from tests.support.privacy.personal_data import of
from tests.support.telling import idenfy

T = TypeVar("T")

pytestmark = pytest.mark.usefixtures("kept")

SCANS = [f"scan-of-somebody-{number:02}" for number in range(12)]
ALERTS = 4


def key(scan: str) -> ApplicantKey:
    return ApplicantKey("idenfy", "live", scan)


def alert(number: int, scans: list[str], status: str = "ALERT") -> None:
    body = payloads.idenfy_monitoring(scans, status, monitoring=f"m-{number}")
    keep(idenfy("AML_MONITORING", json.dumps(body).encode()), subject=f"m-{number}".encode())


def deliver_again_and_again(stop: threading.Event) -> None:
    """The same bodies, in turns: each is at times a duplicate of the latest, which locks the subject and then the event."""
    while not stop.is_set():
        for number in range(ALERTS):
            with suppress(Unavailable):  # On a busy machine one may take too long; a circle is counted all the same.
                alert(number, SCANS)
                alert(number, SCANS)
                alert(number, SCANS[6:], "CLEAR")


def work(stop: threading.Event) -> None:
    """Handle events as a worker does: it gives them back where the database is busy for too long."""
    while not stop.is_set():
        holder = claims.new_holder()
        try:
            process.handle_some(holder)
        except database.Failure:
            patiently(partial(settling.release, holder))


def deadlocks() -> int:
    if database.is_sqlite():
        return 0
    with database.reading() as connection:
        query = text("SELECT pg_stat_force_next_flush(), deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(connection.execute(query).one().deadlocks)


def carry_out(erasure_id: str) -> bool:
    return patiently(partial(erase.carry_out, erasure_id))


def patiently(do: Callable[[], T]) -> T:
    """Do something, and again where the database is busy for too long, as our processes do."""
    while True:
        with suppress(*database.Failure):
            return do()


def test_nothing_waits_in_a_circle_and_nobody_comes_back() -> None:
    stop = threading.Event()
    asked = [approved(of(key(scan))) for scan in SCANS[:6]]
    for number in range(ALERTS):
        alert(number, SCANS)
    handle_all()
    with ThreadPoolExecutor(8) as threads:
        busy = [threads.submit(deliver_again_and_again, stop) for _ in range(2)] + [threads.submit(work, stop) for _ in range(2)]
        try:
            done = [threads.submit(carry_out, one) for one in asked]
            assert all(one.result(timeout=120) for one in done)
        finally:
            stop.set()
        for one in busy:
            one.result(timeout=60)
    handle_all()
    assert deadlocks() == 0
    gone = set(SCANS[:6])
    with database.reading() as connection:
        for table in (ApplicantRow, MentionRow):
            assert gone.isdisjoint(connection.execute(select(table.reference)).scalars())
        failed = select(func.count()).where(EventRow.status.in_((Outcome.FAILED, Outcome.UNREADABLE)))
        assert connection.execute(failed).scalar_one() == 0
        assert connection.execute(select(func.count()).where(Subject.erased)).scalar_one() == ALERTS
    assert all(shown(key(scan)) for scan in SCANS[6:])
    assert differences() == []


def test_an_erasure_waits_for_who_may_still_name_its_applicant() -> None:
    # A worker has looked whether anybody is erased, and has not committed yet. Its event moves nobody, so that it locks no applicant.
    # If the erasure did not wait for it, it would not find that the event names the erased.
    if database.is_sqlite():
        pytest.skip("SQLite has one writer at a time")
    keep(idenfy("IDENTIFICATION", json.dumps(payloads.idenfy(SCANS[0], "ARCHIVED")).encode()), subject=b"s")
    [event] = claims.claim_oldest(holder := claims.new_holder(), most=10)
    asked = approved(of(key(SCANS[0])))
    with ThreadPoolExecutor(1) as threads:
        with database.begin() as connection:
            erased.hold_fences(connection)
            assert fence.without_erased(connection, [interpret(event)]).rewritten == []
            done = threads.submit(erase.carry_out, asked)
            with pytest.raises(TimeoutError):
                done.result(timeout=timedelta(seconds=1).total_seconds())
        assert done.result(timeout=60)
    process.handle(holder, [event])
    with database.reading() as connection:
        row = connection.execute(select(EventRow.reference, EventRow.sealed_body, EventRow.erased_at)).one()
    assert (row.reference, row.sealed_body) == (None, b"")
    assert row.erased_at <= clock.now()
