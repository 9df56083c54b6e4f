"""(g): whether it stays as fast and as cheap while more and more events are kept: accepting, handling a backlog, reading one applicant."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from benchmarks import copies, load, population
from benchmarks.copies import Template
from benchmarks.measures import accept, backlog
from benchmarks.measures.accept import Accepting
from benchmarks.measures.side_by_side import Entry
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, Stage
from tests.support.service import TOKENS

READS_PER_SECOND = 100

#: A database of up to so many events is seeded again in each round: measuring adds some 25,000.
SEEDED_AGAIN_MAX = 100_000


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A database that holds so many events, handled long ago."""

    events: int
    engine: Engine
    runs: list[str]


@dataclass(eq=False, kw_only=True)
class Grown:
    """Standing on such a database. Its web process runs all the while, its worker only while a backlog is measured."""

    kept: Kept
    pending: Template
    accepting: Accepting

    @property
    def title(self) -> str:
        return f"{self.kept.events:,} events kept"

    def slice(self) -> Figures:
        """Accept; then handle what was accepted, which warms the worker up, and a backlog, which is measured."""
        sizes, on = self.accepting.sizes, self.accepting.on
        found = self.accepting.slice()
        with backlog.crew(on, self.kept.engine, self.pending, backlog=sizes.growth_backlog, workers=1) as crew:
            found |= crew.slice()
        wanted = {
            "c  Standing, accepted/s": "accepted/s",
            "c  Standing: web, µs": "accepting: web, µs",
            "c  Standing: PostgreSQL, µs": "accepting: PostgreSQL, µs",
            "c  Standing: log, B": "accepting: log, B",
            "d  Standing, 1 worker, handled/s": "handled/s",
            "d  Standing, 1 worker: worker, dispatcher and sequencer, µs": "handling: worker, dispatcher and sequencer, µs",
            "d  Standing, 1 worker: PostgreSQL, µs": "handling: PostgreSQL, µs",
            "d  Standing, 1 worker: log, B": "handling: log, B",
        }
        return {name(self.kept.events, what): found[figure] for figure, what in wanted.items()}

    def finish(self) -> Figures:
        port, count = self.accepting.service.port, self.accepting.sizes.reads
        reads = load.at_rate(port, _reads(self.kept, count), per_second=READS_PER_SECOND)
        assert all(answer.status == 200 for answer in reads), "an applicant that is kept was not found"
        took = [answer.milliseconds for answer in reads]
        return {name(self.kept.events, f"one applicant read, p{percent} ms"): figures.percentile(took, percent) for percent in (50, 99)}


def entries(on: Stage, sizes: Sizes, stack: ExitStack) -> list[Entry]:
    """One for each size. What the measuring adds hardly tells in a large database, which is seeded once for all rounds."""
    pending, handled = copies.templates(on, POSTGRESQL)
    made: list[Entry] = []
    for events in sizes.kept:
        kept = stack.enter_context(_seeded(on, events, handled)) if events > SEEDED_AGAIN_MAX else None
        made.append(partial(_grown, on, sizes, events, pending, handled, kept))
    return made


@contextmanager
def _grown(on: Stage, sizes: Sizes, events: int, pending: Template, handled: Template, kept: Kept | None) -> Iterator[Grown]:
    with ExitStack() as stack:
        used = kept or stack.enter_context(_seeded(on, events, handled))
        accepting = stack.enter_context(accept.standing_on(on, sizes, used.engine))
        yield Grown(kept=used, pending=pending, accepting=accepting)


@contextmanager
def _seeded(on: Stage, events: int, handled: Template) -> Iterator[Kept]:
    with on.database(POSTGRESQL) as engine:
        yield Kept(events=events, engine=engine, runs=copies.multiply(handled, engine, -(-events // handled.events)))


def name(events: int, what: str) -> str:
    return figures.name(POSTGRESQL, "g", f"{events:,} events kept: {what}")


def _reads(kept: Kept, count: int) -> list[bytes]:
    """Requests for applicants anywhere among those that are kept."""
    token = TOKENS["READ_TOKENS"].partition("=")[2]
    known = population.references()
    chosen = [(*random.choice(known), random.choice(kept.runs)) for _ in range(count)]
    return [
        f"GET /v1/applicants/{vendor}/{reference.replace(population.RUN, run)} HTTP/1.1\r\n"
        f"Host: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        for vendor, reference, run in chosen
    ]
