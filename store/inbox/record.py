"""Record a delivery: each event once, durable before the answer. While the database is unavailable, in the spool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from store import database
from store.inbox import deliveries
from store.inbox.batching import GroupCommit
from store.inbox.deliveries import Delivery, SealedDelivery
from store.inbox.spool import SpoolUnavailable, host_spool
from store.system import fault_points
from store.system.deadlines import DeadlineExceeded

log = structlog.get_logger()

#: A delivery is answered within 2 seconds, also when the database hangs; this leaves time for the spool, and for the answer itself.
RECORD_SECONDS = 1.5

#: Deliveries that share a transaction.
RECORDED_AT_ONCE = 50


class Unavailable(Exception):
    """The delivery cannot be kept: the database is unreachable, hung, full, out of connections or read-only, and no spool takes it."""


@dataclass(frozen=True)
class Kept:
    """The event of a delivery, and whether the delivery was its first, as far as could be determined."""

    event_id: str
    first: bool
    spooled: bool = False


def record(delivery: Delivery) -> Kept:
    """Keep a delivery durably before returning. Raises Unavailable, within 2 seconds."""
    arrival = deliveries.seal(delivery)
    try:
        # What was spooled before goes first.
        if _spool(arrival, unless_empty=True):
            return Kept(arrival.id, first=True, spooled=True)
        event_id = _recorders.submit(arrival, seconds=RECORD_SECONDS)
        return Kept(event_id, first=event_id == arrival.id)
    except (SQLAlchemyError, DeadlineExceeded) as error:
        # The commit may still succeed, unseen: that does no harm, because the id is the same.
        if _spool(arrival):
            return Kept(arrival.id, first=True, spooled=True)
        raise Unavailable(type(error).__name__) from error


def _record(arrived: Sequence[SealedDelivery]) -> list[str | Exception]:
    """Commit deliveries together; return the ids of their events. A delivery that spoils the transaction fails alone."""
    kept: dict[str, str | Exception] = {}
    for part in deliveries.without_conflicts(arrived):
        kept |= _record_part(part)
    return [kept[arrival.id] for arrival in arrived]


def _record_part(part: list[SealedDelivery]) -> dict[str, str | Exception]:
    try:
        event_ids = database.write(lambda connection: _keep(connection, part))
    except Exception as error:
        if len(part) == 1 or database.is_away(error):
            return dict.fromkeys((arrival.id for arrival in part), error)
        half = len(part) // 2
        return _record_part(part[:half]) | _record_part(part[half:])
    fault_points.reach("committed")
    return {arrival.id: event_id for arrival, event_id in zip(part, event_ids, strict=True)}


def _keep(connection: Connection, part: list[SealedDelivery]) -> list[str]:
    event_ids = deliveries.keep(connection, part)
    fault_points.reach("inserted")
    return event_ids


def _spool(arrival: SealedDelivery, *, unless_empty: bool = False) -> bool:
    """Keep a delivery on this host's disk; return whether a spool took it. Raises Unavailable if the spool could not."""
    found = host_spool()
    try:
        return found is not None and found.append(msgspec.json.encode(arrival), unless_empty=unless_empty)
    except SpoolUnavailable as error:
        raise Unavailable("the spool") from error


_recorders = GroupCommit("record", _record, most=RECORDED_AT_ONCE)
