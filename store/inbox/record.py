"""Record a delivery: each event once, durable before the answer. While the database is unavailable, in the spool.

File 2 of 4 on a webhook's path; next: `handlers/process.py`. The wake-up (`store/inbox/wakeup.py`) that `receiver/webhooks.py` sends
starts `handlers/worker/drain.py`, which calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from store import database
from store.inbox import deliveries, delivery_rows
from store.inbox.batching import GroupCommit
from store.inbox.deliveries import Delivery, SealedDelivery
from store.inbox.spool.spool import SpoolUnavailable, host_spool
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
        # While deliveries wait in the spool, new ones join them, so that their order stays.
        if _spool(arrival, only_if_waiting=True):
            return Kept(arrival.id, first=True, spooled=True)
        event_id = _recorders.submit(arrival, seconds=RECORD_SECONDS)
        return Kept(event_id, first=event_id == arrival.id)
    except (SQLAlchemyError, DeadlineExceeded) as error:
        # The commit may still succeed, unseen: that does no harm, because the id is the same.
        if _spool(arrival):
            return Kept(arrival.id, first=True, spooled=True)
        raise Unavailable(type(error).__name__) from error


def _commit_group(arrived: Sequence[SealedDelivery]) -> list[str | Exception]:
    """Commit deliveries together; return the ids of their events. A delivery that spoils the transaction fails alone."""
    kept: dict[str, str | Exception] = {}
    for part in deliveries.without_conflicts(arrived):
        kept |= _commit_part(part)
    return [kept[arrival.id] for arrival in arrived]


def _commit_part(part: list[SealedDelivery]) -> dict[str, str | Exception]:
    try:
        event_ids = database.write(lambda connection: _insert(connection, part))
    except Exception as error:
        if len(part) == 1 or database.is_away(error):
            return dict.fromkeys((arrival.id for arrival in part), error)
        half = len(part) // 2
        return _commit_part(part[:half]) | _commit_part(part[half:])
    fault_points.reach("committed")
    return {arrival.id: event_id for arrival, event_id in zip(part, event_ids, strict=True)}


def _insert(connection: Connection, part: list[SealedDelivery]) -> list[str]:
    event_ids = delivery_rows.keep(connection, part)
    fault_points.reach("inserted")
    return event_ids


def _spool(arrival: SealedDelivery, *, only_if_waiting: bool = False) -> bool:
    """Keep a delivery on this host's disk; return whether a spool took it. Raises Unavailable if the spool could not."""
    found = host_spool()
    try:
        return found is not None and found.append(msgspec.json.encode(arrival), only_if_waiting=only_if_waiting)
    except SpoolUnavailable as error:
        raise Unavailable("the spool") from error


_recorders = GroupCommit("record", _commit_group, most=RECORDED_AT_ONCE)
