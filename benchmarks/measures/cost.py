"""What an event costs in processor time, at fixed rates and as fast as it takes, under all processes of `standing up`.

    python -m benchmarks.measures.cost [--rates 10,100,300,500,max] [--seconds 20] [--idle 20] [--set NAME=VALUE]

IDnGO deliveries, PostgreSQL with fsync, Standing's defaults. Each line counts from the first delivery until every event is handled, every
change followed by the subscribers, and every row logged. Times to visibility are seen by a reader, whose backend is left out.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, text

from benchmarks import load, population, stage
from benchmarks.load import Answer
from benchmarks.measures import processor
from benchmarks.measures.latency import Watcher
from benchmarks.measures.processor import Meter, Spent
from benchmarks.output import figures
from benchmarks.stage import POSTGRESQL, ROOT, Stage
from tests.support.service import Service, end, eventually, free_port

#: As fast as it takes.
MAX = "max"

#: More deliveries a second than it takes.
PER_SECOND_MAX = 3000

#: Processes load what they need on their first deliveries, and make their connections.
WARM_UP, WARM_UP_PER_SECOND, SETTLE_SECONDS = 600, 150, 5.0

BEHIND = """
SELECT EXISTS (SELECT 1 FROM events WHERE status = 'pending')
    OR EXISTS (SELECT 1 FROM subscribers, feed WHERE seen < last AND retired_at IS NULL AND stopped_at IS NULL)
    OR EXISTS (SELECT 1 FROM reactions WHERE status = 'pending')
    OR EXISTS (SELECT 1 FROM log_queue)
    OR (SELECT events_to FROM log_state) < (SELECT coalesce(max(sequence), 0) FROM events)
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was found at one rate."""

    rate: str
    events: int
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


class Up:
    """`standing up`, as it runs."""

    def __init__(self, service: Service, engine: Engine, cluster: int) -> None:
        self.port, self.engine, self.folder = service.port, engine, service.folder
        self.roots: dict[int, str | None] = {service.processes[0].pid: None, cluster: "PostgreSQL"}


@contextmanager
def up(on: Stage, engine: Engine, settings: dict[str, str]) -> Iterator[Up]:
    """Run everything that `./dev up` runs, its own Valkey included, with its defaults."""
    service = Service(on.new_folder(), {"DATABASE_URL": stage.url_of(engine), "CONSOLE_PORT": str(free_port())} | settings, cwd=ROOT)
    service.environment.pop("REDIS_URL", None)
    service.environment.pop("WEB_CONCURRENCY") if "WEB_CONCURRENCY" not in settings else None
    try:
        service.run("standing", "up")
        eventually(lambda: service.is_up() and service.get("/readyz", token=None).status == 200, "the service to be ready", seconds=60)
        yield Up(service, engine, postmaster(on))
    finally:
        end(*service.processes)


def postmaster(on: Stage) -> int:
    """Return the process id of PostgreSQL's parent, of which all backends are children."""
    assert on.cluster.data is not None
    return int((on.cluster.data / "postmaster.pid").read_text().splitlines()[0])


def at(this: Up, rate: str, seconds: float) -> Cost:
    """Send for so many seconds, and wait until all is done."""
    requests = deliveries(int((PER_SECOND_MAX if rate == MAX else float(rate)) * seconds))
    with this.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as looking, Watcher(this.engine) as watcher:
        meter = Meter(this.roots, besides=(_backend(looking), watcher.backend()))
        logged, began = _log_position(looking), time.monotonic()
        meter.start()
        answers = _sent(this.port, requests, rate, seconds)
        sent = time.monotonic()
        _wait_until_done(looking)
        spent, done = meter.stop(), time.monotonic()
        accepted = {json.loads(answer.body)["event_id"].replace("-", ""): answer for answer in answers if answer.status == 200}
        assert len(accepted) == len(answers), f"{len(answers) - len(accepted)} of {len(answers)} deliveries were refused"
        watcher.wait_for(set(accepted))
        return Cost(
            rate=rate,
            events=len(accepted),
            accepted_per_second=len(accepted) / (sent - began),
            finished_per_second=len(accepted) / (done - began),
            **_each(spent, len(accepted)),
            write_ahead_bytes=(_log_position(looking) - logged) / len(accepted),
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


def _each(spent: Spent, events: int) -> dict[str, object]:
    return {
        "microseconds": {kind: value / events for kind, value in processor.in_order(spent).items()},
        "together": processor.together(spent) / events,
        "sender": spent[processor.SENDER] / events,
    }


def _percentiles(values: list[float]) -> dict[int, float]:
    return {percent: figures.percentile(values, percent) for percent in (50, 99)}


def _backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def _log_position(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar_one())


def _wait_until_done(connection: Connection, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while connection.execute(text(BEHIND)).scalar_one():
        assert time.monotonic() < deadline, f"not all was handled, followed and logged within {seconds:g} s"
        time.sleep(0.1)


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
    with stage.stage() as on, on.database(POSTGRESQL) as engine, up(on, engine, dict(one.split("=", 1) for one in asked.set)) as this:
        load.deliver(this.port, deliveries(WARM_UP), per_second=WARM_UP_PER_SECOND)
        time.sleep(SETTLE_SECONDS)
        if asked.idle:
            spent, seconds = idle(this, asked.idle)
            each = {kind: round(value / seconds / 10_000, 2) for kind, value in processor.in_order(spent).items()}
            console.print(f"idle, % of a core: {processor.together(spent) / seconds / 10_000:.2f} {each}", highlight=False)
        found = []
        for rate in asked.rates.split(","):
            found.append(at(this, rate, asked.seconds))
            console.print(f"{rate}: {found[-1].together:,.0f} µs an event", highlight=False)
            time.sleep(SETTLE_SECONDS)
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
