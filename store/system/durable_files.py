"""Durable files: the contents, and the name in the folder, are on the disk before a function returns."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Sync a file, or the names of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, text: str) -> None:
    """Write a file that only its owner may read; root keeps the owner that it had. A reader sees the old file or the new one, whole."""
    beside = _beside(path)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        if os.getuid() == 0 and path.exists():
            before = path.stat()
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def is_writable(path: Path) -> bool:
    """Return whether this process could write a file, and make its folders if they are missing. Changes nothing."""
    there = next(one for one in (path, *path.parents) if one.exists())
    if there == path:
        return os.access(path, os.W_OK)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def is_replaceable(path: Path) -> bool:
    """Return whether this process could replace a file, and make its folders if they are missing. Changes nothing."""
    return is_writable(_beside(path))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
