"""Faults on purpose: named points between two steps where a test breaks this process, exactly there.

Without `FAULTS_DIR` nothing ever happens here. With it, a file in that folder arms a point: `claimed` is done once, by the
process that comes first (it removes the file); `interpret.<what>` each time that this one comes along, until it is removed.
The file says what to do: `kill`, `raise`, `hang` or `eat` (memory).
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
    """The point was told to raise."""


def reach(point: str, of: str = "") -> None:
    """Come to a point between two steps; `of` says with what in hand."""
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
    """How wrong our clock is to be: seconds, in the file `clock`."""
    return timedelta(seconds=float(_text("clock") or 0))


def sqlite_pages_max() -> int | None:
    """How many pages SQLite's file may have, as if the disk were full: in the file `sqlite_pages_max`. None: ask nothing of it."""
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
