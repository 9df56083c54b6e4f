"""Sidecars: processes beside a worker's own. They may hang or crash, and no event waits for them."""

from __future__ import annotations

import os
import time

import structlog

from store.system.processes import ChildProcess

log = structlog.get_logger()

#: Pause before a process that ended is restarted.
PAUSE_SECONDS = 2.0

END_SECONDS = 10.0


class Sidecar:
    """A module that runs beside this process, and is restarted when it ends."""

    def __init__(self, module: str, *arguments: str) -> None:
        # A restarted process keeps its predecessor's name, so it can take over that process's claims.
        self._command = (module, *arguments, os.urandom(16).hex())
        self._child = ChildProcess()
        self._begun_at = float("-inf")

    def look(self, *, look_seconds: float) -> None:
        """Start the process, unless it runs. One that is frozen is killed first."""
        if self._child.kill_if_frozen(look_seconds=look_seconds):
            log.error("a process beside the worker is frozen; it is replaced", process=self._command[0])
        if not self._child.runs() and time.monotonic() - self._begun_at > PAUSE_SECONDS:
            self._begun_at = time.monotonic()
            self._child.start_module(*self._command)

    def end(self) -> None:
        """Ask the process to finish its work and end."""
        self._child.end(END_SECONDS)
