"""Backoff: pauses that double with each attempt, up to a limit, and that are spread so that not everything retries at once."""

from __future__ import annotations

import random
from datetime import timedelta

#: A pause is doubled at most so often: any base is beyond any limit by then.
DOUBLINGS_MAX = 24


def pause(base: timedelta, attempt: int, limit: timedelta) -> timedelta:
    """Return the pause after an attempt (the first is 1): the base, doubled after each attempt, at most the limit."""
    doublings = min(attempt - 1, DOUBLINGS_MAX)
    return min(base * (1 << doublings), limit)


def pause_with_jitter(base: timedelta, attempt: int, limit: timedelta) -> timedelta:
    """Return the pause after an attempt, and up to a quarter more, at random."""
    return pause(base, attempt, limit) * random.uniform(1, 1.25)  # noqa: S311
