"""(g): whether it stays as fast while more and more events are kept: accepting, working off, reading one applicant."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from benchmarks import copies, load, population
from benchmarks.copies import Template
from benchmarks.measures import accept, backlog
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, STANDING, Stage
from tests.support.service import TOKENS

READS_PER_SECOND = 100

#: A database of up to so many events is seeded anew in each round: measuring adds some 25,000.
ANEW_MAX = 100_000


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A database that holds so many events, handled long ago."""

    events: int
    engine: Engine
    runs: list[str]


def measurements(on: Stage, sizes: Sizes, stack: ExitStack) -> dict[str, Callable[[], Figures]]:
    """One for each size. What the measuring adds hardly tells in a large database, which is seeded once for all rounds."""
    pending, handled = copies.templates(on, POSTGRESQL)
    plan: dict[str, Callable[[], Figures]] = {}
    for events in sizes.kept:
        make = partial(_seeded, on, events, handled)
        if events > ANEW_MAX:
            kept = stack.enter_context(make())
            plan[f"{events:,} events kept"] = partial(_measured, on, sizes, kept, pending)
        else:
            plan[f"{events:,} events kept"] = partial(_measured_anew, on, sizes, make, pending)
    return plan


@contextmanager
def _seeded(on: Stage, events: int, handled: Template) -> Iterator[Kept]:
    with on.database(POSTGRESQL) as engine:
        yield Kept(events=events, engine=engine, runs=copies.multiply(handled, engine, -(-events // handled.events)))


def _measured_anew(on: Stage, sizes: Sizes, make: Callable[[], AbstractContextManager[Kept]], pending: Template) -> Figures:
    with make() as kept:
        return _measured(on, sizes, kept, pending)


def _measured(on: Stage, sizes: Sizes, kept: Kept, pending: Template) -> Figures:
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
