"""Waiting for the feed to grow: one of those who wait looks for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.05


class ChangeWatcher:
    """Knows how far the feed has grown, as far as anyone asked. However many wait in a process, the database is asked at one pace."""

    #: Set when the process is to end: nobody waits any more.
    closing = False

    def __init__(self, look: Callable[[], int], *, most: int) -> None:
        """`look` tells the feed's last number; so many may wait at a time."""
        self._look = look
        self._places = threading.BoundedSemaphore(most)
        self._grown = threading.Condition()
        self._last = 0
        self._taken = False

    @contextmanager
    def place(self) -> Iterator[bool]:
        """A place among those who wait, and whether there was one."""
        free = self._places.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._places.release()

    def is_over(self, deadline: float) -> bool:
        """Whether there is nothing more to wait for until a deadline (of the monotonic clock)."""
        return ChangeWatcher.closing or time.monotonic() >= deadline

    def wait_beyond(self, number: int, *, deadline: float) -> int:
        """The feed's last number, as soon as it is larger than a given one, or when waiting is over.

        Raises what looking raises; another who waits then takes over."""
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
        """Look for all, until there is what one waits for oneself, or one's time is over. What is seen before, others are told."""
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
