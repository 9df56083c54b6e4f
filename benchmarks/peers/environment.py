"""The environment of the peers: their packages are not among this project's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VENV, LOCK = HERE / ".venv", HERE / "requirements.lock"


def provide() -> Path:
    """Return the folder of its programs. It is made once, and again after its lock file has changed."""
    stamp = VENV / "installed.lock"
    if not stamp.is_file() or stamp.read_text() != LOCK.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r")
        subprocess.run([str(VENV / "bin" / "python"), *install, str(LOCK)], check=True)
        stamp.write_text(LOCK.read_text())
    return VENV / "bin"
