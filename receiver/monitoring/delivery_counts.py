"""Delivery counts of this process: each answer is counted, for Prometheus and for the operator, beside the requests."""

from __future__ import annotations

import os
import socket
import threading
import time

import structlog
from prometheus_client import Counter

from receiver.connections import refusal_counts
from receiver.monitoring import secret_usage
from receiver.vendors import VENDORS
from store import database
from store.inbox.deliveries import Delivery
from store.inbox.spool.spool import host_spool
from store.operations import delivery_counts, lost_commits, refusals
from store.operations.delivery_counts import Counts
from store.system.deadlines import DeadlineExecutor
from store.system.logs import describe_error

log = structlog.get_logger()

DELIVERIES = Counter("standing_deliveries", "Deliveries by what was answered.", ["vendor", "answer"])

TELL_SECONDS = 5.0
#: At its end a process waits so long for its last counts to be kept.
FAREWELL_SECONDS = 1.5

#: Process ids of web processes of this host that ended without signing off; their successors do it for them.
ended: list[int] = []

_counts = Counts()
_teller = DeadlineExecutor("counts", 1)


def count(vendor: str, answer: str, delivery: Delivery | None = None) -> None:
    """Count an answer; for an authentic delivery also the secret that signed it."""
    DELIVERIES.labels(vendor, answer).inc()
    environment, secret = (delivery.environment, delivery.signed_with) if delivery else (None, None)
    _counts.note(vendor=vendor, environment=environment, answer=answer, signed_with=secret)


def begin() -> None:
    """Count from zero, which needs no more space later, when the disk may be full; and write the counts as long as the process runs."""
    for vendor in VENDORS:
        for answer in delivery_counts.ANSWERS:
            DELIVERIES.labels(vendor, answer)
    threading.Thread(target=_tell_now_and_then, name="counts", daemon=True).start()


def end() -> None:
    """Write the remaining counts, and sign off."""
    try:
        _teller.run(FAREWELL_SECONDS, _tell)
        _teller.run(FAREWELL_SECONDS, refusal_counts.tell)
        _teller.run(FAREWELL_SECONDS, lambda: delivery_counts.sign_off(_name(os.getpid())))
    except Exception as error:  # Whatever it is: the process ends.
        log.warning("the last counts are lost", error=describe_error(error))


def _tell_now_and_then() -> None:
    rounds, recorded = 0, False
    while True:
        try:
            if not recorded:
                secret_usage.record()
                recorded = True
            _tell()
            refusal_counts.tell()
            _sign_off_ended()
            if rounds % 1000 == 0:
                delivery_counts.forget_old()
                database.write(refusals.forget_old)
            # Last, because whatever fails in it keeps no count from being written.
            lost_commits.seen.look()
        except Exception as error:  # Counts are kept until the database is back.
            log.warning("counts cannot be written yet", error=describe_error(error))
        rounds += 1
        time.sleep(TELL_SECONDS)


def _sign_off_ended() -> None:
    while ended:
        delivery_counts.sign_off(_name(ended[-1]))
        ended.pop()


def _tell() -> None:
    global _counts
    counts, _counts = _counts, Counts()
    spool = host_spool()
    try:
        delivery_counts.tell(counts, process=_name(os.getpid()), spool_bytes=spool.bytes_spooled() if spool else 0)
    except BaseException:
        _counts.take_back(counts)
        raise


def _name(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"
