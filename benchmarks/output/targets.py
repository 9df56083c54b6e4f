"""What is to be reached, as data: ratios between figures of one round, and a few figures as they are."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measures.growth import name as kept
from benchmarks.output.figures import Figures


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound for a figure, or for its ratio to another."""

    says: str
    figure: str
    to: str | None = None
    least: float | None = None
    most: float | None = None

    @property
    def bound(self) -> str:
        return f"≥ {self.least:,g}" if self.least is not None else f"≤ {self.most:,g}"

    def values(self, rounds: Sequence[Figures]) -> list[float]:
        """Its value in each round that measured it."""
        names = {self.figure} | ({self.to} if self.to else set())
        return [one[self.figure] / (one[self.to] if self.to else 1) for one in rounds if names <= one.keys()]

    def reached(self, value: float, *, half: bool = False) -> bool:
        """Whether a value is within the bound, or within half of it."""
        slack = 2.0 if half else 1.0
        return value >= self.least / slack if self.least is not None else value <= (self.most or 0.0) * slack


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A target, and what the rounds made of it."""

    target: Target
    median: float
    lowest: float
    highest: float

    @property
    def reached(self) -> bool:
        return self.target.reached(self.median)

    @property
    def guarded(self) -> bool:
        """Whether a change is refused over it: a ratio that fell under half. What is no ratio depends on the machine."""
        return self.target.to is None or self.target.reached(self.median, half=True)


ACCEPTED, HANDLED = "c  Standing, accepted/s", "d  Standing, 1 worker, handled/s"

ALWAYS = (
    Target(says="accepted, of an empty view's answers", figure=ACCEPTED, to="a  empty view, answers/s", least=0.30),
    Target(says="accepted, of the textbook's", figure=ACCEPTED, to="b  textbook, accepted/s", least=3),
    Target(says="acknowledged at half of the highest rate, p99 ms", figure="c  acknowledged at half of that, p99 ms", most=100),
    Target(says="handled by one worker, events/s", figure=HANDLED, least=5000),
    Target(
        says="handled, of what RQ's forking worker does", figure=HANDLED, to="d  RQ forking worker, one job an event, handled/s", least=40
    ),
    Target(says="visible at 300 events/s, p50 ms", figure="e  visible at 300/s, p50 ms", most=50),
    Target(says="visible at 300 events/s, p99 ms", figure="e  visible at 300/s, p99 ms", most=250),
    Target(says="a reversal visible over 50,000 older events, p99 ms", figure="e  reversal over 50,000 waiting, p99 ms", most=1000),
)


def of_growth(sizes: Sequence[int]) -> tuple[Target, ...]:
    """What must hold with the most events kept, against the fewest."""
    if not sizes:
        return ()
    few, many = min(sizes), max(sizes)
    against = f"with {many:,} events kept, of the same with {few:,}"
    return (
        Target(says=f"accepted {against}", figure=kept(many, "accepted/s"), to=kept(few, "accepted/s"), least=0.8),
        Target(says=f"handled {against}", figure=kept(many, "handled/s"), to=kept(few, "handled/s"), least=0.8),
        Target(says=f"one applicant read, of {many:,} events, p50 ms", figure=kept(many, "one applicant read, p50 ms"), most=5),
    )


def verdicts(targets: Sequence[Target], rounds: Sequence[Figures]) -> list[Verdict]:
    """What became of those targets that were measured."""
    measured = [(target, values) for target in targets if (values := target.values(rounds))]
    return [
        Verdict(target=target, median=statistics.median(values), lowest=min(values), highest=max(values)) for target, values in measured
    ]
