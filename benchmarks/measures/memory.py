"""(h): what processes hold of the machine's memory, shared pages counted in part (PSS)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def used_by(processes: Iterable[subprocess.Popen[bytes]]) -> float:
    """MiB that processes and all their children hold."""
    return sum(_kib(pid) for process in processes for pid in _tree(process.pid)) / 1024


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = children.read_text().split() if children.exists() else []
    return [pid, *(one for child in found for one in _tree(int(child)))]


def _kib(pid: int) -> float:
    with suppress(OSError):  # It may have ended meanwhile.
        told = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return float(told[1]) if told else 0.0
    return 0.0
