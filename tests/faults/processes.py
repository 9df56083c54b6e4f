"""Processes of this machine, as /proc tells of them."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def children(pid: int) -> list[int]:
    return [child for child, parent in _parents().items() if parent == pid]


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    parents, found = _parents(), [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    return [pid, *descendants(pid)]


def runs(pid: int, *words: str) -> bool:
    """Whether a process's command line has these words (regular expressions) in this order."""
    with suppress(OSError):
        line = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return re.search(".* ".join(words), line) is not None
    return False


def tell(pids: list[int], number: int) -> None:
    """Send all of them a signal; who is gone is gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(*pids: int) -> None:
    tell(list(pids), signal.SIGKILL)


def pss_bytes(pid: int) -> int:
    """Memory of its own, and its share of what it shares."""
    rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def open_files(pid: int) -> int:
    return len(list((PROC / str(pid) / "fd").iterdir()))


def _parents() -> dict[int, int]:
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                state_and_parent = (folder / "stat").read_text().rpartition(")")[2].split()
                if state_and_parent[0] != "Z":
                    found[int(folder.name)] = int(state_and_parent[1])
    return found
