"""Cached answers that every caller may request: one caller computes each at most once in a while, and the others get the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Outcome(Generic[T]):
    """The result of an attempt, and its time."""

    at: float
    answer: T | None = None
    error: Exception | None = None
    #: Where the error passed: each time that it is raised adds to its own traceback.
    place: TracebackType | None = None


class Remembered(Generic[T]):
    """An answer that is computed again only when it is too old, however many callers want it."""

    def __init__(self, ask: Callable[[], T], *, seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._lock = threading.Lock()
        self._last: _Outcome[T] | None = None

    def tell(self) -> T:
        """Return the answer. Raises what computing it raised: a failure is cached as long as an answer."""
        last = self._last
        if last is None or self._is_old(last):
            last = self._renewed()
        if last.error is not None:
            raise last.error.with_traceback(last.place)
        return last.answer  # type: ignore[return-value]

    def _renewed(self) -> _Outcome[T]:
        with self._lock:
            if self._last is None or self._is_old(self._last):
                self._last = self._asked()
            return self._last

    def _asked(self) -> _Outcome[T]:
        try:
            answer = self._ask()
        except Exception as error:
            return _Outcome(at=time.monotonic(), error=error, place=error.__traceback__)
        return _Outcome(at=time.monotonic(), answer=answer)

    def _is_old(self, outcome: _Outcome[T]) -> bool:
        return time.monotonic() - outcome.at > self._seconds
