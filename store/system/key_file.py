"""A file of keys, one entry a line, newest first: put a key in front, or take one away. Each old version is overwritten.

A reader sees the old file or the new one, whole. A key that was taken away is overwritten on the disk before its file is removed; a file
system that writes elsewhere (copy on write, flash memory) may keep the old blocks until it uses them again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from store.system import durable_files


def put_first(path: Path, entry: str) -> None:
    """Put an entry before all others, durably."""
    _rewrite(path, [entry, *_entries(path)])


def take_away(path: Path, is_wanted: Callable[[str], bool]) -> None:
    """Remove the entries that are not wanted, durably. Resumes what was interrupted."""
    entries = _entries(path)
    kept = [entry for entry in entries if is_wanted(entry)]
    if kept != entries:
        _rewrite(path, kept)
    else:
        _overwrite_discarded(path)


def _rewrite(path: Path, entries: list[str]) -> None:
    """Replace a file, and overwrite what it was: every version of it holds keys that are to be destroyed one day."""
    _overwrite_discarded(path)
    # A second name, by which the old content can be overwritten once readers see the new one.
    _discarded(path).hardlink_to(path)
    durable_files.replace(path, "".join(f"{entry}\n" for entry in entries))
    _overwrite_discarded(path)


def _entries(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _discarded(path: Path) -> Path:
    return path.with_name(f"{path.name}.discarded")


def _overwrite_discarded(path: Path) -> None:
    """Overwrite and remove the file's old version, if there is one; only its name if that is the file itself, as after a kill between
    two steps."""
    old = _discarded(path)
    if not old.exists():
        return
    if not old.samefile(path):
        with old.open("r+b") as file:
            file.write(os.urandom(old.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    old.unlink()
    durable_files.sync(path.parent)
