"""The sender: the process beside a worker that carries started verifications on, as soon as their next step is due.

However many workers there are, one process at a time has a verification. A process that dies loses it after a while to another.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog

from handlers import config
from handlers.start import steps
from handlers.start.outcomes import Again, Refused
from store import database
from store.inbox import wakeup
from store.inbox.sealing.encryption import Unopenable
from store.privacy.restoring import gate
from store.starts import carrying, forgetting
from store.starts.carrying import Claimed, LeaseLost
from store.starts.linking import Erased
from store.starts.requests import FailureKind, StartStatus
from store.system import backoff, clock, fault_points, processes
from store.system.logs import describe_error
from store.text import traces

log = structlog.get_logger()

#: Verifications that are carried on at a time.
AT_ONCE = 4

#: How often the database is asked for work, the pause after it failed, and how often the rows are kept up.
LOOK_SECONDS, PAUSE_SECONDS, KEEP_UP_SECONDS = 0.5, 2.0, 5.0

#: How long a verification is remembered that came to nothing.
REMEMBERED = timedelta(days=30)

#: The pause after a step that could not be done: first so long, then twice as long, to a limit.
RETRY_BASE, RETRY_LIMIT = timedelta(seconds=5), timedelta(hours=1)


class Sender:
    """Carries verifications on until it is asked to stop; it finishes the steps under way."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._vendors = config.settings().api_vendors
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._doing: set[Future[None]] = set()
        self._keep_up_at = 0.0
        self._is_ready = False

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                pause = LOOK_SECONDS if not self._round() else 0.0
            except Exception as error:  # Usually the database is unavailable: what is due waits.
                log.warning("verifications wait", error=describe_error(error))
                pause = PAUSE_SECONDS
            stopping.wait(pause)
        self._pool.shutdown(wait=True)

    def _round(self) -> int:
        """Begin the next steps that are due; return how many."""
        if not self._is_ready:
            database.write(lambda connection: carrying.release_of_crashed(connection, self._holder))
            self._is_ready = True
        self._doing = {future for future in self._doing if not future.done()}
        self._keep_up()
        free = AT_ONCE - len(self._doing)
        if not free or gate.tell().is_closed:
            return 0
        environment = config.settings().api_environment
        found = database.write(
            lambda connection: carrying.claim_due(connection, self._holder, environment=environment, vendors=self._vendors, most=free)
        )
        self._doing |= {self._pool.submit(carry_on, request_id, self._holder) for request_id in found}
        return len(found)

    def _keep_up(self) -> None:
        """Now and then, end those that have a verdict, and forget those that came to nothing long ago."""
        if time.monotonic() < self._keep_up_at:
            return
        # Looked for before anything is locked: mostly there is nothing to write.
        if database.read(carrying.is_any_with_a_verdict):
            database.write(carrying.end_those_with_a_verdict)
        if database.read(lambda connection: forgetting.is_any_unlinked(connection, before=clock.now() - REMEMBERED)):
            database.write(lambda connection: forgetting.forget_unlinked(connection, before=clock.now() - REMEMBERED))
        self._keep_up_at = time.monotonic() + KEEP_UP_SECONDS


def carry_on(request_id: str, holder: str) -> None:
    """Do the next step of a claimed verification, and record the result. Raises nothing that a retry helps against."""
    fault_points.reach("start claimed")
    traces.follow(None)
    try:
        one = database.read(lambda connection: carrying.held(connection, request_id, holder))
        traces.follow(traces.from_kept(one.row.trace))
        attempt(one)
    except LeaseLost:
        log.warning("another process carries a verification on", verification_id=request_id)
    except Unopenable as error:
        log.error("what is sealed of a verification cannot be opened", verification_id=request_id, error=str(error))
        database.write(lambda connection: carrying.unopenable(connection, request_id, holder))
    except Exception as error:  # The database, or a failure of our own: the lease expires, and the step is done again.
        log.error("a verification could not be carried on", verification_id=request_id, error=describe_error(error))


def attempt(one: Claimed) -> None:
    """Do the next step, and record that it failed, if it did. Raises LeaseLost."""
    try:
        steps.carry_on(one)
        wakeup.notify()
    except Again as error:
        _try_again(one, error.says, not_before=error.again_at)
    except steps.SetAside:
        says = "another was started in its place"
        database.write(lambda connection: carrying.reached(connection, one, StartStatus.CANCELLED, says=says))
    except steps.NotConfigured as error:
        _try_again(one, str(error), not_before=None)
    except Refused as refused:
        give_up(one, refused.fault, refused.says, missing=refused.missing)
    except Erased as erased:
        give_up(one, FailureKind.PERSON, str(erased))


def _try_again(one: Claimed, says: str, *, not_before: datetime | None) -> None:
    """Have the step done again later; after the last attempt give the verification up."""
    if one.row.attempts >= config.settings().reaction_attempts_max:
        give_up(one, FailureKind.GAVE_UP, says)
        return
    pause = backoff.pause_with_jitter(RETRY_BASE, one.row.attempts, RETRY_LIMIT)
    at = max(clock.now() + pause, not_before or clock.now())
    log.warning("a verification waits", verification_id=one.id, vendor=one.row.vendor, count=one.row.attempts)
    database.write(lambda connection: carrying.again(connection, one, says, at=at))


def give_up(one: Claimed, kind: FailureKind, says: str, *, missing: tuple[str, ...] = ()) -> None:
    """Record that a verification failed. What costs money or is about the contract is an error of whoever runs this."""
    tell = log.error if kind == FailureKind.CONTRACT else log.warning
    tell("a verification failed", verification_id=one.id, vendor=one.row.vendor, kind=kind)
    database.write(lambda connection: carrying.failed(connection, one, kind, says, missing=missing))


def main(holder: str, parent: str) -> None:
    """Carry verifications on as long as the parent runs."""
    processes.begin()
    processes.live_with_parent(parent)
    config.settings()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    Sender(holder).run(stopping)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
