"""Deadlines: a database that hangs costs a caller seconds, and the next caller nothing."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TimedOut
from typing import Any, TypeVar

T = TypeVar("T")

#: While work is overdue, further work is refused at once for so long: it would only wait in line behind it.
PAUSE_SECONDS = 1.0


class DeadlineExceeded(Exception):
    """The work did not end in time, or was not begun. It may still finish later, unseen."""


class DeadlineExecutor:
    """Threads that run work for callers, each of which waits until its deadline."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._threads: ThreadPoolExecutor | None = None
        self._making = threading.Lock()
        self._refusing_until = 0.0
        self._overdue: Future[Any] | None = None

    def run(self, seconds: float, work: Callable[[], T]) -> T:
        """Return what the work returns, or raise what it raises. Raises DeadlineExceeded if it is late; the work goes on without the
        caller. It logs and keeps what the caller would: the request's id, the trace."""
        if self._overdue and not self._overdue.done() and time.monotonic() < self._refusing_until:
            raise DeadlineExceeded("other work is overdue")
        future = self._crew().submit(contextvars.copy_context().run, work)
        try:
            return future.result(timeout=seconds)
        except TimedOut as error:
            if future.done():
                raise
            future.cancel()
            self._overdue = future
            self._refusing_until = time.monotonic() + PAUSE_SECONDS
            raise DeadlineExceeded(f"not done within {seconds} s") from error

    def _crew(self) -> ThreadPoolExecutor:
        with self._making:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._size, thread_name_prefix=self._name)
            return self._threads
