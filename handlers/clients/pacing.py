"""Pacing: how fast a vendor is asked, and how long to wait before a retry."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from handlers.clients.http_client import SECONDS_MAX
from store.system import backoff


@dataclass(frozen=True, kw_only=True)
class Timer:
    """The clock and the sleep that pauses use. A caller that must end within a pause gives a `sleep` that ends with it."""

    #: Seconds, and how to let some pass.
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """The retries of a vendor that cannot answer now."""

    attempts_max: int = 5
    #: What is waited after the first attempt; after each further one, twice as long as before it.
    backoff: timedelta = timedelta(seconds=1)
    #: A vendor that asks to be left alone for longer is asked another time.
    pause_max: timedelta = timedelta(seconds=120)
    #: In how many seconds an answer must be there, whole.
    answer_seconds_max: float = SECONDS_MAX
    watch: Timer = Timer()

    def pause(self, attempt: int, *, asked_for: timedelta) -> timedelta | None:
        """Return the pause after an attempt (the first is 1); None after the last attempt."""
        if attempt >= self.attempts_max or asked_for > self.pause_max:
            return None
        # Spread, so that not every client retries at the same moment after an outage.
        return max(asked_for, backoff.pause(self.backoff, attempt, self.pause_max) * random.uniform(0.5, 1))  # noqa: S311


class Pace:
    """Limits requests to one per interval, so that no period has more than its share."""

    def __init__(self, *, per_minute: int, watch: Timer) -> None:
        self._gap_seconds = 60 / per_minute
        self._watch = watch
        self._next_at = watch.monotonic()

    def wait(self) -> None:
        now = self._watch.monotonic()
        mine = max(now, self._next_at)
        self._next_at = mine + self._gap_seconds
        if mine > now:
            self._watch.sleep(mine - now)
