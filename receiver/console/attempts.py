"""Attempts to give a token, to sign in or before a sensitive act: how many may be refused within a minute."""

from __future__ import annotations

import time
from collections import deque

import structlog

from receiver.connections import refusals

log = structlog.get_logger()

#: How many tokens may be refused within the time: of one address, and of all.
EACH_MAX, ALL_MAX, WITHIN_SECONDS = 10, 100, 60.0

TOO_MANY = "Too many tokens were refused. Wait a minute, and try again."


class Attempts:
    """The refused attempts of the last minute. Each process counts for itself."""

    def __init__(self) -> None:
        self._refused: deque[tuple[float, str]] = deque(maxlen=ALL_MAX)

    def may_try(self) -> bool:
        """Return whether a token of the current request is looked at."""
        since, address = time.monotonic() - WITHIN_SECONDS, refusals.peer()
        recent = [whose for at, whose in self._refused if at > since]
        return len(recent) < ALL_MAX and recent.count(address) < EACH_MAX

    def refused(self) -> None:
        """Count a refused token."""
        address = refusals.peer()
        self._refused.append((time.monotonic(), address))
        log.warning("a token was refused at the console", peer=address)


#: Those of this process.
ATTEMPTS = Attempts()
