"""(g): whether it stays as fast while more and more events are kept: accepting, working off, reading one applicant."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from benchmarks import accept, backlog, copies, figures, load, population
from benchmarks.copies import Template
from benchmarks.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, STANDING, Stage
from tests.service import TOKENS

READS_PER_SECOND = 100


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A database that holds so many events, handled long ago."""

    events: int
    engine: Engine
    runs: list[str]


@contextmanager
def databases(on: Stage, sizes: Sizes, handled: Template) -> Iterator[list[Kept]]:
    """A database of each size, seeded once for all rounds."""
    with ExitStack() as stack:
        yield [_seed(stack.enter_context(on.database(POSTGRESQL)), events, handled) for events in sizes.kept]


def _seed(engine: Engine, events: int, handled: Template) -> Kept:
    return Kept(events=events, engine=engine, runs=copies.multiply(handled, engine, -(-events // handled.events)))


def measured(on: Stage, sizes: Sizes, kept: Kept, pending: Template) -> Figures:
    with on.service(kept.engine, web=STANDING) as service:
        accepted = accept.accepted_per_second(on, kept.engine, service.port, sizes)
        reads = load.at_rate(service.port, _reads(kept, sizes.reads), per_second=READS_PER_SECOND)
        assert all(answer.status == 200 for answer in reads), "an applicant that is kept was not found"
    copies.multiply(pending, kept.engine, -(-sizes.growth_backlog // pending.events))
    handled, _ = backlog.worked_off(on, kept.engine, workers=1)
    took = [answer.milliseconds for answer in reads]
    found = {name(kept.events, "accepted/s"): accepted, name(kept.events, "handled/s"): handled}
    return found | {name(kept.events, f"one applicant read, p{percent} ms"): figures.percentile(took, percent) for percent in (50, 99)}


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
