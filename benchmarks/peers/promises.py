"""What each contestant promises with a 2xx, as data, beside what a delivery costs it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.output.figures import Figures, by_name

HEAD = ("a 2xx means", "durable", "once", "in order", "encrypted", "web, µs", "PostgreSQL, µs", "log, B")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is promised. `name` is the contestant's in figures, after its letter."""

    name: str
    durable: str
    once: str
    ordered: str
    encrypted: str


PROMISES = (
    Promise(name="a  empty view", durable="no", once="no", ordered="no", encrypted="no"),
    Promise(
        name="b  textbook",
        durable="the event; its job may be lost",
        once="by a unique key",
        ordered="no: as jobs end",
        encrypted="no",
    ),
    Promise(
        name="p  dj-stripe",
        durable="what was sent, and the event",
        once="by a unique key; what was sent is kept each time",
        ordered="no: handlers are to ask Stripe for what is newest",
        encrypted="no",
    ),
    Promise(
        name="c  Standing",
        durable="the event",
        once="by a unique key, in effect too",
        ordered="states do not depend on it; changes in commit order",
        encrypted="one key an event",
    ),
)


def rows(slices: Sequence[Figures]) -> list[tuple[str, ...]]:
    """Return a row for each contestant that was measured, with medians. None, unless a peer was among them."""
    values = by_name(slices)
    measured = [one for one in PROMISES if f"{one.name}: web, µs" in values]
    if not any(one.name.startswith("p") for one in measured):
        return []
    costs = ("web, µs", "PostgreSQL, µs", "log, B")
    return [
        (one.name[3:], one.durable, one.once, one.ordered, one.encrypted, *(_median(values.get(f"{one.name}: {cost}")) for cost in costs))
        for one in measured
    ]


def _median(values: list[float] | None) -> str:
    return f"{statistics.median(values):,.0f}" if values else "–"
