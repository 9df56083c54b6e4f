"""The results of reactions, kept until the database has them. One result that cannot be recorded affects no other.

What an answer leads to:

================== ============================================================== ====================================================
answer             the reaction                                                   the subscriber
================== ============================================================== ====================================================
a text             is done                                                        its pause ends, and it has no failures in a row
NotNow             is retried after a backoff, and not before the pause that was  is paused as long as it asked for; after 5 failures in
                   asked for; after the last attempt it failed                    a row for 5 s, doubling up to 5 minutes
Refused            is retried after a backoff; after the last attempt it failed   stays as it is
Gone               stays pending                                                  is stopped
any other error    is retried after 5 s; this counts as no attempt                stays as it is
================== ============================================================== ====================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from handlers import config
from handlers.notify.subscribers import Gone, NotNow, Refused
from store import database
from store.outbox import outcomes
from store.outbox.dispatch import Due
from store.outbox.outcomes import Failure
from store.system import backoff, clock, fault_points
from store.system.logs import describe_error
from store.text import traces

log = structlog.get_logger()

RETRY_BASE, RETRY_LIMIT = timedelta(seconds=5), timedelta(hours=6)

#: A reaction that could not be tried, through a failure of our own, is tried again after so long.
OURS_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a reaction: the answer, or what was raised; and its start, by the monotonic clock."""

    due: Due
    answer: str | BaseException
    began: float


class Results:
    """Keeps results until they are recorded, the successful ones first."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self.waiting: list[Result] = []
        #: When the last failure of each subscriber was counted.
        self._failed_at: dict[str, float] = {}

    def add(self, result: Result) -> None:
        self.waiting.append(result)

    def record_all(self) -> None:
        """Record all results. Raises what the database raises while it is unavailable; unrecorded results are kept."""
        if done := [result for result in self.waiting if isinstance(result.answer, str)]:
            fault_points.reach("told")
            self._write(done, self._succeeded)
        for name in dict.fromkeys(result.due.subscriber for result in self.waiting):
            mine = [result for result in self.waiting if result.due.subscriber == name]
            self._write([result for result in mine if isinstance(result.answer, NotNow | Refused)], self._failed)
            self._write([result for result in mine if isinstance(result.answer, Gone)], self._stopped)
        # What still waits is a failure of our own: an exception of no kind above.
        self._write(list(self.waiting), self._postponed)

    def _write(self, results: Sequence[Result], write: Callable[[Sequence[Result]], None]) -> None:
        """Record results together; if the database refuses them, each alone."""
        if not results:
            return
        try:
            write(results)
        except (DBAPIError, ValueError, TypeError) as error:
            if database.is_away(error):
                raise
            if len(results) > 1:
                for result in results:
                    self._write([result], write)
                return
            due = results[0].due
            with traces.following(due.trace):
                log.error("a result cannot be noted", subscriber=due.title, reaction_id=due.id, error=describe_error(error))
        self.waiting = [result for result in self.waiting if result not in results]

    def _succeeded(self, results: Sequence[Result]) -> None:
        with database.begin() as connection:
            outcomes.succeeded(connection, [(result.due, str(result.answer)) for result in results], holder=self._holder)

    def _stopped(self, results: Sequence[Result]) -> None:
        log.warning("a subscriber wants nothing more", subscriber=results[0].due.title)
        with database.begin() as connection:
            for result in results:
                outcomes.stopped(connection, result.due, holder=self._holder, answer=str(result.answer))

    def _failed(self, results: Sequence[Result]) -> None:
        """Record failures. Requests that were sent before a counted failure of the subscriber belong to that failure."""
        name = results[0].due.subscriber
        rests = [result.answer.rest for result in results if isinstance(result.answer, NotNow)]
        counts = max(result.began for result in results) > self._failed_at.get(name, float("-inf"))
        failures = [_failure(result) for result in results]
        with database.begin() as connection:
            outcomes.failed(connection, failures, holder=self._holder, rest=max(rests, default=None), counts=counts)
        if rests and counts:
            self._failed_at[name] = time.monotonic()

    def _postponed(self, results: Sequence[Result]) -> None:
        for result in results:
            assert isinstance(result.answer, BaseException)
            with traces.following(result.due.trace):
                log.error(
                    "a reaction could not be tried: a failure of our own; it is tried again",
                    subscriber=result.due.title, reaction_id=result.due.id, error=describe_error(result.answer),
                )  # fmt: skip
        with database.begin() as connection:
            dues = [result.due for result in results]
            outcomes.postpone_uncounted(connection, dues, holder=self._holder, again_at=clock.now() + OURS_AGAIN)


def _failure(result: Result) -> Failure:
    due = result.due
    again = due.attempts < config.settings().reaction_attempts_max
    with traces.following(due.trace):
        log.warning("a reaction failed", subscriber=due.title, reaction_id=due.id, count=due.attempts, again=again)
    rest = result.answer.rest if isinstance(result.answer, NotNow) else timedelta()
    return Failure(due=due, answer=str(result.answer), retry_at=_retry_at(due, rest) if again else None)


def _retry_at(due: Due, rest: timedelta) -> datetime:
    return clock.now() + max(backoff.pause_with_jitter(RETRY_BASE, due.attempts, RETRY_LIMIT), rest)
