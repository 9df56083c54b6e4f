"""Sidecars: processes beside a worker's own. They may hang or crash, and no event waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

#: One that ended is started again after so long.
PAUSE_SECONDS = 2.0

END_SECONDS = 10.0


class Sidecar:
    """A module that runs beside this process, and is restarted when it ends."""

    def __init__(self, module: str, *arguments: str) -> None:
        # Each that follows another goes by the same name, so that what the dead one had in hand is its own.
        self._command = [sys.executable, "-m", module, *arguments, os.urandom(16).hex(), str(os.getpid())]
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_at = float("-inf")

    def look(self) -> None:
        """Start the process, unless it runs."""
        runs = self._process is not None and self._process.poll() is None
        if not runs and time.monotonic() - self._begun_at > PAUSE_SECONDS:
            self._begun_at = time.monotonic()
            self._process = subprocess.Popen(self._command)  # noqa: S603

    def end(self) -> None:
        """Ask the process to finish its work and end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
