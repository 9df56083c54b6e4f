"""(a), (b), (c): what a signed webhook costs an empty view, the textbook, and Standing, and how many of them are answered a second."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine

from benchmarks import load, population, textbook
from benchmarks.load import Answer
from benchmarks.measures import memory, processor
from benchmarks.measures.processor import Meter
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.reader import Reader, reading
from benchmarks.sizes import Sizes
from benchmarks.stage import EMPTY, POSTGRESQL, SQLITE, STANDING, TEXTBOOK, Stage
from tests.support.service import Service

#: More than any contestant but the empty view answers: whoever does is measured until they are used up.
PER_SECOND_MAX, EMPTY_PER_SECOND_MAX = 4000, 12000

#: So many deliveries come first, gently: processes load what they need on their first request.
WARM_UP = 100

#: The first answers of a slice are not counted in its rate: the processors were somebody else's before.
WARM_UP_SECONDS = 0.3


@dataclass(eq=False, kw_only=True)
class Accepting:
    """A web process with what it keeps deliveries in."""

    on: Stage
    sizes: Sizes
    kind: str
    letter: str
    #: As it is named in figures, and what its rate is called.
    name: str
    rate: str
    #: Where it keeps deliveries; None: it keeps none.
    table: str | None
    per_second_max: int
    service: Service
    engine: Engine
    reader: Reader
    _accepted: int = 0
    _rates: list[float] = field(default_factory=list)
    _requests: list[bytes] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.kind}"

    def warm_up(self) -> None:
        load.deliver(self.service.port, self._deliveries(WARM_UP))
        self._accepted += WARM_UP

    def slice(self) -> Figures:
        requests = self._plenty()
        meter, written = self._meter().start(), self.reader.written()
        rate, answers = load.saturate(self.service.port, requests, seconds=self.sizes.busy_seconds, warm_up=WARM_UP_SECONDS)
        spent, written = meter.stop(), self.reader.written() - written
        note_refusals(self.on, self.letter, answers)
        self._accepted += sum(answer.status == 200 for answer in answers)
        self._rates.append(rate)
        found = {f"{self.name}, {self.rate}": rate} | processor.each(f"{self.name}: ", spent, len(answers))
        if self.table and written:
            found[f"{self.name}: log, B"] = written / len(answers)
        return {figures.name(self.kind, self.letter, what): value for what, value in found.items()}

    def _plenty(self) -> list[bytes]:
        """More than is answered in a slice. No two are the same where they are kept."""
        if self.table or not self._requests:
            per_second = min(self.per_second_max, 2 * max(self._rates, default=self.per_second_max))
            self._requests = self._deliveries(int((WARM_UP_SECONDS + self.sizes.busy_seconds) * per_second))
        return self._requests

    def _deliveries(self, count: int) -> list[bytes]:
        return population.deliveries(count)

    def finish(self) -> Figures:
        if self.table:
            kept = int(str(self.reader.scalar(f"SELECT count(*) FROM {self.table}")))
            assert kept >= self._accepted, f"only {kept} of the {self._accepted} deliveries that were acknowledged are kept"
        return {figures.name(self.kind, "h", f"{self.name} web, MiB"): memory.used_by(self.service.processes)}

    def _meter(self) -> Meter:
        roots: dict[int, str | None] = {process.pid: "web" for process in self.service.processes}
        if self.table:
            roots |= {self.on.valkey: "Valkey"} | ({} if self.kind == SQLITE else {self.on.postmaster: "PostgreSQL"})
        return Meter(roots, besides=self.reader.backends)


@dataclass(eq=False, kw_only=True)
class Standing(Accepting):
    """It also shows how long an acknowledgement takes at half of the highest rate."""

    def finish(self) -> Figures:
        rate = statistics.median(self._rates) / 2
        steady = load.at_rate(self.service.port, population.deliveries(int(rate * self.sizes.steady_seconds)), per_second=rate)
        note_refusals(self.on, self.letter, steady)
        self._accepted += sum(answer.status == 200 for answer in steady)
        took = [answer.milliseconds for answer in steady]
        found = {
            figures.name(self.kind, self.letter, f"acknowledged at half of that, p{percent} ms"): figures.percentile(took, percent)
            for percent in figures.PERCENTILES
        }
        return super().finish() | found


@contextmanager
def empty(on: Stage, sizes: Sizes, letter: str = "a") -> Iterator[Accepting]:
    with on.empty_database() as engine, on.service(engine, web=EMPTY) as service, reading(engine) as reader:
        own = {"name": "empty view", "rate": "answers/s", "table": None, "per_second_max": EMPTY_PER_SECOND_MAX}
        made = Accepting(on=on, sizes=sizes, kind=POSTGRESQL, letter=letter, service=service, engine=engine, reader=reader, **own)
        made.warm_up()
        yield made


@contextmanager
def by_the_textbook(on: Stage, sizes: Sizes) -> Iterator[Accepting]:
    with on.empty_database() as engine:
        textbook.Base.metadata.create_all(engine)
        with on.service(engine, web=TEXTBOOK) as service, reading(engine) as reader:
            own = {"name": "textbook", "rate": "accepted/s", "table": "webhook_events", "per_second_max": PER_SECOND_MAX}
            made = Accepting(on=on, sizes=sizes, kind=POSTGRESQL, letter="b", service=service, engine=engine, reader=reader, **own)
            made.warm_up()
            yield made


@contextmanager
def by_standing(on: Stage, sizes: Sizes, kind: str = POSTGRESQL) -> Iterator[Standing]:
    with on.database(kind) as engine, standing_on(on, sizes, engine) as made:
        yield made


@contextmanager
def standing_on(on: Stage, sizes: Sizes, engine: Engine) -> Iterator[Standing]:
    """Standing's web process on a database."""
    with on.service(engine, web=STANDING) as service, reading(engine) as reader:
        own = {"name": "Standing", "rate": "accepted/s", "table": "events", "per_second_max": PER_SECOND_MAX}
        made = Standing(on=on, sizes=sizes, kind=engine.dialect.name, letter="c", service=service, engine=engine, reader=reader, **own)
        made.warm_up()
        yield made


def note_refusals(on: Stage, letter: str, answers: list[Answer]) -> None:
    refused = [answer.status for answer in answers if answer.status != 200]
    if refused:
        on.notes.append(f"({letter}): {len(refused)} of {len(answers):,} were not answered with 200 but {sorted(set(refused))}")
