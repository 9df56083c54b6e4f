"""A small history with every kind of row, logged and signed; how it is tampered with behind the log's back; what is found of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Table, create_engine, event, select

from handlers.privacy import erase
from store import database
from store.access import audit
from store.access.operators import Actor
from store.database.log_tables import LogStop
from store.database.privacy_tables import Erasure
from store.database.tables import EventRow
from store.inbox import deliveries, delivery_rows
from store.privacy import holds, requests
from store.privacy.acts import DataSubject
from store.proof.kinds import SOURCES, LeafKind, key_column
from store.proof.verification import run
from store.proof.verification.faults import Fault
from store.system import clock
from tests.support import telling
from tests.support.privacy import erasing
from tests.support.proof.log import approval, happen, log_and_sign

FIRST, SECOND = Actor("first", by_token=True), Actor("second", by_token=True)

HELD = DataSubject(environment="live", external_user_id="somebody on hold")

GONE = DataSubject(**erasing.GONE._asdict())


def make() -> None:
    """Let everything happen that is logged, and sign it. Rows of each kind are left that are not erased."""
    with database.begin() as connection:
        since = clock.now() - timedelta(hours=2)
        connection.execute(database.insert(LogStop).values(since=since, until=since + timedelta(hours=1)))
    log_and_sign()
    happen(3)
    database.write(lambda connection: audit.write(connection, actor="night", action="link", subject="idngo live x", reason="asked"))
    held = database.write(lambda connection: holds.place(connection, HELD, by=FIRST, reason="a case", review_at=clock.now()))
    database.write(lambda connection: holds.lift(connection, held["id"], by=SECOND, reason="it is over"))
    asked = request(DataSubject(environment="live", external_user_id="somebody else"))
    refuse(asked)
    happen(2)
    log_and_sign()


def erased() -> str:
    """Have an applicant be erased who was approved, and log that; return the erasure's id."""
    erasing.keep(erasing.about(erasing.GONE, telling.idngo(answer="GREEN")))
    erasing.handle_all()
    log_and_sign()
    asked = request(GONE)
    database.write(lambda connection: requests.approve(connection, asked, by=SECOND, reason="nothing keeps it"))
    assert erase.carry_out(asked)
    log_and_sign()
    return asked


def request(subject: DataSubject) -> str:
    """Ask for an erasure; return its id."""
    asked, _ = database.write(
        lambda connection: requests.request(connection, subject, by=FIRST, reason="asked for", received_at=clock.now())
    )
    return str(asked["id"])


def refuse(erasure_id: str, **values: bool) -> None:
    given: dict[str, Any] = {"by": SECOND, "reason": "the law", "basis": "AML", "until": clock.now() + timedelta(days=400)} | values
    database.write(lambda connection: requests.refuse(connection, erasure_id, **given))


def faults() -> list[Fault]:
    return run.verify_all(patience=timedelta()).faults


def found() -> set[tuple[str, str]]:
    """What the faults are about: kinds and ids."""
    return {(one.kind, one.id) for one in faults()}


@contextmanager
def tampering() -> Iterator[Connection]:
    """A connection of somebody who owns the database's server: no constraint between tables holds."""
    engine = create_engine(database.engine.engine().url)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", lambda made, _: made.execute("SET session_replication_role = replica"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def table_of(kind: LeafKind) -> Table:
    table = SOURCES[kind].table.__table__
    assert isinstance(table, Table)
    return table


def newest(kind: LeafKind) -> Any:
    """The key of the newest row of a kind."""
    where = {LeafKind.ERASURE_DECIDED: Erasure.decided_at.is_not(None), LeafKind.ERASURE_DONE: Erasure.done_at.is_not(None)}
    query = select(key_column(kind)).where(*([where[kind]] if kind in where else [])).order_by(key_column(kind).desc()).limit(1)
    return database.read(lambda connection: connection.execute(query).scalar_one())


def name_of(kind: LeafKind, key: Any) -> str:
    """How a fault about a row names it."""
    if kind != LeafKind.EVENT:
        return str(key)
    return str(database.read(lambda connection: connection.execute(select(EventRow.id).where(EventRow.sequence == key)).scalar_one()))


def spooled() -> None:
    """Bring in an event that waited in the spool for an hour."""
    arrival = deliveries.seal(approval())
    late = deliveries.SealedDelivery(**vars(arrival) | {"received_at": clock.now() - timedelta(hours=1)})
    database.write(lambda connection: delivery_rows.keep(connection, [late], spooled=True))
