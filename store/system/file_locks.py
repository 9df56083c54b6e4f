"""File locks that all processes of a host share. A thread or greenlet that waits for one does not stop its process.

The kernel's own way to wait (`flock` without `LOCK_NB`) stops the whole process. Where each connection is a greenlet, that would also
stop the holder, which is to release the lock.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

#: How often a file that another process has locked is tried again.
AGAIN_SECONDS = 0.002


class HostLock:
    """One lock. A process has one object for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._here = threading.Lock()

    @contextmanager
    def held(self, *, seconds: float) -> Iterator[bool]:
        """Hold the lock; yield whether it was free in time. Raises OSError if its file cannot be opened."""
        deadline = time.monotonic() + seconds
        if not self._here.acquire(timeout=seconds):
            yield False
            return
        try:
            with self._path.open("ab") as file:
                while not (mine := locked(file)) and time.monotonic() < deadline:
                    time.sleep(AGAIN_SECONDS)
                yield mine
        finally:
            self._here.release()


def locked(file: IO[Any]) -> bool:
    """Lock a file, for as long as it is open; return whether no other process holds it. Never waits."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
