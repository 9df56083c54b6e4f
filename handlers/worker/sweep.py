"""The sweep beside a worker: it needs no wake-up, and repairs what a lost wake-up missed."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import timedelta
from functools import partial
from importlib.metadata import entry_points

import structlog
from sqlalchemy.exc import SQLAlchemyError

from handlers import config
from handlers.notify import subscribers
from handlers.privacy.runner import ErasureRunner
from handlers.replay.runner import ReplayRunner
from handlers.worker import drain
from handlers.worker.sidecar import Sidecar
from store import database
from store.inbox import times_to_visible, wakeup
from store.operations import health, reconciliations
from store.system import clock
from store.system.logs import describe_error

log = structlog.get_logger()

SWEEP_SECONDS = 2.0

FAREWELL_SECONDS = 2.0

#: How long the claimed events may take once the worker is to end.
GRACE_SECONDS = 20.0

#: After so long without a worker that answers a wake-up, the sweep drains itself.
UNHEARD_SECONDS = 6.0

#: How long a process with a vendor's credentials has to take a reconciliation that somebody asked for.
UNTAKEN_MAX = timedelta(seconds=30)


def run(dead: int | None) -> None:
    """Sweep until the process is to end. `dead` is the process id of a crashed predecessor, which is no longer shown as alive."""
    name, watch = _name(os.getpid()), OverdueWatch()
    replays, sidecars = ReplayRunner(name), _sidecars()
    while not drain.stopping.is_set():
        try:
            health.heartbeat(name)
            times_to_visible.tell()
            if dead is not None:
                health.sign_off(_name(dead))
                dead = None
            watch.drain_if_overdue()
            refuse_reconciliations()
            replays.look(look_seconds=SWEEP_SECONDS)
            for sidecar in sidecars:
                sidecar.look(look_seconds=SWEEP_SECONDS)
        except Exception as error:  # The sweep is what heals the rest: it outlives whatever fails in it.
            log.error("a sweep failed", error=describe_error(error))
        drain.stopping.wait(SWEEP_SECONDS)
    replays.end()
    for sidecar in sidecars:
        sidecar.end()
    try:
        health.sign_off(name)
    except SQLAlchemyError as error:
        log.warning("the worker could not sign off", error=describe_error(error))
    _end_soon()


def _name(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def _sidecars() -> list[Sidecar | ErasureRunner]:
    """Return the sidecars: the sequencer of the log, the dispatchers (one for functions only if there are any), the scheduler that asks the
    vendors, the sender that starts verifications, and the process that erases."""
    parts = ["endpoints", "functions"] if entry_points(group=subscribers.GROUP) else ["endpoints"]
    asking = ["handlers.reconcile.scheduler", "handlers.start.sender"] if config.settings().api_vendors else []
    dispatchers = (Sidecar("handlers.notify.dispatcher", part) for part in parts)
    return [Sidecar("handlers.worker.sequencer"), *dispatchers, *map(Sidecar, asking), ErasureRunner()]


def refuse_reconciliations() -> None:
    """End the reconciliations that somebody asked for and no process took, of vendors whose API is not configured here."""
    settings, before = config.settings(), clock.now() - UNTAKEN_MAX
    waiting = database.read(lambda connection: reconciliations.untaken(connection, before=before))
    for vendor, environment in set(waiting) - {(vendor, settings.api_environment) for vendor in settings.api_vendors}:
        database.write(partial(reconciliations.refuse, vendor=vendor, environment=environment))


def _end_soon() -> None:
    """End the process once no event is claimed, without waiting for a queue that hangs. What hangs itself is left: its lease expires."""
    drain.wait_until_idle(GRACE_SECONDS)
    timer = threading.Timer(FAREWELL_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()
    try:
        times_to_visible.tell()
    except SQLAlchemyError as error:
        log.warning("the last counts are lost", error=describe_error(error))


class OverdueWatch:
    """Wakes a worker for overdue events. It measures the wait itself, because stored times may come from a wrong clock."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._since = 0.0

    def drain_if_overdue(self) -> None:
        """Wake a worker for an overdue event; drain here if no worker answers, or if there are stale claims."""
        if drain.has_stale_claims():
            drain.drain()
        found = health.next_due()
        if found is None or found != self._next:
            self._next, self._since = found, time.monotonic()
            return
        heard = wakeup.notify()
        if not heard or time.monotonic() - self._since > UNHEARD_SECONDS:
            drain.drain()
