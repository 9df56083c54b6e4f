"""The check of an import's file: whole, before anything is kept; and afterwards, whether the file is unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from handlers.cli.transfer import import_fields
from handlers.cli.transfer.import_fields import Known, Whose, Wrong

#: Rows that are looked at, and later kept, together.
AT_ONCE = 1000

OnProgress = Callable[[int], None]
T = TypeVar("T")


class FileChanged(Exception):
    """The file changed after the check."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A file in which every line is valid."""

    path: Path
    source: str | None
    rows: int
    fingerprint: tuple[int, ...]


def check(path: Path, *, source: str | None, on_rows: OnProgress, on_wrong: Callable[[Wrong], None]) -> Checked | None:
    """Read the whole file, and report each invalid line. Return None if a line is invalid, or if there is no line."""
    fingerprint, rows, all_right = _fingerprint(path), 0, True
    for some in _some(import_fields.read(path, source=source)):
        for row in some:
            if isinstance(row, Wrong):
                all_right = False
                on_wrong(row)
        rows += len(some)
        on_rows(len(some))
    if not rows:
        on_wrong(Wrong(1, ["the file says nothing"]))
    return Checked(path=path, source=source, rows=rows, fingerprint=fingerprint) if rows and all_right else None


def again(checked: Checked) -> Iterator[list[Known | Whose]]:
    """Yield the rows of a file in batches, as long as it is unchanged. Raises FileChanged."""
    rows = 0
    for some in _some(import_fields.read(checked.path, source=checked.source)):
        right = [row for row in some if not isinstance(row, Wrong)]
        if len(right) < len(some) or _fingerprint(checked.path) != checked.fingerprint:
            raise FileChanged
        rows += len(right)
        yield right
    if rows != checked.rows:
        raise FileChanged


def _fingerprint(path: Path) -> tuple[int, ...]:
    """Return what changes when a file changes; an empty tuple if the file is gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _some(rows: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(rows)
    return iter(lambda: list(islice(remaining, AT_ONCE)), [])
