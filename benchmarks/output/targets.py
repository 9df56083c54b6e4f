"""What is to be reached, as data: ratios between figures of one slice, and a few figures as they are."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measures.growth import name as kept
from benchmarks.output.figures import Figures

#: How much worse a figure may be than it is to be, or than it usually is, before a change is refused over it.
GUARD = 2.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound for a figure, for the sum of several, or for its ratio to another."""

    says: str
    figures: tuple[str, ...]
    to: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    #: It is guarded: a change that makes it much worse is refused. Only what depends on the code and not on the machine can be.
    guarded: bool = False
    #: Where it is far from its bound, how it is now: the guard looks at this.
    usual: float | None = None

    @property
    def bound(self) -> str:
        return f"≥ {self.least:,g}" if self.least is not None else f"≤ {self.most:,g}"

    def values(self, slices: Sequence[Figures]) -> list[float]:
        """Its value in each slice that measured all of it."""
        names = {*self.figures, *self.to}
        found = [one for one in slices if names <= one.keys()]
        return [sum(one[name] for name in self.figures) / (sum(one[name] for name in self.to) if self.to else 1) for one in found]

    def reached(self, value: float) -> bool:
        return value >= self.least if self.least is not None else value <= (self.most or 0.0)

    def holds(self, value: float) -> bool:
        """Whether a value is within the guard."""
        if not self.guarded:
            return True
        if self.least is not None:
            return value >= min(self.least, self.usual or self.least) / GUARD
        return value <= max(self.most or 0.0, self.usual or 0.0) * GUARD


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
    def holds(self) -> bool:
        return self.target.holds(self.median)


VIEW, SAME_TIME_VIEW = "a  empty view: web, µs", "e  empty view: web, µs"
ACCEPTED, WEB, HANDLED = "c  Standing, accepted/s", "c  Standing: web, µs", "d  Standing, 1 worker, handled/s"
HANDLING = "d  Standing, 1 worker: worker, dispatcher and sequencer, µs"
SERVER = ("c  Standing: PostgreSQL, µs", "d  Standing, 1 worker: PostgreSQL, µs")
LOG = ("c  Standing: log, B", "d  Standing, 1 worker: log, B")

#: An empty view's processor time on the machine for which the targets were set, µs a request. Ratios to it hold on other machines.
A_VIEW = 435


def of_a_view(says: str, *wanted: str, most: float, usual: float) -> Target:
    """A bound in µs of processor time, as a ratio to an empty view's."""
    to = SAME_TIME_VIEW if wanted[0].startswith("e") else VIEW
    said = f"{says}, of an empty view's µs ({most:,g} µs where that is {A_VIEW})"
    return Target(says=said, figures=wanted, to=(to,), most=round(most / A_VIEW, 2), guarded=True, usual=usual)


ALWAYS = (
    Target(says="web, a delivery, of an empty view's µs", figures=(WEB,), to=(VIEW,), most=2, guarded=True, usual=3.2),
    of_a_view("worker, an event", "d  Standing, 1 worker: worker, µs", most=110, usual=0.75),
    of_a_view("worker, dispatcher and sequencer", HANDLING, most=150, usual=1.15),
    of_a_view("PostgreSQL, both ways", *SERVER, most=150, usual=1.5),
    of_a_view("together at 100/s", "e  together at 100/s, µs", most=3500, usual=33),
    of_a_view("together at 300/s", "e  together at 300/s, µs", most=1800, usual=13),
    Target(says="together at 10/s, µs", figures=("e  together at 10/s, µs",), most=8000),
    Target(says="together at 500/s, µs", figures=("e  together at 500/s, µs",), most=1400),
    Target(says="write-ahead log, both ways, B an event", figures=LOG, most=5000, guarded=True),
    Target(says="accepted, of an empty view's answers", figures=(ACCEPTED,), to=("a  empty view, answers/s",), least=0.30),
    Target(says="accepted, of the textbook's", figures=(ACCEPTED,), to=("b  textbook, accepted/s",), least=3),
    Target(says="acknowledged at half of the highest rate, p99 ms", figures=("c  acknowledged at half of that, p99 ms",), most=100),
    Target(says="handled by one worker, events/s", figures=(HANDLED,), least=6000),
    Target(says="handled by two workers, of what one does", figures=("d  Standing, 2 workers, handled/s",), to=(HANDLED,), least=1.5),
    Target(
        says="handled, of what RQ's forking worker does",
        figures=(HANDLED,),
        to=("d  RQ forking worker, one job an event, handled/s",),
        least=40,
        guarded=True,
    ),
    Target(
        says="accepted, handled and followed as fast as it takes, /s", figures=("e  handled as fast as it takes, events/s",), least=1200
    ),
    Target(says="visible at 300 events/s, p50 ms", figures=("e  visible at 300/s, p50 ms",), most=20),
    Target(says="visible at 300 events/s, p99 ms", figures=("e  visible at 300/s, p99 ms",), most=60),
    Target(says="a reversal visible over 50,000 older events, p99 ms", figures=("e  reversal over 50,000 waiting, p99 ms",), most=400),
    Target(says="accepted on SQLite, of PostgreSQL's", figures=("f  SQLite: Standing, accepted/s",), to=(ACCEPTED,), least=0.9),
    Target(says="handled on SQLite, of PostgreSQL's", figures=("f  SQLite: Standing, 1 worker, handled/s",), to=(HANDLED,), least=0.8),
    Target(says="idle, % of a core", figures=("e  idle, % of a core",), most=1),
    Target(says="two web processes and their parent, MiB", figures=("h  Standing web, MiB",), most=150),
    Target(says="a worker with its parent and its sidecars, MiB", figures=("h  Standing worker, MiB",), most=120),
)


def of_growth(sizes: Sequence[int]) -> tuple[Target, ...]:
    """What must hold with the most events kept, against the fewest."""
    if not sizes:
        return ()
    few, many = min(sizes), max(sizes)
    against = f"with {many:,} events kept, of the same with {few:,}"
    return (
        Target(says=f"accepted {against}", figures=(kept(many, "accepted/s"),), to=(kept(few, "accepted/s"),), least=0.9),
        Target(says=f"handled {against}", figures=(kept(many, "handled/s"),), to=(kept(few, "handled/s"),), least=0.9),
        Target(says=f"one applicant read, of {many:,} events, p99 ms", figures=(kept(many, "one applicant read, p99 ms"),), most=10),
    )


def verdicts(targets: Sequence[Target], rounds: Sequence[Figures]) -> list[Verdict]:
    """What became of those targets that were measured."""
    measured = [(target, values) for target in targets if (values := target.values(rounds))]
    return [
        Verdict(target=target, median=statistics.median(values), lowest=min(values), highest=max(values)) for target, values in measured
    ]
