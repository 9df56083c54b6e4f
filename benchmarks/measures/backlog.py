"""(d): what an event of a backlog costs Standing's workers, and RQ's with one job an event, and how many are handled a second."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from redis import Redis
from rq import Queue
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks import copies, population, stage, textbook
from benchmarks.copies import Template
from benchmarks.measures import memory, processor
from benchmarks.measures.processor import Meter
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.reader import Reader, reading
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, ROOT, SQLITE, Stage
from tests.support.service import Service

SECONDS_MAX = 300

#: The first part of a backlog warms up: processes begin a moment apart.
WARM_UP = 0.1

#: What one wake-up needs: a worker looks automatically only every few seconds.
NOTIFY = "from store.inbox import wakeup; assert wakeup.notify()"

SETTLED = "SELECT settled_at, count(*) FROM events WHERE sequence > :after AND settled_at IS NOT NULL GROUP BY 1 ORDER BY 1"


@dataclass(eq=False, kw_only=True)
class Crew:
    """So many workers of Standing's, which wait for a backlog."""

    on: Stage
    kind: str
    workers: int
    #: How many copies of the pending events come in each slice.
    times: int
    pending: Template
    service: Service
    engine: Engine
    reader: Reader
    _populations: int = 0

    @property
    def title(self) -> str:
        return f"Standing, {self.workers} worker{'s' if self.workers > 1 else ''}"

    def warm_up(self) -> None:
        """Load what is loaded with the first events, and let PostgreSQL know what its tables are like."""
        self.work_off(times=1)
        stage.tidy(self.engine)

    def slice(self) -> Figures:
        found = self.work_off(times=self.times)
        return {figures.name(self.kind, "d", what): value for what, value in found.items()}

    def work_off(self, *, times: int) -> Figures:
        """Have a backlog appear at one moment; return the rate at which it was handled, and what an event cost until all was done."""
        after = int(str(self.reader.scalar("SELECT coalesce(max(sequence), 0) FROM events")))
        roots: dict[int, str | None] = {process.pid: None for process in self.service.processes} | {self.on.valkey: "Valkey"}
        if self.kind != SQLITE:
            roots |= {self.on.postmaster: "PostgreSQL"}
        copies.multiply(self.pending, self.engine, times, tidy=False)
        meter, written = Meter(roots, besides=self.reader.backends).start(), self.reader.written()
        subprocess.run([sys.executable, "-c", NOTIFY], env=self.service.environment, cwd=ROOT, check=True)
        self.reader.wait_until_done(seconds=SECONDS_MAX)
        spent, written = meter.stop(), self.reader.written() - written
        self._populations += times
        events = times * self.pending.events
        found = {f"{self.title}, handled/s": _handled_per_second(self.engine, after)}
        found |= processor.each(f"{self.title}: ", spent, events)
        found[f"{self.title}: worker, dispatcher and sequencer, µs"] = (
            sum(spent[kind] for kind in ("worker", "dispatcher", "sequencer")) / events
        )
        return found | ({f"{self.title}: log, B": written / events} if written else {})

    def finish(self) -> Figures:
        """Every applicant must have the state that its story ends with."""
        copies.check(self.engine, self._populations)
        if self.workers > 1:
            return {}
        return {figures.name(self.kind, "h", "Standing worker, MiB"): memory.used_by(self.service.processes)}


@dataclass(eq=False, kw_only=True)
class Rq:
    """RQ's worker, with the textbook's jobs."""

    on: Stage
    name: str
    #: In each slice.
    jobs: int
    service: Service
    engine: Engine
    reader: Reader

    @property
    def title(self) -> str:
        return f"RQ {self.name}, one job an event"

    def warm_up(self) -> None:
        self._work_off(jobs=20)

    def slice(self) -> Figures:
        return {figures.name(POSTGRESQL, "d", what): value for what, value in self._work_off(jobs=self.jobs).items()}

    def finish(self) -> Figures:
        return {figures.name(POSTGRESQL, "h", f"RQ {self.name}, MiB"): memory.used_by(self.service.processes)}

    def _work_off(self, *, jobs: int) -> Figures:
        ids = _keep_events(self.engine, jobs)
        queue = Queue("textbook", connection=Redis.from_url(self.service.environment["REDIS_URL"]))
        roots = {self.service.processes[0].pid: "RQ", self.on.postmaster: "PostgreSQL", self.on.valkey: "Valkey"}
        meter = Meter(roots, besides=self.reader.backends).start()
        queue.enqueue_many([Queue.prepare_data(textbook.handle, (event_id,), result_ttl=0) for event_id in ids])
        pending = "EXISTS (SELECT 1 FROM webhook_events WHERE processed_at IS NULL)"
        self.reader.wait(pending, "RQ to work off its jobs", seconds=SECONDS_MAX)
        spent = meter.stop()
        query = text("SELECT processed_at FROM webhook_events WHERE id >= :first ORDER BY 1")
        with self.engine.connect() as connection:
            ended = [(moment, 1) for (moment,) in connection.execute(query, {"first": min(ids)})]
        return {f"{self.title}, handled/s": per_second(ended)} | processor.each(f"{self.title}: ", spent, jobs)


@contextmanager
def by_standing(on: Stage, sizes: Sizes, pending: Template, *, workers: int, kind: str = POSTGRESQL) -> Iterator[Crew]:
    """With so many workers. What they do is held against the stories' endings."""
    with on.database(kind) as engine, crew(on, engine, pending, backlog=sizes.backlog, workers=workers) as made:
        yield made


@contextmanager
def crew(on: Stage, engine: Engine, pending: Template, *, backlog: int, workers: int) -> Iterator[Crew]:
    """Workers that are warm. What was pending before is handled."""
    kind = engine.dialect.name
    with on.service(engine, workers=workers) as service, reading(engine) as reader:
        made = Crew(
            on=on,
            kind=kind,
            workers=workers,
            times=-(-backlog // pending.events),
            pending=pending,
            service=service,
            engine=engine,
            reader=reader,
        )
        reader.wait_until_done(seconds=SECONDS_MAX)
        made.warm_up()
        yield made


@contextmanager
def by_rq(on: Stage, *, jobs: int, forking: bool) -> Iterator[Rq]:
    """With the textbook's jobs."""
    worker = "Worker" if forking else "SimpleWorker"
    with on.empty_database() as engine, on.service(engine) as service, reading(engine) as reader:
        textbook.Base.metadata.create_all(engine)
        url = service.environment["REDIS_URL"]
        service.run("rq", "worker", "--url", url, "--path", str(ROOT), "-w", f"benchmarks.textbook.{worker}", "-q", "textbook")
        name = "forking worker" if forking else "SimpleWorker"
        made = Rq(on=on, name=name, jobs=jobs, service=service, engine=engine, reader=reader)
        made.warm_up()
        yield made


def per_second(ended: Sequence[tuple[datetime, int]]) -> float:
    """The rate at which things ended, of which each moment's count is given, in order; the first part is not counted."""
    total, so_far = sum(count for _, count in ended), 0
    for moment, count in ended:
        so_far += count
        if so_far >= total * WARM_UP:
            return (total - so_far) / (ended[-1][0] - moment).total_seconds()
    raise AssertionError("nothing ended")


def _handled_per_second(engine: Engine, after: int) -> float:
    with engine.connect() as connection:
        rows = connection.execute(text(SETTLED), {"after": after})
        return per_second([(datetime.fromisoformat(str(moment)), count) for moment, count in rows])


def _keep_events(engine: Engine, count: int) -> list[int]:
    """Keep so many events in the textbook's table; return their ids."""
    with Session(engine) as session:
        events = [textbook.as_event(letter.vendor, letter.body, None, letter.event_type) for letter in population.letters(count)]
        session.add_all(events)
        session.flush()
        ids = [event.id for event in events]
        session.commit()
        return ids
