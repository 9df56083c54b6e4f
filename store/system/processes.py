"""Processes: start and end a child, end with the parent, and collect garbage rarely."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

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


class ChildProcess:
    """A process that this one starts, asks to end, and starts again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], **options: Any) -> None:
        """Start a command; the options are those of `subprocess.Popen`."""
        self._process = subprocess.Popen(command, **options)  # noqa: S603

    def start_module(self, module: str, *arguments: str) -> None:
        """Start a module of this installation. Its last argument is this process's id, so that it can end with it."""
        self.start([sys.executable, "-m", module, *arguments, str(os.getpid())])

    def runs(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def take_exit(self) -> int | None:
        """Return the exit status of a process that has ended, once; else None."""
        status = self._process.poll() if self._process else None
        if status is not None:
            self._process = None
        return status

    def end(self, seconds: float) -> bool:
        """Ask the process to finish its work and end; kill it after so many seconds. Return whether it ended in time."""
        if self._process is None:
            return True
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True
