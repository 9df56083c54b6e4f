"""The table, fault by fault, and what is said while it is being made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from tests.faults.rounds import Round

console = Console(width=None if sys.stdout.isatty() else 180)


def line(number: int, total: int, one: Round) -> None:
    """A round's outcome, as soon as it is known."""
    outcome = "[green]passed[/]" if one.passed else "[red]FAILED[/]"
    console.print(f"{number:3}/{total}  {outcome}  {one.fault.name}: healed after {_healed(one)}, took {one.took_seconds:.0f} s")
    for wrong in one.wrong:
        console.print(f"         {wrong}", style="red", markup=False, highlight=False)


def table(rounds: list[Round]) -> None:
    shown = Table(Column("fault", no_wrap=True), "what breaks")
    for name in ("sent", "acknowledged", "lost", "applied twice", "in doubt", "503", "no answer", "slowest", "healed", ""):
        shown.add_column(name, justify="right")
    for one in rounds:
        counts = (one.sent, one.acknowledged, one.lost, one.twice, one.in_doubt, one.answers.get("503", 0), one.answers.get("none", 0))
        outcome = "[green]passed[/]" if one.passed else "[red]FAILED[/]"
        shown.add_row(one.fault.name, one.fault.description, *map(_number, counts), f"{one.slowest_seconds:.2f} s", _healed(one), outcome)
    totals = [sum(getattr(one, name) for one in rounds) for name in ("sent", "acknowledged", "lost", "twice")]
    shown.add_section()
    shown.add_row("in all", f"{sum(one.events for one in rounds):,} events", *map(_number, totals))
    console.print(shown)


def closing(rounds: list[Round]) -> int:
    """The last line; gives the exit status."""
    failed = sum(not one.passed for one in rounds)
    console.print(f"{len(rounds) - failed} passed, {failed} failed", highlight=False)
    return 1 if failed or not rounds else 0


def write(path: Path, rounds: list[Round], *, seed: int) -> None:
    """The same for programs."""
    path.write_text(json.dumps({"seed": seed, "faults": [_described(one) for one in rounds]}, indent=2) + "\n")


def _described(one: Round) -> dict[str, Any]:
    fields = {name: value for name, value in vars(one).items() if name != "fault"}
    return {"name": one.fault.name, "description": one.fault.description, "passed": one.passed} | fields


def _healed(one: Round) -> str:
    return "never" if one.healed_seconds is None else f"{one.healed_seconds:.1f} s"


def _number(count: int) -> str:
    return f"{count:,}"
