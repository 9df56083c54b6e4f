"""Long polling: one waiting request per process polls the database for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.05


class ChangeWatcher:
    """Knows the last number of the feed. However many requests wait in a process, the database is polled at one rate."""

    #: Set when the process is to end: then no request waits.
    closing = False

    def __init__(self, look: Callable[[], int], *, most: int) -> None:
        """`look` returns the feed's last number; at most `most` requests may wait at a time."""
        self._look = look
        self._slots = threading.BoundedSemaphore(most)
        self._grown = threading.Condition()
        self._last = 0
        self._taken = False

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Take a slot among the waiting requests; yield whether one was free."""
        free = self._slots.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._slots.release()

    def is_over(self, deadline: float) -> bool:
        """Return whether waiting is over: at a deadline (of the monotonic clock), or because the process ends."""
        return ChangeWatcher.closing or time.monotonic() >= deadline

    def wait_beyond(self, number: int, *, deadline: float) -> int:
        """Return the feed's last number, as soon as it exceeds a given one, or when waiting is over.

        Raises what polling raises; another waiting request then takes over."""
        while not self.is_over(deadline):
            with self._grown:
                if self._last > number:
                    break
                if self._taken:
                    self._grown.wait(max(0.0, deadline - time.monotonic()))
                    continue
                self._taken = True
            self._look_out(number, deadline)
        return self._last

    def _look_out(self, number: int, deadline: float) -> None:
        """Poll for all, until the number that this request waits for, or its deadline. Other requests are notified of each new number."""
        try:
            while (last := self._look()) <= number and not self.is_over(deadline):
                self._tell(last)
                time.sleep(LOOK_SECONDS)
            self._tell(last)
        finally:
            with self._grown:
                self._taken = False
                self._grown.notify_all()

    def _tell(self, last: int) -> None:
        with self._grown:
            if last != self._last:
                self._last = last
                self._grown.notify_all()
