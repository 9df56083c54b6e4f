"""Fault points: named places between two steps where a test breaks this process.

Without `FAULTS_DIR` nothing happens. With it, a file in that folder arms a point. The first process that reaches `claimed` executes
it once and removes the file. `interpret.<what>` is executed each time, until the file is removed. The file says what to do: `kill`,
`raise`, `hang` or `eat` (memory).
"""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

#: Whether any point can be armed in this process.
IN_USE = bool(os.environ.get("FAULTS_DIR"))
_folder = Path(os.environ.get("FAULTS_DIR", ""))

#: SQLite's own limit.
SQLITE_PAGES_MAX = 4294967294


class Armed(Exception):
    """The point was armed with `raise`."""


def reach(point: str, of: str = "") -> None:
    """Reach a point between two steps; `of` names what is being handled."""
    if not IN_USE:
        return
    once = _folder / point
    try:
        deed = once.read_text().strip()
        once.unlink()  # Of several processes, the one that can remove it.
    except FileNotFoundError:
        deed = _text(f"{point}.{of}") if of else ""
    if deed:
        _do(deed)


def clock_offset() -> timedelta:
    """Return by how many seconds this process's clock is to be wrong: the content of the file `clock`."""
    return timedelta(seconds=float(_text("clock") or 0))


def sqlite_pages_max() -> int | None:
    """Return how many pages SQLite's file may have, as if the disk were full: the content of the file `sqlite_pages_max`. None: no
    limit."""
    return int(_text("sqlite_pages_max") or SQLITE_PAGES_MAX) if IN_USE else None


def _text(name: str) -> str:
    try:
        return (_folder / name).read_text().strip()
    except FileNotFoundError:
        return ""


def _do(deed: str) -> None:
    if deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "hang":
        while True:
            time.sleep(1)
    elif deed == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(16 * 1024 * 1024))
    raise Armed(deed)
