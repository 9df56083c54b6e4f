"""What figures are called, and the few sums that they need."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.stage import SQLITE

#: What a slice of a round measured, by name.
Figures = dict[str, float]

PERCENTILES = (50, 95, 99)


def name(kind: str, letter: str, what: str) -> str:
    """A figure's name. On SQLite it belongs to (f), whatever it is of on PostgreSQL."""
    return f"f  SQLite: {what}" if kind == SQLITE else f"{letter}  {what}"


def by_name(slices: Sequence[Figures]) -> dict[str, list[float]]:
    """Return each figure's values, in order."""
    names = dict.fromkeys(name for one in slices for name in one)
    return {name: [one[name] for one in slices if name in one] for name in names}


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
