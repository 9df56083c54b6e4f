"""Processes: whom they end with, and how they tidy up their memory."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def end_with_parent(parent: int | None = None) -> None:
    """On Linux, be asked to end when the parent dies, however it dies, so that nothing is left behind.

    To be called in the child; `parent`, where known, is who must still be it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def collect_seldom() -> None:
    """Look seldom for objects that hold each other in a circle, and never among those that are there now, which stay.

    Python does so whenever 700 more objects are there, and a delivery, like an event, makes many that are gone without it: it took
    a tenth of a worker's time."""
    gc.freeze()
    gc.set_threshold(50_000, 10, 50)
