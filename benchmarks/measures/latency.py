"""(e): how long after a webhook was due its news is visible to another reader of the database; here of a reversal over a backlog."""

from __future__ import annotations

import json
import threading
import time

from sqlalchemy import Engine, text

from benchmarks import copies, load, population, stage
from benchmarks.copies import Template
from benchmarks.load import Answer
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.reader import Reader
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, STANDING, Stage
from tests.support.service import end

#: How often the reader looks: what it sees may have been there so much longer.
LOOK_SECONDS = 0.005

#: What is not visible by then counts as having taken so long.
PATIENCE_SECONDS = 90.0

PENDING = "SELECT count(*) FROM events WHERE status = 'pending'"


class Watcher:
    """Reads the feed as it grows, and remembers when each event's change was first seen. Use as a context manager."""

    def __init__(self, engine: Engine) -> None:
        self.seen_at: dict[str, float] = {}
        #: The server's process that serves it.
        self.backends: tuple[int, ...] = ()
        self._engine = engine
        self._over, self._connected = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")

    def __enter__(self) -> Watcher:
        self._last = stage.number(self._engine, "SELECT coalesce(max(number), 0) FROM transitions")
        self._thread.start()
        self._connected.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, event_ids: set[str]) -> None:
        """Wait until the changes of all these events are visible, with patience."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not event_ids <= self.seen_at.keys() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _watch(self) -> None:
        query = text("SELECT number, event_id FROM transitions WHERE number > :last ORDER BY number")
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            self.backends = Reader(connection).backends
            self._connected.set()
            while not self._over.is_set():
                rows = connection.execute(query, {"last": self._last}).all()
                now = time.monotonic()
                for number, event_id in rows:
                    self._last = number
                    self.seen_at.setdefault(_plain(str(event_id)), now)
                time.sleep(LOOK_SECONDS)


def over_a_backlog(on: Stage, sizes: Sizes, pending: Template, kind: str = POSTGRESQL) -> Figures:
    """Reversals of approvals, told while older events wait and one worker is at them."""
    approvals, reversals = population.fallen(sizes.reversals)
    with on.database(kind) as engine, on.service(engine, web=STANDING, workers=1) as service:
        load.deliver(service.port, [letter.request() for letter in approvals])
        stage.wait_until_handled(engine)
        end(service.processes[-1])
        copies.multiply(pending, engine, -(-(sizes.overtaken + sizes.overtaken_margin) // pending.events))
        waiting = stage.number(engine, PENDING)
        service.start_worker()
        while stage.number(engine, PENDING) == waiting:
            time.sleep(0.02)
        with Watcher(engine) as watcher:
            answers = load.at_rate(service.port, [letter.request() for letter in reversals], per_second=sizes.reversals_per_second)
            left = stage.number(engine, PENDING)
            took = _took(on, answers, watcher)
    if left < sizes.overtaken:
        on.notes.append(f"(e): {left:,} events were left waiting when the last reversal was sent, not {sizes.overtaken:,}")
    over = f"reversal over {sizes.overtaken:,} waiting"
    return {figures.name(kind, "e", f"{over}, p{percent} ms"): figures.percentile(took, percent) for percent in figures.PERCENTILES}


def _took(on: Stage, answers: list[Answer], watcher: Watcher) -> list[float]:
    """Milliseconds from when each was due to when it was visible."""
    due_at = {_plain(json.loads(answer.body)["event_id"]): answer.due_at for answer in answers if answer.status == 200}
    watcher.wait_for(set(due_at))
    missing = due_at.keys() - watcher.seen_at.keys()
    if missing or len(due_at) < len(answers):
        on.notes.append(f"(e): of {len(answers):,} deliveries {len(due_at):,} were accepted, {len(missing):,} of them never seen")
    over = time.monotonic()
    return [(watcher.seen_at.get(event_id, over) - due) * 1000 for event_id, due in due_at.items()]


def _plain(event_id: str) -> str:
    """SQLite keeps ids without dashes."""
    return event_id.replace("-", "")
