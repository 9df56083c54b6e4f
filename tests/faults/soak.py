"""The soak: nothing breaks, event follows event, and what each process holds is to stay as it was."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import load, population
from tests.faults import processes
from tests.faults.ground import Ground, ground, until
from tests.faults.report import console
from tests.support import servers
from tests.support.service import SECRETS

#: Measured each time so many events were handled.
STEP = 10_000

#: The first measurements are of processes that have not seen everything yet.
WARM_UP_STEPS = 2

BYTES_MAX = 150 * 1000**2

#: How much the last third may be above the first.
GROWTH_MAX = 0.10

#: A handle or a connection more or less is no growth.
SLACK = {"files": 3, "connections": 3}

HANDLED_SECONDS_MAX = 600.0


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What one process, or the database for all of them, holds at a moment."""

    what: str
    unit: str
    amount: int


def run(events: int) -> int:
    """Soak, saying what is held at each step; give the exit status."""
    with (
        tempfile.TemporaryDirectory(prefix="standing-soak-") as folder,
        servers.throwaway_cluster() as cluster,
        ground(Path(folder), cluster, SECRETS) as service,
    ):
        held = _soaked(service, steps=max(1, events // STEP), size=min(STEP, events))
    wrong = [problem for (what, unit), amounts in held.items() for problem in _problems(what, unit, amounts)]
    if len({len(amounts) for amounts in held.values()}) > 1:
        wrong.append("not every process lived all the while")
    for problem in wrong:
        console.print(problem, style="red", markup=False)
    console.print(f"{max(0, len(held) - len(wrong))} passed, {len(wrong)} failed", highlight=False)
    return 1 if wrong else 0


def _soaked(service: Ground, *, steps: int, size: int) -> dict[tuple[str, str], list[int]]:
    """Send step after step; give what each process held after each."""
    held: dict[tuple[str, str], list[int]] = defaultdict(list)
    for step in range(1, steps + 1):
        per_second, answers = load.saturate(service.port, population.deliveries(size), seconds=HANDLED_SECONDS_MAX)
        refused = sum(answer.status != 200 for answer in answers)
        until(lambda: _is_idle(service), "the events to be handled", seconds=HANDLED_SECONDS_MAX)
        holdings = _holdings(service)
        for one in holdings:
            held[one.what, one.unit].append(one.amount)
        _say(step * size, per_second, refused, holdings)
    return held


def _is_idle(service: Ground) -> bool:
    backlog = service.readiness().get("backlog")
    return backlog is not None and backlog["pending"] == 0


def _holdings(service: Ground) -> list[Holding]:
    found = []
    for role, parent in (("web", service.web()), ("worker", service.worker())):
        family = processes.family(parent)
        for pid in family:
            name = f"{role}'s parent {pid}" if pid == parent and len(family) > 1 else f"{role} {pid}"
            found.append(Holding(what=name, unit="bytes", amount=processes.pss_bytes(pid)))
            found.append(Holding(what=name, unit="files", amount=processes.open_files(pid)))
    with psycopg.connect(service.database_url) as session:
        row = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row
    return [*found, Holding(what="database", unit="connections", amount=row[0])]


def _say(events: int, per_second: float, refused: int, holdings: list[Holding]) -> None:
    shown = [f"{one.what} {one.amount / 1e6:.1f} MB" if one.unit == "bytes" else f"{one.amount} {one.unit}" for one in holdings]
    told = f"{events:>9,} events, {per_second:,.0f}/s" + (f", {refused} refused" if refused else "")
    console.print(f"{told}: {', '.join(shown)}", highlight=False, soft_wrap=True)


def _problems(what: str, unit: str, amounts: list[int]) -> list[str]:
    found = []
    if unit == "bytes" and max(amounts) > BYTES_MAX:
        found.append(f"{what} holds up to {max(amounts) / 1e6:.1f} MB")
    settled = amounts[WARM_UP_STEPS:]
    third = len(settled) // 3
    if third:
        first, last = statistics.median(settled[:third]), statistics.median(settled[-third:])
        if last > first * (1 + GROWTH_MAX) + SLACK.get(unit, 0):
            found.append(f"{what} grew from {first:,.0f} to {last:,.0f} {unit}")
    return found
