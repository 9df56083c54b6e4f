"""Figures: counts by vendor and day, as charts with a sentence and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from receiver.console.charts import SERIES_MAX, Bar
from receiver.console.lists import Row
from store.text.counts import counted

#: The name of the series that holds the vendors without a series of their own.
OTHERS = "others"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A figure that the page has: which counts of the API's rows it adds up, and what they are called."""

    title: str
    #: A field of the API's rows, and its name in a legend.
    fields: dict[str, str]
    one: str
    many: str
    #: What the counts mean.
    means: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart: its bars, its series, and what it shows in a sentence."""

    title: str
    caption: str
    means: str
    series: tuple[str, ...]
    bars: list[Bar]

    @property
    def counted(self) -> list[Bar]:
        """Return the days of the table, the newest first."""
        return self.bars[::-1]


def figure(wanted: Wanted, rows: Sequence[Row], days: Sequence[str], *, by_vendor: bool) -> Figure:
    """Return a figure of rows by vendor and day, stacked by vendor, or by the kind of the count."""
    if by_vendor:
        series = _vendors(rows)
        found = [_of_vendors(wanted, [row for row in rows if row["day"] == day], series) for day in days]
    else:
        series = tuple(wanted.fields.values())
        found = [tuple(sum(row[name] for row in rows if row["day"] == day) for name in wanted.fields) for day in days]
    bars = [Bar(day, counts) for day, counts in zip(days, found, strict=True)]
    return Figure(title=wanted.title, caption=_caption(wanted, series, bars), means=wanted.means, series=series, bars=bars)


def _vendors(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the series of the vendors, by name: each its own, as far as there are so many."""
    found = sorted({str(row["vendor"]) for row in rows})
    return tuple(found) if len(found) <= SERIES_MAX else (*found[: SERIES_MAX - 1], OTHERS)


def _of_vendors(wanted: Wanted, rows: Iterable[Row], series: tuple[str, ...]) -> tuple[int, ...]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["vendor"] if row["vendor"] in series else OTHERS] += sum(row[name] for name in wanted.fields)
    return tuple(counts[name] for name in series)


def _caption(wanted: Wanted, series: Sequence[str], bars: Sequence[Bar]) -> str:
    """Return how many there were in all, of which series, and on which day the most."""
    total = sum(sum(bar.counts) for bar in bars)
    if not total:
        return f"No {wanted.one} in {counted(len(bars), 'day')}."
    each = ", ".join(f"{name} {sum(bar.counts[place] for bar in bars):,}" for place, name in enumerate(series))
    most = max(bars, key=lambda bar: sum(bar.counts))
    said = counted(total, wanted.one, wanted.many)
    return f"{said} in {counted(len(bars), 'day')}: {each}. The most on {most.label}: {sum(most.counts):,}."
