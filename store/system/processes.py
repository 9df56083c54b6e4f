"""Processes: begin, start and end a child, end with the parent, and collect garbage rarely."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from store.system import logs

_SET_PARENT_DEATH_SIGNAL = 1

#: How often a child shows that it is not frozen, and how much of that a parent reads at a time.
BEAT_SECONDS, PIPE_BYTES = 1.0, 65536

#: A child that has shown no life for so long is frozen, and is replaced.
FROZEN_SECONDS = 15.0

#: A child that has shown life within so long is in order.
LATELY_SECONDS = 5.0

#: It shows the first life once it is loaded, which a busy machine may take long for.
STARTING_SECONDS = 60.0


#: What a process creates is for its owner alone.
_UMASK = 0o077


def begin(*, least: int = logging.INFO) -> None:
    """Begin a process: its files are for its owner alone, and it logs JSON lines from the least level up."""
    os.umask(_UMASK)
    logs.configure(least=least)


def import_path() -> str:
    """Return a PYTHONPATH by which a program finds this installation first.

    gunicorn looks for modules in the current folder before all others, unless that folder is on the path already. It may hold packages of
    our names."""
    root = Path(__file__).parent.parent.parent
    return os.pathsep.join(dict.fromkeys([str(root), str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]))


def program(name: str) -> Path:
    """Return the path of a program that was installed with this code: in an environment, for all users, or for one user.

    Where there is none, return the path that it would have beside Python."""
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    folders = [Path(sys.executable).parent, *(Path(sysconfig.get_path("scripts", scheme)) for scheme in schemes)]
    return next((folder / name for folder in folders if (folder / name).exists()), folders[0] / name)


def end_with_parent(parent: int | None = None) -> None:
    """On Linux, ask to be ended when the parent ends for whatever reason, so that no process is left behind.

    Call it in the child; `parent`, where known, is the process id that must still be the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def live_with_parent(parent: str) -> None:
    """End with the parent that started this module, and show it life. `parent` is the last argument that it gave.

    Standard output is the pipe for that. What is printed goes to standard error."""
    end_with_parent(int(parent))
    show_life(os.dup(1))
    os.dup2(2, 1)


def collect_seldom() -> None:
    """Run the cyclic garbage collector rarely, and never over the objects that exist now.

    Python runs it whenever there are 700 more objects. Each delivery and each event creates many that are freed without it:
    collecting took a tenth of a worker's time."""
    gc.freeze()
    gc.set_threshold(50_000, 10, 50)


def share_what_is_loaded() -> None:
    """Keep the garbage collector from what exists now. Before a fork: a page that it writes to is no longer shared."""
    gc.collect()
    gc.freeze()


class LifeSign:
    """The reading end of a pipe, through which a child shows its parent that it is not frozen: it writes a byte every second.

    A process that was stopped (SIGSTOP), or whose threads all wait for one that never gives way, writes nothing. Time is counted in
    looks, so that a parent that was stopped itself misses nothing."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        os.set_blocking(reader, False)
        self._missed, self._limit = 0, STARTING_SECONDS

    def is_missing(self, *, look_seconds: float) -> bool:
        """Look for life; return whether there was none for `FROZEN_SECONDS`, where a parent looks so often."""
        try:
            shown = os.read(self._reader, PIPE_BYTES)
        except BlockingIOError:
            shown = b""
        self._missed = 0 if shown else self._missed + 1
        self._limit = FROZEN_SECONDS if shown else self._limit
        return self._missed * look_seconds > self._limit

    def was_shown_lately(self, *, look_seconds: float) -> bool:
        """Return whether the last looks found life within `LATELY_SECONDS`; no before the first."""
        return self._limit == FROZEN_SECONDS and self._missed * look_seconds <= LATELY_SECONDS


def show_life(writer: int) -> None:
    """Write to the pipe of a parent's `LifeSign` from now on, as long as this process runs."""

    def beat() -> None:
        with suppress(BrokenPipeError):
            while True:
                with suppress(BlockingIOError):  # The parent itself is stopped, and reads later.
                    os.write(writer, b".")
                time.sleep(BEAT_SECONDS)

    os.set_blocking(writer, False)
    threading.Thread(target=beat, name="life", daemon=True).start()


class ChildProcess:
    """A process that this one starts, asks to end, and starts again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._life: LifeSign | None = None

    def start(self, command: Sequence[str], **options: Any) -> None:
        """Start a command; the options are those of `subprocess.Popen`."""
        self._process = subprocess.Popen(command, **options)  # noqa: S603

    def start_module(self, module: str, *arguments: str) -> None:
        """Start a module of this installation, which calls `live_with_parent` with its last argument."""
        # Without it, Python looks for the module in the current folder first.
        environment = os.environ | {"PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-m", module, *arguments, str(os.getpid())]
        self.start(command, env=environment, stdout=subprocess.PIPE, bufsize=0)
        assert self._process
        assert self._process.stdout
        self._life = LifeSign(self._process.stdout.fileno())

    def kill_if_frozen(self, *, look_seconds: float) -> bool:
        """Kill the module if it is frozen; to be called so often. Return whether it was killed."""
        if not self.runs() or self._life is None or not self._life.is_missing(look_seconds=look_seconds):
            return False
        assert self._process
        self._process.kill()
        self._process.wait()
        return True

    def runs(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def take_exit(self) -> int | None:
        """Return the exit status of a process that has ended, once; else None."""
        status = self._process.poll() if self._process else None
        if self._process is not None and status is not None:
            with self._process:  # Closes its pipe.
                self._process = None
        return status

    def end(self, seconds: float) -> bool:
        """Ask the process to finish its work and end; kill it after so many seconds. Return whether it ended in time."""
        if self._process is None:
            return True
        process, self._process = self._process, None
        with process:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return False
            return True
