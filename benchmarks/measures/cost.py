"""(e): what an event costs at fixed rates and as fast as it takes, when it is visible, and what idling costs: all of `standing up`.

    python -m benchmarks.measures.cost [--rates 10,100,300,500,max] [--seconds 20] [--idle 20] [--set NAME=VALUE]

IDnGO deliveries, PostgreSQL with fsync, Standing's defaults. Each line counts from the first delivery until every event is handled, every
change followed by the subscribers, and every row logged. Times to visibility are seen by a reader, whose backend is left out.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from benchmarks import load, population, stage
from benchmarks.load import Answer
from benchmarks.measures import accept, processor
from benchmarks.measures.latency import Watcher
from benchmarks.measures.processor import Meter, Spent
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.reader import reading
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, ROOT, SQLITE, Stage
from tests.support.service import Service, end, eventually, free_port

#: As fast as it takes.
MAX = "max"

#: More deliveries a second than it takes.
PER_SECOND_MAX = 3000

#: Processes load what they need on their first deliveries, and make their connections.
WARM_UP, WARM_UP_PER_SECOND, SETTLE_SECONDS = 600, 150, 5.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was found at one rate."""

    rate: str
    #: Those that were accepted. Others were refused, because the machine is too busy or the rate too high.
    events: int
    refused: int
    #: Events a second, from the first delivery to the last answer.
    accepted_per_second: float
    #: The same until everything is handled, followed and logged.
    finished_per_second: float
    #: Microseconds of processor time an event, by kind of process.
    microseconds: dict[str, float]
    together: float
    sender: float
    write_ahead_bytes: float
    #: Milliseconds.
    acknowledged: dict[int, float]
    visible: dict[int, float]


@dataclass(frozen=True, kw_only=True)
class Up:
    """`standing up`, as it runs."""

    port: int
    engine: Engine
    #: Its first process, and PostgreSQL's.
    roots: dict[int, str | None]

    def warm_up(self) -> None:
        load.deliver(self.port, deliveries(WARM_UP), per_second=WARM_UP_PER_SECOND)
        time.sleep(SETTLE_SECONDS)


@contextmanager
def up(on: Stage, engine: Engine, settings: dict[str, str]) -> Iterator[Up]:
    """Run everything that `./dev up` runs, its own Valkey included, with its defaults."""
    service = Service(on.new_folder(), {"DATABASE_URL": stage.url_of(engine), "CONSOLE_PORT": str(free_port())} | settings, cwd=ROOT)
    for name in {"REDIS_URL", "WEB_CONCURRENCY"} - settings.keys():
        service.environment.pop(name, None)
    try:
        first = service.run("standing", "up")
        eventually(lambda: _is_ready(service), "the service to be ready", seconds=stage.PATIENCE_SECONDS)
        server = {} if engine.dialect.name == SQLITE else {on.postmaster: "PostgreSQL"}
        yield Up(port=service.port, engine=engine, roots={first.pid: None} | server)
    finally:
        end(*service.processes)


def _is_ready(service: Service) -> bool:
    return service.is_up() and service.get("/readyz", token=None).status == 200


def at_rates(on: Stage, sizes: Sizes, kind: str = POSTGRESQL) -> Figures:
    """The figures of all rates, and beside them what a request costs an empty view in the same minutes."""
    found: Figures = {}
    with on.database(kind) as engine, up(on, engine, {}) as this, accept.empty(on, sizes, letter="e") as empty:
        this.warm_up()
        for rate in sizes.rates:
            cost = at(this, rate, sizes.steady_seconds if rate == MAX else max(sizes.steady_seconds, sizes.events_least / float(rate)))
            if cost.refused:
                on.notes.append(f"(e) on {kind}, {rate}/s: {cost.refused:,} deliveries were refused")
            found |= {figures.name(kind, "e", what): value for what, value in _figures(cost).items()}
        if sizes.idle_seconds:  # Last, because then all has started.
            time.sleep(SETTLE_SECONDS)
            spent, seconds = idle(this, sizes.idle_seconds)
            found[figures.name(kind, "e", "idle, % of a core")] = processor.together(spent) / seconds / 10_000
        views = [empty.slice() for _ in range(3)]
        name = figures.name(POSTGRESQL, "e", "empty view: web, µs")
        return found | {figures.name(kind, "e", "empty view: web, µs"): statistics.median(view[name] for view in views)}


def _figures(cost: Cost) -> Figures:
    at = "as fast as it takes" if cost.rate == MAX else f"at {cost.rate}/s"
    found = {f"visible {at}, p{percent} ms": value for percent, value in cost.visible.items()}
    found |= {f"acknowledged {at}, p{percent} ms": value for percent, value in cost.acknowledged.items()}
    found |= {f"{kind} {at}, µs": value for kind, value in cost.microseconds.items()}
    found |= {f"together {at}, µs": cost.together, f"sender {at}, µs": cost.sender}
    found |= {f"log {at}, B": cost.write_ahead_bytes} if cost.write_ahead_bytes else {}
    return found | ({"handled as fast as it takes, events/s": cost.finished_per_second} if cost.rate == MAX else {})


def at(this: Up, rate: str, seconds: float) -> Cost:
    """Send for so many seconds, and wait until all is done."""
    requests = deliveries(int((PER_SECOND_MAX if rate == MAX else float(rate)) * seconds))
    with reading(this.engine) as reader, Watcher(this.engine) as watcher:
        meter, written = Meter(this.roots, besides=(*reader.backends, *watcher.backends)).start(), reader.written()
        began = time.monotonic()
        answers = _sent(this.port, requests, rate, seconds)
        sent = time.monotonic()
        reader.wait_until_done()
        spent, done, written = meter.stop(), time.monotonic(), reader.written() - written
        accepted = {json.loads(answer.body)["event_id"].replace("-", ""): answer for answer in answers if answer.status == 200}
        assert accepted, f"all {len(answers)} deliveries were refused"
        watcher.wait_for(set(accepted))
        return Cost(
            rate=rate,
            events=len(accepted),
            refused=len(answers) - len(accepted),
            accepted_per_second=len(accepted) / (sent - began),
            finished_per_second=len(accepted) / (done - began),
            microseconds={kind: value / len(accepted) for kind, value in processor.in_order(spent).items()},
            together=processor.together(spent) / len(accepted),
            sender=spent[processor.SENDER] / len(accepted),
            write_ahead_bytes=written / len(accepted),
            acknowledged=_percentiles([answer.milliseconds for answer in answers]),
            visible=_percentiles([(watcher.seen_at[event] - answer.due_at) * 1000 for event, answer in accepted.items()]),
        )


def deliveries(count: int) -> list[bytes]:
    """So many signed requests of IDnGO, each applicant's in the order of its story."""
    chosen = (letter for letter in population.letters(sys.maxsize) if letter.vendor == "idngo")
    return [letter.request() for letter, _ in zip(chosen, range(count), strict=False)]


def idle(this: Up, seconds: float) -> tuple[Spent, float]:
    """Return what is spent while nothing comes, and the seconds that it took."""
    meter = Meter(this.roots).start()
    time.sleep(seconds)
    return meter.stop(), meter.seconds


def _sent(port: int, requests: list[bytes], rate: str, seconds: float) -> list[Answer]:
    if rate == MAX:
        return load.saturate(port, requests, seconds=seconds - load.WARM_UP_SECONDS)[1]
    return load.at_rate(port, requests, per_second=float(rate))


def _percentiles(values: list[float]) -> dict[int, float]:
    return {percent: figures.percentile(values, percent) for percent in figures.PERCENTILES}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rates", default=f"10,100,300,500,{MAX}", help="deliveries a second (default: %(default)s)")
    options.add_argument("--seconds", type=float, default=20.0, help="of each rate (default: %(default)s)")
    options.add_argument("--idle", type=float, default=20.0, help="seconds without a delivery; 0: not measured (default: %(default)s)")
    options.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    options.add_argument("--json", type=Path, help="write the figures into this file, too")
    asked = options.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    console = Console(width=None if sys.stdout.isatty() else 180)
    settings = dict(one.split("=", 1) for one in asked.set)
    with stage.stage() as on, on.database(POSTGRESQL) as engine, up(on, engine, settings) as this:
        this.warm_up()
        found = []
        for rate in asked.rates.split(","):
            found.append(at(this, rate, asked.seconds))
            console.print(f"{rate}: {found[-1].together:,.0f} µs an event, {found[-1].refused:,} refused", highlight=False)
            time.sleep(SETTLE_SECONDS)
        if asked.idle:
            spent, seconds = idle(this, asked.idle)
            each = {kind: round(value / seconds / 10_000, 2) for kind, value in processor.in_order(spent).items()}
            console.print(f"idle, % of a core: {processor.together(spent) / seconds / 10_000:.2f} {each}", highlight=False)
    console.print(_table(found))
    if asked.json:
        asked.json.write_text(json.dumps([asdict(cost) for cost in found], indent=2) + "\n")


def _table(found: Sequence[Cost]) -> Table:
    kinds = [kind for kind in processor.ORDER if kind not in processor.OTHERS and any(kind in cost.microseconds for cost in found)]
    table = Table(title="µs of processor time an event; bytes of write-ahead log an event; p50/p99 in ms", title_justify="left")
    for head in ("rate", *kinds, "others", "together", "sender", "log", "acknowledged", "visible", "accepted/s", "finished/s"):
        table.add_column(head, justify="right", no_wrap=True)
    for cost in found:
        costs = [f"{cost.microseconds.get(kind, 0):,.0f}" for kind in kinds]
        others = sum(value for kind, value in cost.microseconds.items() if kind not in kinds)
        whole = [f"{value:,.0f}" for value in (others, cost.together, cost.sender, cost.write_ahead_bytes)]
        times = [f"{of[50]:,.1f}/{of[99]:,.1f}" for of in (cost.acknowledged, cost.visible)]
        table.add_row(cost.rate, *costs, *whole, *times, f"{cost.accepted_per_second:,.0f}", f"{cost.finished_per_second:,.0f}")
    return table


if __name__ == "__main__":
    main()
