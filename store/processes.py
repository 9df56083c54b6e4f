"""Processes and their parents."""

from __future__ import annotations

import ctypes
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
