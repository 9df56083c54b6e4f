"""Counts in words: "1 event", "2 events"."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count and its noun, in the singular or the plural. `many` is the plural that does not merely end in "s"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
