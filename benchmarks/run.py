"""`./dev bench`: what Standing costs and how fast it is, beside an empty Flask view, a textbook receiver and RQ.

Starts everything that it needs, in a folder of its own, and measures in rounds. The machine is shared by the sender and all servers. So
contestants take turns of a few seconds, ratios are between neighbours, and processor time says more than rates.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from benchmarks import copies, sizes, stage
from benchmarks.copies import Template
from benchmarks.measures import accept, backlog, cost, growth, latency, machine, side_by_side
from benchmarks.measures.side_by_side import Entry
from benchmarks.output import figures, report, targets
from benchmarks.output.figures import Figures
from benchmarks.peers import djstripe
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, SQLITE, Stage

Measurement = Callable[[], list[Figures]]

PARTS = {
    "a": "an empty Flask view", "b": "a textbook receiver", "c": "Standing accepting", "d": "handling a backlog, against RQ",
    "e": "cost and POST to visible at fixed rates", "f": "c, d and e on SQLite", "g": "growth",
}  # fmt: skip


def main() -> int:
    asked, began = _asked(), time.monotonic()
    # Whoever ends us wants the servers to end, too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    console = Console(width=None if sys.stdout.isatty() else 120)
    with stage.stage() as on, ExitStack() as stack:
        described = machine.described(on)
        console.print(f"measuring {'; '.join(PARTS[part] for part in asked.only)} (rounds: {asked.rounds})")
        plan = _plan(on, asked.sizes, asked.only, stack, peers=asked.peers)
        slices = [one for number in range(asked.rounds) for one in _round(console, f"{number + 1}/{asked.rounds}", plan, on)]
        on.notes.extend(on.failures)
        wanted = (*targets.ALWAYS, *targets.of_growth(asked.sizes.kept))
        found = targets.verdicts(wanted, slices)
        on.notes.extend(f"not measured in this run: {target.says}" for target in wanted if not target.values(slices))
        report.tell(console, slices, found, on.notes)
        files = report.write(asked.name, described, asked.rounds, slices, found, on.notes)
    console.print(f"written after {(time.monotonic() - began) / 60:.0f} minutes: " + ", ".join(file.name for file in files))
    worse = [one for one in found if not one.holds] if asked.quick else []
    for one in worse:
        console.print(f"worse than {targets.GUARD:g} times what is usual, or what is to be reached: {one.target.says}", style="red")
    return 1 if on.failures or worse else 0


def _round(console: Console, place: str, plan: dict[str, Measurement], on: Stage) -> list[Figures]:
    """Each measurement once. One that fails is reported at the end, and costs the others nothing."""
    found: list[Figures] = []
    for what, measure in plan.items():
        began, failed = time.monotonic(), len(on.failures)
        slices: list[Figures] = []
        try:
            with console.status(f"round {place}: {what}"):
                slices = measure()
        except Exception as error:
            on.failures.append(f"round {place}, {what}: failed with {type(error).__name__}: {error}")
        for failure in on.failures[failed:]:
            console.print(failure, style="red", highlight=False)
        for name, values in figures.by_name(slices).items():
            console.print(f"{place}  {name}: {statistics.median(values):,.1f}", highlight=False)
        console.print(f"{place}  ({what}: {time.monotonic() - began:.0f} s)", style="dim", highlight=False)
        found += slices
    return found


def _plan(on: Stage, wanted: Sizes, parts: str, stack: ExitStack, *, peers: bool) -> dict[str, Measurement]:
    """The measurements of a round, in their order: those that are compared take turns."""
    templates = {kind: copies.templates(on, kind)[0] for kind in _kinds(wanted, parts)}
    plan: dict[str, Measurement] = {}
    if entries := [*_contestants(on, wanted, parts, templates), *([partial(djstripe.entry, on, wanted)] if peers else [])]:
        plan["side by side"] = partial(side_by_side.measure, on, entries, slices=wanted.slices)
    for kind in (POSTGRESQL, SQLITE) if "f" in parts else (POSTGRESQL,):
        if "e" in parts or kind == SQLITE:
            plan[f"at fixed rates, {kind}"] = partial(_once, partial(cost.at_rates, on, wanted, kind))
        if ("e" in parts or kind == SQLITE) and wanted.overtaken:
            plan[f"reversals over a backlog, {kind}"] = partial(_once, partial(latency.over_a_backlog, on, wanted, templates[kind], kind))
    if "g" in parts:
        plan["growth"] = partial(side_by_side.measure, on, growth.entries(on, wanted, stack), slices=wanted.growth_slices)
    return plan


def _kinds(wanted: Sizes, parts: str) -> list[str]:
    """The databases on which a backlog is handled."""
    on_postgresql = "d" in parts or ("e" in parts and wanted.overtaken)
    return [kind for kind, needed in ((POSTGRESQL, on_postgresql), (SQLITE, "f" in parts)) if needed]


def _contestants(on: Stage, wanted: Sizes, parts: str, templates: dict[str, Template]) -> list[Entry]:
    entries: list[Entry] = []
    if "a" in parts:
        entries.append(partial(accept.empty, on, wanted))
    if "b" in parts:
        entries.append(partial(accept.by_the_textbook, on, wanted))
    if "c" in parts:
        entries.append(partial(accept.by_standing, on, wanted))
    if "d" in parts:
        entries.append(partial(backlog.by_rq, on, jobs=wanted.rq_forking_jobs, forking=True))
        if wanted.rq_simple_jobs:
            entries.append(partial(backlog.by_rq, on, jobs=wanted.rq_simple_jobs, forking=False))
        entries += [partial(backlog.by_standing, on, wanted, templates[POSTGRESQL], workers=workers) for workers in wanted.workers]
    if "f" in parts:
        entries.append(partial(accept.by_standing, on, wanted, SQLITE))
        of_sqlite = partial(backlog.by_standing, on, wanted, templates[SQLITE], kind=SQLITE)
        entries += [partial(of_sqlite, workers=workers) for workers in wanted.workers]
    return entries


def _once(measure: Callable[[], Figures]) -> list[Figures]:
    return [measure()]


def _asked() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, help="of whose slices the medians are taken (default: 3, with --quick 1)")
    options.add_argument("--only", type=_parts, help="parts, as in a,c,d: " + "; ".join(f"{part} {is_}" for part, is_ in PARTS.items()))
    options.add_argument("--peers", action="store_true", help="with (a) to (c) also dj-stripe's endpoint, in an environment of its own")
    size = options.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a to e in 3 minutes; fails if processor time is twice what is usual")
    size.add_argument("--large", action="store_true", help="growth up to 5 million events")
    size.add_argument("--tiny", action="store_true", help="all parts at sizes at which the figures mean nothing")
    asked = options.parse_args()
    asked.sizes = sizes.QUICK if asked.quick else sizes.TINY if asked.tiny else sizes.FULL
    if asked.large:
        asked.sizes = dataclasses.replace(asked.sizes, kept=sizes.KEPT_LARGE)
    asked.rounds = asked.rounds or (1 if asked.quick else 3)
    whole = "abcde" if asked.quick else "abcdefg"
    asked.name = "quick" if asked.quick else "tiny" if asked.tiny else "part" if asked.only else "bench"
    asked.only = asked.only or whole
    return asked


def _parts(text: str) -> str:
    wanted = set(text.replace(",", ""))
    if not wanted or not wanted <= set(PARTS):
        raise argparse.ArgumentTypeError(f"names parts among {', '.join(PARTS)}")
    return "".join(sorted(wanted))


if __name__ == "__main__":
    sys.exit(main())
