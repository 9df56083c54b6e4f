"""The pace of erasures: live traffic goes first, and a process that is to end stops between two parts."""

from __future__ import annotations

import threading

from store.operations import health

#: An erasure pauses while the oldest pending event has waited so long.
LIVE_SECONDS_MAX, PAUSE_SECONDS = 1.0, 0.2


class Stopped(Exception):
    """The process is to end. What is under way is resumed by another."""


class Pace:
    """Pauses between two parts of an erasure."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End at the next pause."""
        self._stopping.set()

    def give_way(self) -> None:
        """Wait while live traffic waits. Raises Stopped."""
        while not self._stopping.is_set() and health.oldest_due_seconds() > LIVE_SECONDS_MAX:
            self._stopping.wait(PAUSE_SECONDS)
        if self._stopping.is_set():
            raise Stopped
