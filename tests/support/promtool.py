"""Prometheus' own tool, which checks rules, metrics and expressions."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*arguments: str, cwd: Path | None = None, given: str = "") -> None:
    """Run it; what it prints is shown where it fails. Skips where there is none, but for CI."""
    program = shutil.which("promtool")
    if program is None:
        assert not os.environ.get("CI"), "promtool is missing"
        pytest.skip("no promtool on this machine (Debian: apt install prometheus)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=cwd, input=given, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
