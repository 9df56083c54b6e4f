"""The inbox: each event once, durable before anyone hears of it. While the database is away, in the spool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from store import config, database
from store.inbox import deliveries
from store.inbox.batching import Together
from store.inbox.deliveries import Arrival, Delivery
from store.inbox.spool import Spool, SpoolUnavailable
from store.system import fault_points
from store.system.deadlines import Crew, Overdue
from store.system.logs import describe_error

log = structlog.get_logger()

#: A delivery is answered within 2 seconds, also when the database hangs; this leaves time for the spool, and for the answer itself.
RECORD_SECONDS = 1.5

#: Deliveries that share a transaction.
RECORDED_AT_ONCE = 50

#: Spooled deliveries that one transaction brings into the database.
SPOOLED_AT_ONCE = 50

#: Who appends to the spool may have to wait for the last of it to be brought into the database, but not longer.
LAST_SECONDS = 0.3

#: The form of an event's id; whatever else is asked for does not exist.
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

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
    arrival = deliveries.arrive(delivery)
    try:
        # What was spooled before goes first.
        if _spool(arrival, unless_empty=True):
            return Kept(arrival.id, first=True, spooled=True)
        event_id = _recorders.bring(arrival, seconds=RECORD_SECONDS)
        return Kept(event_id, first=event_id == arrival.id)
    except (SQLAlchemyError, Overdue) as error:
        # The commit may still succeed, unseen: that does no harm, because the id is the same.
        if _spool(arrival):
            return Kept(arrival.id, first=True, spooled=True)
        raise Unavailable(type(error).__name__) from error


def _record(arrived: Sequence[Arrival]) -> list[str | Exception]:
    """Commit deliveries together; one that spoils the transaction fails alone. Gives the ids of their events."""
    kept: dict[str, str | Exception] = {}
    for part in deliveries.apart(arrived):
        kept |= _record_part(part)
    return [kept[arrival.id] for arrival in arrived]


def _record_part(part: list[Arrival]) -> dict[str, str | Exception]:
    try:
        event_ids = database.write(lambda connection: _keep(connection, part))
    except Exception as error:
        if len(part) == 1 or database.is_away(error):
            return dict.fromkeys((arrival.id for arrival in part), error)
        return {event_id: kept for arrival in part for event_id, kept in _record_part([arrival]).items()}
    fault_points.reach("committed")
    return {arrival.id: event_id for arrival, event_id in zip(part, event_ids, strict=True)}


def _keep(connection: Connection, part: list[Arrival]) -> list[str]:
    event_ids = deliveries.keep(connection, part)
    fault_points.reach("inserted")
    return event_ids


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
    """Keep some arrivals, those that are apart in one transaction; if one spoils it, each in its own."""
    try:
        for part in deliveries.apart(arrived):
            _keep_part(part)
    except Exception as error:
        if database.is_away(error):
            raise
        if len(arrived) > 1:
            for one in arrived:
                _keep_all([one])
            return
        # The same delivery was committed at this moment, by who had seemed to hang; or the database takes no such row.
        log.error("a spooled delivery was passed over", event_id=arrived[0].id, vendor=arrived[0].vendor, error=describe_error(error))


def _keep_part(part: list[Arrival]) -> None:
    # A transaction for each: within one, events are locked in one order.
    database.write(lambda connection: _keep_unknown(connection, part))


def _keep_unknown(connection: Connection, arrived: list[Arrival]) -> None:
    """Keep those whose ids were not given yet: a commit that seemed to hang may have succeeded, or the spool was handed over before."""
    known = deliveries.known(connection, [one.id for one in arrived])
    part = [one for one in arrived if one.id not in known]
    for arrival, event_id in zip(part, deliveries.keep(connection, part), strict=True):
        if event_id != arrival.id:
            deliveries.remember_alias(connection, arrival.id, event_id)


_recorders = Together("record", _record, most=RECORDED_AT_ONCE)


@cache
def spool() -> Spool | None:
    """This host's spool; None where there is none."""
    settings = config.settings()
    return Spool(settings.spool_dir, bytes_max=settings.spool_bytes_max) if settings.spool_dir else None
