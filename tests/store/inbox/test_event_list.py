"""The list of events finds by an index what a look at every row would find, in the same order."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from store import database
from store.database.tables import EventRow
from store.inbox import events
from store.inbox.deliveries import first_id_of
from store.text.states import Outcome
from tests.handlers.test_process import keep
from tests.support.telling import idngo, ifcgate, verdict

pytestmark = pytest.mark.usefixtures("kept")

VENDORS = ("ifcgate", "idngo", "idenfy")
BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

#: In the order in which they were kept: when each was received, in minutes, and whether it came through the spool.
RECEIVED = (
    (0, False), (20, False), (5, True), (30, False), (31, True), (29, True), (90, False), (45, True), (91, False), (200, False),
)  # fmt: skip


def keep_many(*changes: dict[str, Any]) -> None:
    """Keep so many events of all vendors, and change their rows."""
    made = (lambda n: idngo(correlationId=str(n)), lambda n: ifcgate(note=n), lambda n: verdict(note=n))
    for number, values in enumerate(changes):
        event_id = keep(made[number % 3](number))
        statement = update(EventRow).where(EventRow.id == event_id).values(**values)
        database.write(lambda connection, statement=statement: connection.execute(statement))


def listed(**wanted: Any) -> list[int]:
    with database.reading() as connection:
        return [row.sequence for row in events.listing(connection, environment="live", vendors=VENDORS, limit=50, **wanted)]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("name", ["received_after", "since"])
def test_events_received_after_a_time_are_found_though_others_waited_in_a_spool(name: str, newest_first: bool) -> None:
    moments = [BEGAN + timedelta(minutes=minutes) for minutes, _ in RECEIVED]
    ids = [str(uuid.UUID(int=uuid.UUID(first_id_of(moment)).int + 1)) for moment in moments]
    keep_many(*({"id": ids[n], "received_at": moments[n], "spooled": spooled} for n, (_, spooled) in enumerate(RECEIVED)))
    with database.reading() as connection:
        rows = connection.execute(select(EventRow.sequence, EventRow.received_at).order_by(EventRow.sequence)).all()
    for moment in (BEGAN - timedelta(days=20_000), BEGAN - timedelta(days=1), *moments, BEGAN + timedelta(days=1)):
        later = [row.sequence for row in rows if row.received_at > moment or (name == "since" and row.received_at == moment)]
        assert listed(**{name: moment}, newest_first=newest_first) == (later[::-1] if newest_first else later)


def test_a_time_begins_a_list_at_an_event_that_was_kept_before_it() -> None:
    moments = [BEGAN + timedelta(minutes=30 * number) for number in range(8)]
    keep_many(*({"id": first_id_of(moment), "received_at": moment} for moment in moments))
    with database.reading() as connection:
        sequences = list(connection.execute(select(EventRow.sequence).order_by(EventRow.sequence)).scalars())
        assert events._kept_before(connection, moments[6]) == sequences[5]
        assert events._kept_before(connection, BEGAN) == 0


@pytest.mark.parametrize("newest_first", [False, True])
def test_events_without_effect_are_in_order_whichever_vendors_they_are_of(newest_first: bool) -> None:
    settled = {"settled_at": BEGAN, "reason": "it says so"}
    statuses = [Outcome.SUPERSEDED, Outcome.SUPERSEDED, Outcome.UNCHANGED, Outcome.SUPERSEDED, Outcome.APPLIED] * 3
    keep_many(*({"status": status, **settled} for status in statuses))
    with database.reading() as connection:
        of_status = select(EventRow.sequence).where(EventRow.status == Outcome.SUPERSEDED).order_by(EventRow.sequence)
        expected = list(connection.execute(of_status).scalars())
    expected = expected[::-1] if newest_first else expected
    assert listed(status="superseded", newest_first=newest_first) == expected
    assert len(expected) == 9
    rest = listed(status="superseded", newest_first=newest_first, after=(expected[3],))
    assert rest == expected[4:]
