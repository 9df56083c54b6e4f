"""`./dev bench`: how fast Standing accepts, works off and shows, beside an empty Flask view, a textbook receiver and RQ.

Starts everything that it needs, in a folder of its own, and measures in rounds, all contestants in each. The machine is shared
by the sender and all servers, so that what counts is the ratio between figures of one round.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from benchmarks import copies, sizes, stage
from benchmarks.measures import accept, backlog, growth, latency, machine
from benchmarks.output import report, targets
from benchmarks.output.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, SQLITE, Stage

Measurement = Callable[[], Figures]

PARTS = {
    "a": "an empty Flask view", "b": "a textbook receiver", "c": "Standing accepting", "d": "working off a backlog, against RQ",
    "e": "POST to visible", "f": "c, d and e on SQLite", "g": "growth",
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
        plan = _plan(on, asked.sizes, asked.only, stack)
        failures: list[str] = []
        rounds = [_round(console, f"{number}/{asked.rounds}", plan, failures) for number in range(1, asked.rounds + 1)]
        on.notes.extend(failures)
        wanted = (*targets.ALWAYS, *targets.of_growth(asked.sizes.kept))
        found = targets.verdicts(wanted, rounds)
        on.notes.extend(f"not measured in this run: {target.says}" for target in wanted if not target.values(rounds))
        report.tell(console, rounds, found, on.notes)
        files = report.write(asked.name, described, rounds, found, on.notes)
    console.print(f"written after {(time.monotonic() - began) / 60:.0f} minutes: " + ", ".join(file.name for file in files))
    unguarded = [one for one in found if not one.guarded] if asked.quick else []
    for one in unguarded:
        console.print(f"under half of its target: {one.target.says}", style="red")
    return 1 if failures or unguarded else 0


def _round(console: Console, place: str, plan: dict[str, Measurement], failures: list[str]) -> Figures:
    """Each measurement once. One that fails is told at the end, and costs the others nothing."""
    found: Figures = {}
    for what, measure in plan.items():
        began = time.monotonic()
        try:
            with console.status(f"round {place}: {what}"):
                figures = measure()
        except Exception as error:
            failures.append(f"round {place}, {what}: failed with {type(error).__name__}: {error}")
            console.print(failures[-1], style="red", highlight=False)
            continue
        for name, value in figures.items():
            console.print(f"{place}  {name}: {value:,.1f}", highlight=False)
        console.print(f"{place}  ({what}: {time.monotonic() - began:.0f} s)", style="dim", highlight=False)
        found |= figures
    return found


def _plan(on: Stage, wanted: Sizes, parts: str, stack: ExitStack) -> dict[str, Measurement]:
    """The measurements of a round, in their order: what is compared stands side by side."""
    plan: dict[str, Measurement] = {}
    if "a" in parts:
        plan["an empty view"] = partial(accept.empty, on, wanted)
    if "b" in parts:
        plan["the textbook accepts"] = partial(accept.by_the_textbook, on, wanted)
    if "c" in parts:
        plan["Standing accepts"] = partial(accept.by_standing, on, wanted)
    if "d" in parts:
        plan |= _of_rq(on, wanted)
    plan |= _of_standing(on, wanted, POSTGRESQL, parts)
    if "f" in parts:
        plan[f"Standing accepts, {SQLITE}"] = partial(accept.by_standing, on, wanted, SQLITE)
        plan |= _of_standing(on, wanted, SQLITE, "de")
    if "g" in parts:
        plan |= growth.measurements(on, wanted, stack)
    return plan


def _of_rq(on: Stage, wanted: Sizes) -> dict[str, Measurement]:
    plan: dict[str, Measurement] = {"RQ forks for each job": partial(backlog.by_rq, on, jobs=wanted.rq_forking_jobs, forking=True)}
    if wanted.rq_simple_jobs:
        plan["RQ's SimpleWorker"] = partial(backlog.by_rq, on, jobs=wanted.rq_simple_jobs, forking=False)
    return plan


def _of_standing(on: Stage, wanted: Sizes, kind: str, parts: str) -> dict[str, Measurement]:
    """What is worked off and becomes visible, on one kind of database."""
    plan: dict[str, Measurement] = {}
    if "d" in parts or ("e" in parts and wanted.overtaken):
        pending, _ = copies.templates(on, kind)
    if "d" in parts:
        for workers in wanted.workers:
            plan[f"{workers} at work, {kind}"] = partial(backlog.by_standing, on, wanted, pending, workers=workers, kind=kind)
    if "e" in parts:
        plan[f"POST to visible, {kind}"] = partial(latency.at_rates, on, wanted, kind)
    if "e" in parts and wanted.overtaken:
        plan[f"reversals over a backlog, {kind}"] = partial(latency.over_a_backlog, on, wanted, pending, kind)
    return plan


def _asked() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3, help="of which the medians are taken (default: %(default)s)")
    options.add_argument("--only", type=_parts, help="parts, as in a,c,d: " + "; ".join(f"{part} {is_}" for part, is_ in PARTS.items()))
    size = options.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a to e in 3 minutes; fails if a ratio is under half of its target")
    size.add_argument("--large", action="store_true", help="growth up to 5 million events")
    size.add_argument("--tiny", action="store_true", help="all parts at sizes at which the figures mean nothing")
    asked = options.parse_args()
    asked.sizes = sizes.QUICK if asked.quick else sizes.TINY if asked.tiny else sizes.FULL
    if asked.large:
        asked.sizes = dataclasses.replace(asked.sizes, kept=sizes.KEPT_LARGE)
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
