"""The inbox: each event once, durable before anyone hears of it. While the database is away, in the spool."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import msgspec
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from store import arrivals, config, database, faults
from store.arrivals import Arrival, Delivery
from store.deadline import Crew, Overdue
from store.logs import describe_error
from store.spool import Spool, SpoolUnavailable

log = structlog.get_logger()

#: A delivery is answered within 2 seconds, also when the database hangs; this leaves time for the spool, and for the answer itself.
RECORD_SECONDS = 1.5

#: Spooled deliveries that one transaction brings into the database.
SPOOLED_AT_ONCE = 50

#: Who appends to the spool may have to wait for the last of it to be brought into the database, but not longer.
LAST_SECONDS = 0.3

#: The form of an event's id; whatever else is asked for does not exist.
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Crews of their own: readers that wait for a slow database must not keep deliveries waiting, nor what was spooled.
_recorders = Crew("record", 8)
_unspooler = Crew("unspool", 1)


class Unavailable(Exception):
    """A delivery cannot be kept: the database is unreachable, hung, full, out of connections or read-only, and no spool takes it."""


@dataclass(frozen=True)
class Kept:
    """The event that a delivery belongs to, and whether this delivery was its first, as far as could be told."""

    event_id: str
    first: bool
    spooled: bool = False


def record(delivery: Delivery) -> Kept:
    """Keep a delivery. When this returns it is durable. Raises Unavailable, within 2 seconds, if it cannot be."""
    arrival = arrivals.arrive(delivery)
    try:
        # What was spooled before goes first.
        if _spool(arrival, unless_empty=True):
            return Kept(arrival.id, first=True, spooled=True)
        return _recorders.within(RECORD_SECONDS, lambda: _record(arrival))
    except (SQLAlchemyError, Overdue) as error:
        # The commit may still succeed, unseen: that does no harm, because the id is the same.
        if _spool(arrival):
            return Kept(arrival.id, first=True, spooled=True)
        raise Unavailable(type(error).__name__) from error


def _record(arrival: Arrival) -> Kept:
    """Commit a delivery. A connection that broke is replaced once."""
    event_id = database.write(lambda connection: _keep(connection, arrival))
    faults.reach("committed")
    return Kept(event_id, first=event_id == arrival.id)


def _keep(connection: Connection, arrival: Arrival) -> str:
    event_id = arrivals.keep(connection, arrival)
    faults.reach("inserted")
    return event_id


def _spool(arrival: Arrival, *, unless_empty: bool = False) -> bool:
    """Keep a delivery on this host's disk; return whether there is a spool that took it. Raises Unavailable if it could not."""
    found = spool()
    try:
        return found is not None and found.append(msgspec.json.encode(arrival), unless_empty=unless_empty)
    except SpoolUnavailable as error:
        raise Unavailable("the spool") from error


# from the spool into the database -----------------------------------------------------------------------------


def take_in_spooled() -> int:
    """Bring what was spooled on this host into the database, in order; return how much. Raises what the database raises, or Overdue."""
    found = spool()
    if found is None or not found.waits():
        return 0
    # Asked first, so that a database that hangs is waited for here, and nobody who appends waits along.
    _unspooler.within(RECORD_SECONDS, lambda: database.write(lambda connection: connection.execute(select(1))))
    return found.empty(_take_in, most=SPOOLED_AT_ONCE)


def _take_in(records: list[bytes], is_last: bool) -> None:
    arrived = [msgspec.json.decode(record, type=Arrival) for record in records]
    if is_last:
        _unspooler.within(LAST_SECONDS, lambda: _keep_all(arrived))
    else:
        _keep_all(arrived)


def _keep_all(arrived: list[Arrival]) -> None:
    """Keep some arrivals in one transaction; if one spoils it, each in its own."""
    try:
        database.write(lambda connection: _keep_missing(connection, arrived))
    except Exception as error:
        if database.is_away(error):
            raise
        for one in arrived:
            _keep_alone(one)


def _keep_alone(arrival: Arrival) -> None:
    try:
        database.write(lambda connection: _keep_missing(connection, [arrival]))
    except Exception as error:
        if database.is_away(error):
            raise
        # The same delivery was committed at this moment, by who had seemed to hang; or the database takes no such row.
        log.error("a spooled delivery was passed over", event_id=arrival.id, vendor=arrival.vendor, error=describe_error(error))


def _keep_missing(connection: Connection, arrived: list[Arrival]) -> None:
    """Keep those that are not kept under their own id: a commit that seemed to hang may have succeeded."""
    there = arrivals.among(connection, [one.id for one in arrived])
    for one in arrived:
        if one.id not in there:
            arrivals.keep(connection, one)


@cache
def spool() -> Spool | None:
    """This host's spool; None where there is none."""
    settings = config.settings()
    return Spool(settings.spool_dir, bytes_max=settings.spool_bytes_max) if settings.spool_dir else None
