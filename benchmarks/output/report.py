"""What a run found: tables for the terminal, and files for those who come later."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.output import plot
from benchmarks.output.figures import Figures, by_name
from benchmarks.output.targets import Verdict
from benchmarks.peers import promises

RESULTS = Path(__file__).parent.parent / "results"

Row = tuple[str, ...]


def tell(console: Console, slices: Sequence[Figures], verdicts: Sequence[Verdict], notes: Sequence[str]) -> None:
    for head, rows in (_measured(slices), (promises.HEAD, promises.rows(slices)), _reached(verdicts)):
        if rows:
            console.print(_table(head, rows))
    for note in notes:
        console.print(f"Note: {note}.", style="yellow")


def write(
    name: str, machine: dict[str, Any], rounds: int, slices: Sequence[Figures], verdicts: Sequence[Verdict], notes: Sequence[str]
) -> list[Path]:
    """Write `<name>.json`, `.md`, `.png` and `.svg` into the folder of results."""
    RESULTS.mkdir(exist_ok=True)
    whole = {
        "machine": machine,
        "medians": {figure: round(statistics.median(values), 3) for figure, values in by_name(slices).items()},
        "targets": [_verdict(verdict) for verdict in verdicts],
        "notes": list(notes),
        "slices": [{figure: round(value, 3) for figure, value in one.items()} for one in slices],
    }
    data, table = RESULTS / f"{name}.json", RESULTS / f"{name}.md"
    data.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    lines = [_headline(machine, rounds), "", *_markdown(*_reached(verdicts)), "", *_markdown(*_measured(slices))]
    compared = _markdown(promises.HEAD, promises.rows(slices))
    lines += ["", *compared] if compared else []
    lines += ["", *(f"- {note}." for note in notes)] if notes else []
    table.write_text("\n".join(lines) + "\n")
    return [data, table, *plot.draw(RESULTS / name, by_name(slices), _headline(machine, rounds))]


def _measured(slices: Sequence[Figures]) -> tuple[Row, list[Row]]:
    found = sorted(by_name(slices).items(), key=lambda item: item[0][0])
    rows: list[Row] = [
        (name, _number(statistics.median(values)), f"{_number(min(values))} – {_number(max(values))}") for name, values in found
    ]
    return ("figure", "median", "lowest – highest"), rows


def _reached(verdicts: Sequence[Verdict]) -> tuple[Row, list[Row]]:
    rows: list[Row] = [
        (one.target.says, one.target.bound, _number(one.median), f"{_number(one.lowest)} – {_number(one.highest)}", _yes(one.reached))
        for one in verdicts
    ]
    return ("to reach", "target", "median", "lowest – highest", "reached"), rows


def _verdict(one: Verdict) -> dict[str, Any]:
    values = {"median": round(one.median, 3), "lowest": round(one.lowest, 3), "highest": round(one.highest, 3)}
    return {"says": one.target.says, "target": one.target.bound} | values | {"reached": one.reached}


def _headline(machine: dict[str, Any], rounds: int) -> str:
    it, versions = machine["machine"], machine["versions"]
    return (
        f"{it['processor'] or it['architecture']}, {it['cores']} cores for everything, the sender included; Python {versions['python']}, "
        f"PostgreSQL {machine['postgresql']['server_version'].split()[0]} (fsync {machine['postgresql']['fsync']}), "
        f"Valkey {versions['valkey']}; {machine['web']['processes']} × {machine['web']['connections']} connections; "
        f"median of all slices of {rounds} round{'s' if rounds > 1 else ''}, commit {machine['commit']}."
    )


def _table(head: Row, rows: Sequence[Row]) -> Table:
    table = Table()
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(head: Row, rows: Sequence[Row]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ("---", *("---:" for _ in head[1:])), *rows)] if rows else []


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
