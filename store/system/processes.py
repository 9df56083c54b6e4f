"""Processes: end with the parent, and collect garbage rarely."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def end_with_parent(parent: int | None = None) -> None:
    """On Linux, ask to be ended when the parent ends for whatever reason, so that no process is left behind.

    Call it in the child; `parent`, where known, is the process id that must still be the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def collect_seldom() -> None:
    """Run the cyclic garbage collector rarely, and never over the objects that exist now.

    Python runs it whenever there are 700 more objects. Each delivery and each event creates many that are freed without it:
    collecting took a tenth of a worker's time."""
    gc.freeze()
    gc.set_threshold(50_000, 10, 50)
