"""Import the spool: bring what was spooled on this host into the database, in order, each delivery once."""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, IntegrityError

from store import database
from store.inbox import deliveries, delivery_rows
from store.inbox.deliveries import SealedDelivery
from store.inbox.record import RECORD_SECONDS
from store.inbox.spool.spool import host_spool
from store.system.deadlines import DeadlineExecutor
from store.system.logs import describe_error

log = structlog.get_logger()

#: A database refuses a row for good: the same delivery was committed at this moment, by who had seemed to hang; or it takes no such row.
REFUSED = (IntegrityError, DataError)

#: Spooled deliveries that one transaction brings into the database.
SPOOLED_AT_ONCE = 50

#: Who appends to the spool may have to wait for the last of it to be brought into the database, but not longer.
LAST_SECONDS = 0.3

_importer = DeadlineExecutor("unspool", 1)


def take_in_spooled() -> int:
    """Import the spooled deliveries into the database, in order; return how many. Raises what the database raises, or DeadlineExceeded."""
    found = host_spool()
    if found is None or not found.waits():
        return 0
    # The first query, so that a database that hangs delays this thread, and no request that appends.
    _importer.run(RECORD_SECONDS, lambda: database.write(lambda connection: connection.execute(select(1))))
    return found.empty(_take_in, most=SPOOLED_AT_ONCE)


def _take_in(records: list[bytes], is_last: bool) -> None:
    arrived = [msgspec.json.decode(record, type=SealedDelivery) for record in records]
    if is_last:
        _importer.run(LAST_SECONDS, lambda: _keep_all(arrived))
    else:
        _keep_all(arrived)


def _keep_all(arrived: list[SealedDelivery]) -> None:
    """Keep deliveries without conflicts in one transaction; if one spoils it, keep each in its own."""
    try:
        for part in deliveries.without_conflicts(arrived):
            _keep_part(part)
    except Exception as error:
        if database.is_away(error):
            raise
        if len(arrived) > 1:
            for one in arrived:
                _keep_all([one])
            return
        if not isinstance(error, REFUSED):  # A fault of ours, or of a library: the delivery stays where it is.
            raise
        log.error("a spooled delivery was passed over", event_id=arrived[0].id, vendor=arrived[0].vendor, error=describe_error(error))


def _keep_part(part: list[SealedDelivery]) -> None:
    # A transaction for each: within one, events are locked in one order.
    database.write(lambda connection: _keep_unknown(connection, part))


def _keep_unknown(connection: Connection, arrived: list[SealedDelivery]) -> None:
    """Keep the deliveries whose ids are new. An id may be known: a commit that seemed to hang may have succeeded, or the spool was
    handed over before."""
    known = delivery_rows.known(connection, [one.id for one in arrived])
    part = [one for one in arrived if one.id not in known]
    for arrival, event_id in zip(part, delivery_rows.keep(connection, part, spooled=True), strict=True):
        if event_id != arrival.id:
            delivery_rows.remember_alias(connection, arrival.id, event_id)
