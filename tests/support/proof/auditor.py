"""What an auditor does with what the log gave: open proofs, and run the program that verifies them, without anything of ours."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from store.proof import verify


def opening(proof: str) -> dict[str, Any]:
    """What the `extra` line of a proof says."""
    found: dict[str, Any] = json.loads(base64.b64decode(proof.splitlines()[1].removeprefix("extra ")))
    return found


def content(proof: str) -> dict[str, Any]:
    """What the leaf of a proof commits to."""
    found: dict[str, Any] = json.loads(opening(proof)["content"])
    return found


def run(folder: Path, keys: Iterable[str], names: Iterable[str], *, program: str = verify.__file__) -> subprocess.CompletedProcess[str]:
    """Run the program on files of a folder. `program`: a copy of it in that folder."""
    command = [sys.executable, "-I", program, "--key", *keys, *names]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False, timeout=60)


def verified(folder: Path, keys: Iterable[str], files: Mapping[str, str]) -> tuple[int, str]:
    """What the program says of files, once they lie in a folder: its exit status and its output."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = run(folder, keys, files)
    return done.returncode, done.stdout + done.stderr


def holds(folder: Path, keys: Iterable[str], files: Mapping[str, str]) -> bool:
    """Whether all files hold; in this process, for those who ask thousands of times."""
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    return verify.main(["--key", *keys, *(str(folder / name) for name in files)]) == 0
