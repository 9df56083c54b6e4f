"""(a), (b), (c): how many signed webhooks are answered a second by an empty view, by the textbook, and by Standing."""

from __future__ import annotations

from sqlalchemy import Engine

from benchmarks import load, population, stage, textbook
from benchmarks.load import Answer
from benchmarks.measures import memory
from benchmarks.output import figures
from benchmarks.output.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.stage import EMPTY, POSTGRESQL, STANDING, TEXTBOOK, Stage

#: More than any contestant answers: whoever does is measured until they are used up.
PER_SECOND_MAX = 4000

#: So many deliveries come first, gently: processes load what they need on their first request.
WARM_UP = 100


def empty(on: Stage, sizes: Sizes) -> Figures:
    with on.empty_database() as engine, on.service(engine, web=EMPTY) as service:
        load.deliver(service.port, population.deliveries(WARM_UP))
        rate, _ = load.saturate(service.port, _plenty(sizes) * 4, seconds=sizes.busy_seconds)
        return {figures.name(POSTGRESQL, "a", "empty view, answers/s"): rate}


def by_the_textbook(on: Stage, sizes: Sizes) -> Figures:
    with on.empty_database() as engine:
        textbook.Base.metadata.create_all(engine)
        with on.service(engine, web=TEXTBOOK) as service:
            return {
                figures.name(POSTGRESQL, "b", "textbook, accepted/s"): _accepted(on, "b", engine, "webhook_events", service.port, sizes),
                figures.name(POSTGRESQL, "h", "textbook web, MiB"): memory.used_by(service.processes),
            }


def by_standing(on: Stage, sizes: Sizes, kind: str = POSTGRESQL) -> Figures:
    """The highest rate, and how long an acknowledgement takes at half of it."""
    with on.database(kind) as engine, on.service(engine, web=STANDING) as service:
        rate = accepted_per_second(on, engine, service.port, sizes)
        steady = load.at_rate(service.port, population.deliveries(int(rate / 2 * sizes.steady_seconds)), per_second=rate / 2)
        _note_refusals(on, "c", steady)
        took = [answer.milliseconds for answer in steady]
        found = {figures.name(kind, "c", "Standing, accepted/s"): rate}
        for percent in figures.PERCENTILES:
            found[figures.name(kind, "c", f"acknowledged at half of that, p{percent} ms")] = figures.percentile(took, percent)
        return found | {figures.name(kind, "h", "Standing web, MiB"): memory.used_by(service.processes)}


def accepted_per_second(on: Stage, engine: Engine, port: int, sizes: Sizes) -> float:
    """How many deliveries a second Standing acknowledges, each of which it has kept."""
    return _accepted(on, "c", engine, "events", port, sizes)


def _accepted(on: Stage, letter: str, engine: Engine, table: str, port: int, sizes: Sizes) -> float:
    load.deliver(port, population.deliveries(WARM_UP))
    before = stage.number(engine, f"SELECT count(*) FROM {table}")
    rate, answers = load.saturate(port, _plenty(sizes), seconds=sizes.busy_seconds)
    _note_refusals(on, letter, answers)
    kept = stage.number(engine, f"SELECT count(*) FROM {table}") - before
    assert kept >= sum(answer.status == 200 for answer in answers), f"only {kept} of what was acknowledged is kept"
    return rate


def _plenty(sizes: Sizes) -> list[bytes]:
    return population.deliveries(int((load.WARM_UP_SECONDS + sizes.busy_seconds) * PER_SECOND_MAX))


def _note_refusals(on: Stage, letter: str, answers: list[Answer]) -> None:
    refused = [answer.status for answer in answers if answer.status != 200]
    if refused:
        on.notes.append(f"({letter}): {len(refused)} of {len(answers):,} were not answered with 200 but {sorted(set(refused))}")
