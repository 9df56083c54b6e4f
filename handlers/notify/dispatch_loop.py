"""The dispatch loop: one thread follows the feed for a group of subscribers, claims due reactions, starts them, and records the results.

Each subscriber has a limit of its own, so that a slow one takes no capacity from another. A result is kept until the database has it;
only then are more reactions claimed.
"""

from __future__ import annotations

import contextvars
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from handlers import config
from handlers.clients.http_client import SECONDS_MAX
from handlers.notify.endpoints import Endpoint
from handlers.notify.http_sender import RequestThread, Stalled
from handlers.notify.results import Result, Results
from handlers.notify.subscribers import NotNow, Subscriber
from store import database
from store.outbox import dispatch, outcomes
from store.outbox.dispatch import Due, Work
from store.privacy.restoring import gate
from store.system import fault_points
from store.system.logs import describe_error
from store.text import traces

log = structlog.get_logger()

#: How often the database is asked for work; the pause after there was some, so that what comes meanwhile is taken together; and
#: the pause after the database failed.
LOOK_SECONDS, BATCH_SECONDS, PAUSE_SECONDS = 0.2, 0.03, 1.0

#: The pause after a reaction ended, so that reactions that end together are recorded together.
COLLECT_SECONDS = BATCH_SECONDS / 10

#: Reactions written down in one transaction, changes followed in it, and how long changes are followed before something is done again.
WRITTEN_AT_ONCE, FOLLOWED_AT_ONCE, FOLLOW_SECONDS = 2500, 500, 0.5

#: Code of ours keeps deadlines of its own. It hangs if it is so much later than any of them.
LATE_SECONDS = 15.0


class Executor(Protocol):
    """How reactions are carried out: each for the trace that the caller follows."""

    def start(self, one: Any, change: dict[str, Any]) -> Future[str]: ...


class ThreadExecutor:
    """Carries out reactions in threads of a pool."""

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(size)

    def start(self, one: Subscriber, change: dict[str, Any]) -> Future[str]:
        return self._pool.submit(contextvars.copy_context().run, one.tell, change)


class HttpExecutor:
    """Carries out all requests to endpoints in one thread."""

    def __init__(self) -> None:
        self._requests = RequestThread()

    def start(self, one: Endpoint, change: dict[str, Any]) -> Future[str]:
        return self._requests.start(one.send(change))


class DispatchLoop:
    """Notifies a group of subscribers until it is asked to stop; it finishes what was started."""

    def __init__(self, subscribers: Sequence[Subscriber], executor: Executor, *, holder: str) -> None:
        self._subscribers = {one.name: one for one in subscribers}
        self._executor, self._holder = executor, holder
        self._ready = False
        #: Claimed and not started; started and not ended.
        self._claimed: list[Due] = []
        self._doing: dict[Future[str], tuple[Due, float]] = {}
        self._ended: queue.SimpleQueue[Future[str]] = queue.SimpleQueue()
        self._results = Results(holder)

    def run(self, stopping: threading.Event, others: Sequence[Subscriber]) -> None:
        """Work until stopped. `others` are all subscribers of this process, which end with it if a reaction hangs."""
        while not stopping.is_set() or self._doing or self._results.waiting:
            try:
                rest = self._round(claims=not stopping.is_set())
            except Exception as error:  # Usually the database is unavailable: what is due waits.
                log.warning("reactions wait", subscriber=next(iter(self._subscribers.values())).title, error=describe_error(error))
                rest = PAUSE_SECONDS
            self._end_if_one_hangs(others)
            self._collect(rest)

    def _round(self, *, claims: bool) -> float:
        """Record results, write down new reactions, and start some; return the seconds until the next round."""
        if not self._ready:
            self._get_ready()
        self._results.record_all()
        began = self._claim() if claims else 0
        self._start_all()
        return BATCH_SECONDS if began else LOOK_SECONDS

    def _get_ready(self) -> None:
        """Take back the claims of a crashed process of the same name."""
        with database.begin() as connection:
            self._subscribe(connection)
            for name in sorted(self._subscribers):
                outcomes.release_of_crashed(connection, name, holder=self._holder)
        self._ready = True

    def _subscribe(self, connection: Connection) -> None:
        for name, one in sorted(self._subscribers.items()):
            dispatch.subscribe(connection, name, title=one.title)

    def _claim(self) -> int:
        if gate.tell().is_closed:
            return 0
        work, began = self._look(), time.monotonic()
        if work.retired:
            with database.begin() as connection:
                self._subscribe(connection)
        while work.behind and time.monotonic() - began < FOLLOW_SECONDS:
            self._follow()
            work = self._look()
        free = {name: slots for name, slots in self._free_slots().items() if name in work.due}
        if not free:
            return 0
        uncounted = [name for name in free if not self._subscribers[name].is_foreign]
        with database.begin() as connection:
            due = dispatch.claim(connection, free, holder=self._holder, uncounted=uncounted)
        self._claimed += due
        fault_points.reach("reaction claimed")
        return len(due)

    def _look(self) -> Work:
        return database.read(lambda connection: dispatch.look(connection, list(self._subscribers)))

    def _follow(self) -> None:
        wants = {name: one.wants for name, one in self._subscribers.items()}
        most = min(FOLLOWED_AT_ONCE, max(WRITTEN_AT_ONCE // len(wants), 1))
        with database.begin() as connection:
            dispatch.follow(connection, wants, most=most)
        fault_points.reach("followed")

    def _free_slots(self) -> dict[str, int]:
        """Return how many more reactions each subscriber may be given, if any."""
        free = {name: one.at_once for name, one in self._subscribers.items()}
        for due in [*self._claimed, *(due for due, _ in self._doing.values())]:
            free[due.subscriber] -= 1
        return {name: slots for name, slots in free.items() if slots > 0}

    def _start_all(self) -> None:
        while self._claimed:
            due, now = self._claimed.pop(0), time.monotonic()
            try:
                with traces.following(due.trace):
                    future = self._executor.start(self._subscribers[due.subscriber], due.change)
            except Exception as error:  # No thread, no memory: a failure of our own.
                self._results.add(Result(due, error, began=now))
                continue
            self._doing[future] = due, now
            future.add_done_callback(self._ended.put)

    def _collect(self, seconds: float) -> None:
        """Wait for reactions to end; those that end together are recorded together."""
        try:
            ended = [self._ended.get(timeout=seconds)]
        except queue.Empty:
            return
        time.sleep(COLLECT_SECONDS)
        while not self._ended.empty():
            ended.append(self._ended.get())
        for future in ended:
            due, began = self._doing.pop(future)
            self._results.add(Result(due, future.exception() or future.result(), began=began))

    def _end_if_one_hangs(self, others: Sequence[Subscriber]) -> None:
        now = time.monotonic()
        hanging = [due for due, began in self._doing.values() if now - began > self._seconds_max(due)]
        if not hanging:
            return
        log.error("a reaction hangs; the process that does it ends", subscriber=hanging[0].title)
        try:
            for due in hanging:
                foreign = self._subscribers[due.subscriber].is_foreign
                said = NotNow(f"took longer than {self._seconds_max(due):g} s") if foreign else Stalled("a request hangs")
                self._results.add(Result(due, said, began=now))
            self._results.record_all()
            with database.begin() as connection:
                outcomes.release_uncounted(connection, [one.name for one in others if one.is_foreign], holder=self._holder)
        finally:
            os._exit(1)

    def _seconds_max(self, due: Due) -> float:
        seconds = config.settings().reaction_seconds_max
        return seconds if self._subscribers[due.subscriber].is_foreign else max(seconds, SECONDS_MAX) + LATE_SECONDS
