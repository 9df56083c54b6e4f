"""Mutations of whole rows: deleted, inserted, swapped, back-dated, and emptied by no erasure. Each is named."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from store import database
from store.database.log_tables import Leaf, LogState, LogStop, Unlogged
from store.database.operations_tables import Act
from store.database.privacy_tables import BodyKey
from store.database.tables import EventRow
from store.inbox import deliveries, delivery_rows
from store.inbox.deliveries import SealedDelivery
from store.proof.kinds import SOURCES, LeafKind
from store.system import clock
from tests.store.proof.verification import history
from tests.store.proof.verification.history import found, tampering
from tests.support.proof.log import approval, happen, log_all

pytestmark = [pytest.mark.usefixtures("signing"), pytest.mark.one_database]

#: Long ago: no row of that time can be waiting for its leaf.
LONG_AGO = timedelta(days=40)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_row_that_is_deleted_is_found(kind: LeafKind) -> None:
    history.make()
    history.erased()
    key, table = history.newest(kind), history.table_of(kind)
    with tampering() as connection:
        connection.execute(delete(table).where(table.c[SOURCES[kind].key] == key))
    assert (kind.value, f"number {key}" if kind == LeafKind.EVENT else str(key)) in found()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_row_that_is_added_unseen_is_found(kind: LeafKind) -> None:
    """It says that it is old: the log had long passed that place."""
    history.make()
    history.erased()
    table, source = history.table_of(kind), SOURCES[kind]
    with tampering() as connection:
        where = table.c[source.key] == history.newest(kind)
        row = dict(connection.execute(select(table).where(where)).mappings().one())
        added = str(uuid.uuid4()) if isinstance(row[source.key], str) else row[source.key] + 500
        row |= {source.key: added} | ({"id": str(uuid.uuid4()), "identity": b"x" * 32} if kind == LeafKind.EVENT else {})
        row |= {"version": 77} if kind == LeafKind.CHANGE else {}
        row |= {source.own_time: clock.now() - LONG_AGO} if source.own_time else {}
        connection.execute(insert(table).values(**row))
    assert (kind.value, history.name_of(kind, added)) in found()


@pytest.mark.parametrize("kind", [LeafKind.EVENT, LeafKind.CHANGE, LeafKind.ACT])
def test_two_rows_that_are_swapped_are_found(kind: LeafKind) -> None:
    history.make()
    table, key = history.table_of(kind), SOURCES[kind].key
    with tampering() as connection:
        first, second = connection.execute(select(table.c[key]).order_by(table.c[key]).limit(2)).scalars()
        for old, new in ((first, -1), (second, first), (-1, second)):
            connection.execute(update(table).where(table.c[key] == old).values({key: new}))
    assert {(kind.value, history.name_of(kind, one)) for one in (first, second)} <= found()


def test_a_change_whose_event_is_logged_after_it_is_found() -> None:
    """The event was hidden from the sequencer, and shown to it afterwards."""
    history.make()
    happen()
    change, event = history.newest(LeafKind.CHANGE), history.newest(LeafKind.EVENT)
    with tampering() as connection:
        hidden = dict(connection.execute(select(EventRow.__table__).where(EventRow.sequence == event)).mappings().one())
        connection.execute(delete(EventRow).where(EventRow.sequence == event))
    log_all()
    with tampering() as connection:
        connection.execute(update(LogState).values(events_to=0))
        connection.execute(insert(EventRow).values(**hidden))
    log_all()
    assert found() == {("change", str(change))}


@pytest.mark.parametrize("part", ["sealed_body", "wrapped", "key"])
def test_a_body_that_is_replaced_or_locked_is_found(part: str) -> None:
    history.make()
    name = history.name_of(LeafKind.EVENT, history.newest(LeafKind.EVENT))
    with tampering() as connection:
        if part == "sealed_body":
            connection.execute(update(EventRow).where(EventRow.id == name).values(sealed_body=b"x" * 60))
        elif part == "wrapped":
            connection.execute(update(BodyKey).where(BodyKey.event_id == name).values(wrapped=b"x" * 60))
        else:
            connection.execute(delete(BodyKey).where(BodyKey.event_id == name))
    assert ("event", name) in found()


# back-dated ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [timedelta(minutes=6), LONG_AGO])
def test_a_row_that_is_back_dated_before_it_is_logged_is_found(late: timedelta) -> None:
    """However old it says it is: others that are younger than the log were logged before it."""
    history.make()
    with database.begin() as connection:
        began = clock.now() - timedelta(minutes=30)
        connection.execute(update(Leaf).where(Leaf.number == 0).values(at=began))
    arrival = deliveries.seal(approval())
    _keep(SealedDelivery(**vars(arrival) | {"received_at": clock.now() - late}))
    log_all()
    assert ("event", arrival.id) in found()


def test_what_is_older_than_the_log_is_not_back_dated() -> None:
    """A database of before the log: it is logged when the log begins."""
    for days in (400, 200, 1):
        arrival = deliveries.seal(approval())
        _keep(SealedDelivery(**vars(arrival) | {"received_at": clock.now() - timedelta(days=days)}))
    with database.begin() as connection:
        connection.execute(insert(Act).values(at=clock.now() - LONG_AGO, actor="night", action="link", subject="idngo live x"))
    history.make()
    assert found() == set()


def test_what_came_through_the_spool_or_waited_while_the_log_stopped_is_not_back_dated() -> None:
    history.make()
    history.spooled()
    log_all()
    arrival = deliveries.seal(approval())
    _keep(SealedDelivery(**vars(arrival) | {"received_at": clock.now() - timedelta(minutes=20)}))
    with database.begin() as connection:
        connection.execute(insert(LogStop).values(since=clock.now() - timedelta(minutes=20), until=clock.now()))
    log_all()
    assert ("event", arrival.id) not in found()


def _keep(arrival: SealedDelivery) -> None:
    database.write(lambda connection: delivery_rows.keep(connection, [arrival]))


# emptied ------------------------------------------------------------------------------------------------------


def _blank(connection: Connection, sequence: int) -> None:
    """Make an event look erased."""
    name = history.name_of(LeafKind.EVENT, sequence)
    connection.execute(delete(BodyKey).where(BodyKey.event_id == name))
    values = {"erased_at": clock.now(), "sealed_body": b"", "headers": {}, "reference": None}
    connection.execute(update(EventRow).where(EventRow.sequence == sequence).values(**values))


def _leaf(connection: Connection, kind: LeafKind, row: int) -> int:
    return int(connection.execute(select(Leaf.number).where(Leaf.kind == kind, Leaf.row == row)).scalar_one())


def _only_blank(connection: Connection, sequence: int) -> None:
    """Nothing is written in the log's tables."""


def _name_an_erasure(connection: Connection, sequence: int) -> None:
    """Its leaf is said to be emptied by the leaf of a real erasure."""
    by = connection.execute(select(Leaf.number).where(Leaf.kind == LeafKind.EMPTIED).order_by(Leaf.number.desc()).limit(1)).scalar_one()
    connection.execute(update(Leaf).where(Leaf.kind == LeafKind.EVENT, Leaf.row == sequence).values(emptied_by=by, secret=None))


def _name_another_leaf(connection: Connection, sequence: int) -> None:
    by = connection.execute(select(Leaf.number).order_by(Leaf.number.desc()).limit(1)).scalar_one()
    connection.execute(update(Leaf).where(Leaf.kind == LeafKind.EVENT, Leaf.row == sequence).values(emptied_by=by, secret=None))


@pytest.mark.parametrize("how", [_only_blank, _name_an_erasure, _name_another_leaf])
def test_an_event_that_is_emptied_and_called_erased_is_found(how: Callable[[Connection, int], None]) -> None:
    history.make()
    history.erased()
    sequence = history.newest(LeafKind.EVENT) - 1
    with tampering() as connection:
        _blank(connection, sequence)
        how(connection, sequence)
    assert ("event", history.name_of(LeafKind.EVENT, sequence)) in found()


@pytest.mark.parametrize("erasure", ["none", "unknown", "waits", "done"])
def test_an_event_that_is_put_in_the_queue_as_erased_is_found(erasure: str) -> None:
    """`waits`: the sequencer has not taken it from the queue; `done`: it names an erasure that ended long ago."""
    history.make()
    done = history.erased()
    sequence = history.newest(LeafKind.EVENT) - 1
    name = history.name_of(LeafKind.EVENT, sequence)
    erasure_id = {"none": None, "unknown": str(uuid.uuid4()), "waits": done, "done": done}[erasure]
    with tampering() as connection:
        _blank(connection, sequence)
        connection.execute(insert(Unlogged).values(kind="event", row=sequence, erased=True, erasure_id=erasure_id))
    if erasure != "waits":
        log_all()
    if erasure in ("waits", "done"):
        assert ("event", name) in found()
    else:
        assert {kind for kind, _ in found()} == {"emptied"}


@pytest.mark.parametrize("kind", [LeafKind.CHANGE, LeafKind.ACT, LeafKind.HOLD])
def test_a_row_that_is_altered_and_put_in_the_queue_as_erased_is_found(kind: LeafKind) -> None:
    history.make()
    done = history.erased()
    key = history.newest(kind)
    altered: dict[LeafKind, Any] = {
        LeafKind.CHANGE: {"code_version": "x"},
        LeafKind.ACT: {"actor": "x", "reason": "x"},
        LeafKind.HOLD: {"placed_by": "x"},
    }
    table = history.table_of(kind)
    with tampering() as connection:
        connection.execute(update(table).where(table.c[SOURCES[kind].key] == key).values(**altered[kind]))
        column = {"row": key} if SOURCES[kind].is_numbered else {"row_id": key}
        connection.execute(insert(Unlogged).values(kind=kind, **column, erased=True, erasure_id=done))
    log_all()
    assert (kind.value, str(key)) in found()
