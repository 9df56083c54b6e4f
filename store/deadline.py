"""Work with a deadline: a database that hangs costs the caller seconds, not forever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TimedOut
from functools import cache
from typing import TypeVar

from store.database import CONNECTIONS_MAX

T = TypeVar("T")


class Overdue(Exception):
    """The work did not end in time. It may still be done later, unseen."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What the work returns (or raises), if it ends in time; else raise Overdue and leave it to its fate."""
    future = _threads().submit(work)
    try:
        return future.result(timeout=seconds)
    except TimedOut as error:
        if future.done():
            raise
        future.cancel()
        raise Overdue(f"not done within {seconds} s") from error


@cache
def _threads() -> ThreadPoolExecutor:
    # As many as there are connections: a thread more could only wait for one.
    return ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix="deadline")
