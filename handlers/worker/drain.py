"""The drain: handles pending events, for a bounded time.

While there is a backlog, one extra thread per vendor handles that vendor's newest events first. So news overtakes a backlog, and a
flood of one vendor does not delay another. While one thread waits for the database, another decides. They rarely meet at one
applicant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog

from handlers import process
from handlers.process import Watchdog
from handlers.vendors import VENDORS
from handlers.worker.pulse import pulse
from store import database
from store.inbox import claims, settling, wakeup
from store.inbox.claims import Claimed
from store.privacy.restoring import gate
from store.system import fault_points
from store.system.logs import describe_error

log = structlog.get_logger()

#: How long one drain runs, well under its job's timeout.
DRAIN_SECONDS = 20.0

#: How often a look for events of crashed workers is due. Their leases last much longer.
SUSPECTS_SECONDS = 1.0

#: Set when the process is to end: the drain finishes its batches, and sends a wake-up for the rest.
stopping = threading.Event()
_at_work = threading.Lock()

#: Set by each call of `drain`: whoever drains has not claimed since.
_wanted = threading.Event()


class BatchLoop:
    """Handles one batch after another. It is the holder of its claims."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._holder = claims.new_holder()
        #: How to end claims that no thread works on: those of a crashed predecessor, and its own after handling them failed.
        self._stale_claims: list[Callable[[], None]] = []

    def hold_claims_as(self, name: str, dead: str | None) -> None:
        self._holder = f"{name}-{self._number}"
        if dead:
            self._stale_claims.append(partial(settling.expire_lease, f"{dead}-{self._number}"))

    def has_stale_claims(self) -> bool:
        return bool(self._stale_claims)

    def work(self, deadline: float, handle: Callable[..., Claimed]) -> int:
        """Handle batches until nothing is pending or the time is over; return how many events. `handle` claims and handles a batch."""
        pulse.beat_as(self._number)
        handled = 0
        while time.monotonic() < deadline and not stopping.is_set():
            try:
                batch = handle(self._holder, watched=pulse)
            except database.Failure as error:
                self._stale_claims.append(partial(settling.release, self._holder))
                _log_failure(error)
                return handled
            except BaseException:
                self._stale_claims.append(partial(settling.release, self._holder))
                raise
            handled += len(batch)
            if not batch.more:  # A later event sends a wake-up of its own.
                return handled
        wakeup.notify()
        return handled

    def end_stale_claims(self) -> None:
        while self._stale_claims:
            self._stale_claims[0]()
            del self._stale_claims[0]
            suspects.expect()


class SuspectLook:
    """Handles events of crashed workers, one after each batch while there are any. Otherwise it looks once a second."""

    def __init__(self) -> None:
        self._due_at = 0.0

    def expect(self) -> None:
        """Look after the next batch."""
        self._due_at = 0.0

    def handle(self, holder: str, *, watched: Watchdog) -> Claimed:
        """Handle and return one event, if a look is due and finds one."""
        if time.monotonic() < self._due_at:
            return Claimed()
        found = process.handle_suspect(holder, watched=watched)
        if not found:
            self._due_at = time.monotonic() + SUSPECTS_SECONDS
        return found


suspects = SuspectLook()


#: The loop that takes the oldest events first, and one for each vendor's newest.
_loops = tuple(BatchLoop(number) for number in range(1 + len(VENDORS)))


def drain(seconds: float = DRAIN_SECONDS, *, wake_up: str | None = None) -> int:
    """Handle pending events, for a bounded time; return how many. Sends another wake-up if there are more. `wake_up`: what asked for it.

    A process drains once at a time: a second call returns at once, and the drain that runs claims again."""
    deadline, handled = time.monotonic() + seconds, 0
    _wanted.set()
    while _wanted.is_set() and _at_work.acquire(blocking=False):
        try:
            _wanted.clear()
            handled += _drain_once(deadline, wake_up)
        finally:
            _at_work.release()
    return handled


def _drain_once(deadline: float, wake_up: str | None) -> int:
    wakeup.acknowledge(wake_up)
    try:
        if gate.tell().is_closed:
            return 0  # What is kept waits until the erasures of the ledger are done again. The sweep tries again.
        fault_points.reach("answered")
        for loop in _loops:
            loop.end_stale_claims()
        return _drain(deadline)
    except database.Failure as error:
        _log_failure(error)
        return 0


def _drain(deadline: float) -> int:
    oldest, *newest = _loops
    handled: list[int] = []
    helpers: list[threading.Thread] = []

    def help_out(loop: BatchLoop, vendor: str) -> None:
        handled.append(loop.work(deadline, partial(process.handle_newest, vendor)))

    def start_helpers() -> None:
        wakeup.notify_soon()
        if not helpers:
            helpers.extend(threading.Thread(target=help_out, args=each, name="batch-loop") for each in zip(newest, VENDORS, strict=True))
            for helper in helpers:
                helper.start()

    def handle_oldest(holder: str, *, watched: Watchdog) -> Claimed:
        batch = process.handle_oldest(holder, start_helpers=start_helpers, watched=watched)
        suspect = suspects.handle(holder, watched=watched)
        return Claimed([*batch, *suspect], more=batch.more or suspect.more)

    handled.append(oldest.work(deadline, handle_oldest))
    for helper in helpers:
        helper.join()
    return sum(handled)


def _log_failure(error: Exception) -> None:
    # It counts as no attempt of any event; the sweep drains again within seconds.
    log.error("the database failed while events were handled", error=describe_error(error))


def hold_claims_as(name: str, dead: str | None) -> None:
    """Hold claims under a name from now on, and take back the claims of a crashed process."""
    for loop in _loops:
        loop.hold_claims_as(name, dead)


def has_stale_claims() -> bool:
    """Return whether there are claims that no thread works on."""
    return any(loop.has_stale_claims() for loop in _loops)


def wait_until_idle(seconds: float) -> None:
    """Wait until no drain runs in this process, or until the time is over."""
    if _at_work.acquire(timeout=seconds):
        _at_work.release()
