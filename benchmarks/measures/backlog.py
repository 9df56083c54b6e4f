"""(d): how many waiting events a second are worked off, by Standing's workers and by RQ's with one job an event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from redis import Redis
from rq import Queue
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks import copies, population, stage, textbook
from benchmarks.copies import Template
from benchmarks.measures import memory
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, ROOT, Stage
from tests.support.service import eventually

SECONDS_MAX = 300

#: The first part of a backlog warms up: processes that start together begin a moment apart.
WARM_UP = 0.1


def by_standing(on: Stage, sizes: Sizes, pending: Template, *, workers: int, kind: str = POSTGRESQL) -> Figures:
    """With so many workers. What they did is held against the stories' endings."""
    with on.database(kind) as engine:
        times = -(-sizes.backlog // pending.events)
        copies.multiply(pending, engine, times)
        rate, mebibytes = worked_off(on, engine, workers=workers)
        copies.check(engine, times)
    crew = f"{workers} worker" + ("s" if workers > 1 else "")
    found = {figures.name(kind, "d", f"Standing, {crew}, handled/s"): rate}
    return found | ({figures.name(kind, "h", "Standing worker, MiB"): mebibytes} if workers == 1 else {})


def worked_off(on: Stage, engine: Engine, *, workers: int) -> tuple[float, float]:
    """Events a second that workers handle of what is pending, and the MiB that they hold at its end."""
    first = stage.number(engine, "SELECT min(sequence) FROM events WHERE status = 'pending'")
    with on.service(engine, workers=workers) as service:
        if not stage.wait_until_handled(engine, seconds=SECONDS_MAX):
            on.notes.append(f"(d): a backlog was not worked off within {SECONDS_MAX} seconds")
        mebibytes = memory.used_by(service.processes)
    with engine.connect() as connection:
        settled = text("SELECT settled_at, count(*) FROM events WHERE sequence >= :first AND settled_at IS NOT NULL GROUP BY 1 ORDER BY 1")
        ended = [(datetime.fromisoformat(str(moment)), count) for moment, count in connection.execute(settled, {"first": first})]
    return per_second(ended), mebibytes


def by_rq(on: Stage, *, jobs: int, forking: bool) -> Figures:
    """With the textbook's jobs."""
    worker = "Worker" if forking else "SimpleWorker"
    with on.empty_database() as engine, on.service(engine) as service:
        _enqueue(on, engine, jobs)
        service.run("rq", "worker", "--url", on.redis_url, "--path", str(ROOT), "-w", f"benchmarks.textbook.{worker}", "-q", "textbook")
        done = "SELECT count(*) FROM webhook_events WHERE processed_at IS NOT NULL"
        eventually(lambda: stage.scalar(engine, done) == jobs, "RQ to work off its jobs", seconds=SECONDS_MAX)
        mebibytes = memory.used_by(service.processes)
        with engine.connect() as connection:
            ended = [(moment, 1) for (moment,) in connection.execute(text("SELECT processed_at FROM webhook_events ORDER BY 1"))]
    kind = "forking worker" if forking else "SimpleWorker"
    found = {figures.name(POSTGRESQL, "d", f"RQ {kind}, one job an event, handled/s"): per_second(ended)}
    return found | {figures.name(POSTGRESQL, "h", f"RQ {kind}, MiB"): mebibytes}


def per_second(ended: Sequence[tuple[datetime, int]]) -> float:
    """The rate at which things ended, of which each moment's count is given, in order; the first part is not counted."""
    total, so_far = sum(count for _, count in ended), 0
    for moment, count in ended:
        so_far += count
        if so_far >= total * WARM_UP:
            return (total - so_far) / (ended[-1][0] - moment).total_seconds()
    raise AssertionError("nothing ended")


def _enqueue(on: Stage, engine: Engine, jobs: int) -> None:
    textbook.Base.metadata.create_all(engine)
    with Session(engine) as session:
        events = [textbook.as_event(letter.vendor, letter.body, None, letter.event_type) for letter in population.letters(jobs)]
        session.add_all(events)
        session.flush()
        ids = [event.id for event in events]
        session.commit()
    queue = Queue("textbook", connection=Redis.from_url(on.redis_url))
    queue.enqueue_many([Queue.prepare_data(textbook.handle, (event_id,), result_ttl=0) for event_id in ids])
    stage.tidy(engine)
