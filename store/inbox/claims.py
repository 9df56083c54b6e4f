"""Claims: which worker is handling which pending event, until the event is settled (`settling`)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningUpdate

from store import database
from store.database import bulk
from store.database.operations_tables import Lease
from store.database.tables import EventRow
from store.inbox.events import EVENT_COLUMNS, InboxEvent, event_of
from store.system import clock, fault_points
from store.text.states import Outcome

#: How long a holder's claims last since its last one. A worker that has not settled by then is taken for dead.
LEASE = timedelta(seconds=30)

#: The most that one claim brings into memory, as far as it is more than one event.
CLAIMED_BYTES_MAX = 8 * 1024 * 1024

#: At most one in so many of a batch was tried before, so that many failures delay no first try.
RETRIES_SHARE = 4

#: Written out, not bound: a database uses a partial index only where it can see that its condition holds.
PENDING: ColumnElement[str] = literal_column(f"'{Outcome.PENDING}'")
SUSPECT: ColumnElement[bool] = literal_column("suspect IS TRUE")


#: The one order in which a transaction that waits locks events, so that no deadlock can form. Deliveries are locked in it: those
#: with an identity, then those of a subject.
LOCK_ORDER = (
    EventRow.identity.is_(None),
    EventRow.vendor,
    EventRow.environment,
    func.coalesce(EventRow.identity, EventRow.subject),
    EventRow.sequence,
)


class Claimed(list[InboxEvent]):
    """The events of one claim, in the order of receipt, and whether more may wait: a limit of the claim may have left some."""

    def __init__(self, events: Iterable[InboxEvent] = (), *, more: bool = False) -> None:
        super().__init__(events)
        self.more = more


# claiming -----------------------------------------------------------------------------------------------------

FREE = (
    select(EventRow.sequence, EventRow.retry_at, func.length(EventRow.sealed_body).label("size"))
    .where(EventRow.status == PENDING, EventRow.claimed_by.is_(None), EventRow.suspect.is_(False))
    .with_for_update(skip_locked=True)
)


def new_holder() -> str:
    """Return a name for whoever claims events from now on."""
    return uuid.uuid4().hex


def claim_oldest(holder: str, *, most: int) -> Claimed:
    """Claim the oldest pending events that are due. Commits."""
    if database.is_sqlite():
        return _claim(holder, lambda connection: _oldest(connection, most), limit=_retries_max(most))
    now = clock.now()
    given = {"by": holder, "now": now, "ends": now + LEASE, "bytes_max": CLAIMED_BYTES_MAX}
    with database.begin() as connection:
        rows = connection.execute(_claiming_oldest(most), given).all()
    return _claimed(rows, left=bool(rows) and (rows[0].chosen > len(rows) or len(rows) >= _retries_max(most)))


def claim_newest(holder: str, vendor: str, *, most: int) -> Claimed:
    """Claim a vendor's newest pending events that were not tried yet. Commits."""
    newest = FREE.where(EventRow.retry_at.is_(None), EventRow.vendor == vendor).order_by(EventRow.sequence.desc()).limit(most)
    return _claim(holder, lambda connection: connection.execute(newest).all(), limit=most)


def claim_given(holder: str, ids: list[str]) -> Claimed:
    """Claim the pending events with these ids, due or not. Commits."""
    return _claim(holder, lambda connection: connection.execute(FREE.where(EventRow.id.in_(ids))).all(), limit=len(ids) + 1)


def _claim(holder: str, choose: Callable[[Connection], Sequence[Row[Any]]], *, limit: int) -> Claimed:
    """Claim events. `limit`: a choice of fewer leaves none."""
    with database.begin() as connection:
        database.relax_durability(connection)
        now, chosen = clock.now(), choose(connection)
        sequences = _within_bytes(chosen)
        if not sequences:
            return Claimed()
        _renew(connection, holder, now)
        mine = bulk.among(EventRow, [{"sequence": sequence} for sequence in sequences])
        rows = _take(connection, mine, claimed_by=holder)
    return _claimed(rows, left=len(chosen) > len(rows) or len(chosen) >= limit)


def _take(connection: Connection, mine: ColumnElement[bool], **values: object) -> Sequence[Row[Any]]:
    """Change events and return them. SQLite uses no index for a query in RETURNING: it would read the keys of all bodies for each event."""
    change = update(EventRow).where(mine).values(**values)
    if not database.is_sqlite():
        return connection.execute(change.returning(*EVENT_COLUMNS)).all()
    connection.execute(change)
    return connection.execute(select(*EVENT_COLUMNS).where(mine)).all()


def _claimed(rows: Sequence[Row[Any]], *, left: bool) -> Claimed:
    if rows:
        fault_points.reach("claimed")
    # Those that were kept together have their sequences in no order of receipt; ids sort by arrival.
    return Claimed(sorted(map(event_of, rows), key=lambda event: event.id), more=left)


@cache
def _claiming_oldest(most: int) -> ReturningUpdate[Any]:
    """Return the one statement that does on PostgreSQL all that `_claim` does with `_oldest`. Its limits are written out, because the plan
    depends on them."""
    due = FREE.where(EventRow.retry_at <= bindparam("now")).order_by(EventRow.retry_at).limit(literal_column(str(_retries_max(most))))
    first_tries = FREE.where(EventRow.retry_at.is_(None)).order_by(EventRow.sequence).limit(literal_column(str(most)))
    found = union_all(*(select(some.cte()) for some in (due, first_tries))).cte("found")
    order = (found.c.retry_at.nulls_last(), found.c.sequence)
    place, size = func.row_number().over(order_by=order).label("place"), func.sum(found.c.size).over(order_by=order).label("bytes")
    placed = select(found.c.sequence, place, size).subquery()
    chosen = select(placed).where(placed.c.place <= literal_column(str(most))).cte("chosen")
    fits = select(chosen.c.sequence).where(or_(chosen.c.place == 1, chosen.c.bytes <= bindparam("bytes_max", type_=BigInteger)))
    lease = select(bindparam("by", type_=Lease.holder.type), bindparam("ends", type_=Lease.until.type)).where(exists().select_from(chosen))
    renewed = postgresql.insert(Lease).from_select(["holder", "until"], lease)
    renewed = renewed.on_conflict_do_update(index_elements=[Lease.holder], set_={"until": renewed.excluded.until})
    number = select(func.count()).select_from(chosen).scalar_subquery().label("chosen")
    relaxed = select(func.set_config("synchronous_commit", "off", True)).scalar_subquery().label("relaxed")
    taken = update(EventRow).where(EventRow.sequence.in_(fits)).values(claimed_by=bindparam("by"))
    return taken.add_cte(renewed.cte("renewed")).returning(*EVENT_COLUMNS, number, relaxed)


def _oldest(connection: Connection, most: int) -> list[Row[Any]]:
    due = FREE.where(EventRow.retry_at <= clock.now()).order_by(EventRow.retry_at)
    chosen = list(connection.execute(due.limit(_retries_max(most))))
    first_tries = FREE.where(EventRow.retry_at.is_(None)).order_by(EventRow.sequence)
    return [*chosen, *connection.execute(first_tries.limit(most - len(chosen)))]


def _retries_max(most: int) -> int:
    return max(1, most // RETRIES_SHARE)


def _within_bytes(chosen: Sequence[Row[Any]]) -> list[int]:
    """Return as many of the first events as memory may hold at a time: at least one."""
    total = 0
    for count, event in enumerate(chosen):
        total += event.size
        if count and total > CLAIMED_BYTES_MAX:
            return [one.sequence for one in chosen[:count]]
    return [one.sequence for one in chosen]


class Suspect(NamedTuple):
    """An event whose worker crashed or hung, and whether that worker held it alone."""

    event: InboxEvent
    was_alone: bool


def claim_suspect(holder: str) -> Suspect | None:
    """Claim one event whose worker crashed or hung, alone, so that it cannot take a batch down again. Commits."""
    with database.begin() as connection:
        now = clock.now()
        found = _from_expired_lease(connection, now) or _unclaimed_suspect(connection, now)
        if found is None:
            return None
        _renew(connection, holder, now)
        [row] = _take(connection, EventRow.sequence == found.sequence, claimed_by=holder, suspect=True)
    return Suspect(event_of(row), was_alone=found.suspect and found.claimed_by not in (None, holder))


def _from_expired_lease(connection: Connection, now: datetime) -> Row[int, bool, str | None] | None:
    """Return the first event of a holder whose lease expired; remove expired leases that hold no event."""
    # No lease ends later than that, unless it was given by a clock that was wrong.
    expired = or_(Lease.until < now, Lease.until > now + LEASE)
    holders = list(connection.execute(select(Lease.holder).where(expired)).scalars())
    if not holders:
        return None
    found = _first_pending(connection, EventRow.claimed_by.in_(holders))
    if found is None:
        connection.execute(delete(Lease).where(Lease.holder.in_(holders), expired))
    return found


def _unclaimed_suspect(connection: Connection, now: datetime) -> Row[int, bool, str | None] | None:
    due = or_(EventRow.retry_at.is_(None), EventRow.retry_at <= now)
    return _first_pending(connection, and_(SUSPECT, EventRow.claimed_by.is_(None), due))


def _first_pending(connection: Connection, condition: ColumnElement[bool]) -> Row[int, bool, str | None] | None:
    query = select(EventRow.sequence, EventRow.suspect, EventRow.claimed_by).where(EventRow.status == PENDING, condition)
    return connection.execute(query.order_by(EventRow.sequence).limit(1).with_for_update(skip_locked=True)).one_or_none()


def _renew(connection: Connection, holder: str, now: datetime) -> None:
    bulk.insert(connection, Lease, [{"holder": holder, "until": now + LEASE}], over=("holder",))


def lock(connection: Connection, mine: ColumnElement[bool]) -> None:
    """Lock events in the order that all transactions use. SQLite has a single writer, and needs no lock."""
    if not database.is_sqlite():
        connection.execute(select(EventRow.sequence).where(mine).order_by(*LOCK_ORDER).with_for_update(key_share=True)).all()
