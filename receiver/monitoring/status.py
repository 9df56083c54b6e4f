"""`standing status`: the first screen to look at. Each line has the state of one thing, and the command that shows more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from receiver.monitoring.findings import events, privacy, proof, reactions, service, starts, vendors
from receiver.monitoring.findings.sentence import Finding, many
from store import database
from store.inbox import wakeup
from store.operations import health
from store.privacy.restoring import gate
from store.system import clock
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor

if TYPE_CHECKING:
    from rich.console import Group

ANSWER_SECONDS = 5.0

COLOURS = {"ok": "green", "look": "yellow", "wrong": "bold red"}

_askers = DeadlineExecutor("status", 2)


def lines(environment: str, *, seconds: float = 2 * ANSWER_SECONDS) -> list[Finding]:
    """Return the state of everything, the most important first. Never raises for a part that is unavailable: the lines report it.

    The queue is asked, and the database is written and then read, within the seconds."""
    deadline = time.monotonic() + seconds
    told = [service.queue(wakeup.outage())]
    failure = _failure_to_write(_left(deadline))
    written = service.written(failure)
    if isinstance(failure, DeadlineExceeded):
        return [written, *told]
    try:
        kept = _askers.run(_left(deadline), lambda: database.read(lambda connection: list(_kept(connection, environment, failure is None))))
    except DeadlineExceeded:
        return [written, *told, service.NOT_COUNTED(), service.NOT_LOOKED()]
    except SQLAlchemyError:
        return [written if failure else service.written(DeadlineExceeded()), *told]
    return [written, *told, *kept]


def attention(connection: Connection, environment: str = "live") -> list[Finding]:
    """Return what somebody should look at beside the parts that `/readyz` looks at each time."""
    return [finding for finding in _slow(connection, environment) if finding.verdict != "ok"]


def _left(deadline: float) -> float:
    """Return how many seconds the next step may take."""
    return min(ANSWER_SECONDS, max(0.05, deadline - time.monotonic()))


def _failure_to_write(seconds: float) -> Exception | None:
    try:
        return _askers.run(seconds, lambda: service.failure_to_write("status"))
    except DeadlineExceeded as late:
        return late


def _kept(connection: Connection, environment: str, writable: bool) -> Iterator[Finding]:
    yield from privacy.reading(gate.look(connection, is_running=True))
    yield from privacy.ledger_of_this_host()
    yield from service.processes(connection, writable=writable)
    yield from service.backlog(health.backlog_of(connection))
    yield from _slow(connection, environment)


def _slow(connection: Connection, environment: str) -> Iterator[Finding]:
    yield from events.lost(connection)
    yield from events.events(connection, environment)
    yield from events.applicants(connection, environment)
    yield from privacy.erasures(connection, environment)
    yield from proof.log(connection)
    yield from reactions.subscribers(connection)
    yield from starts.starts(connection, environment)
    yield from events.rounds(connection, environment)
    yield from vendors.vendors(connection, environment)
    yield from vendors.secrets(connection, environment)


def as_screen(found: list[Finding], environment: str) -> Group:
    """Return the lines as a screen."""
    from rich.console import Group  # The web process has findings, and prints none.
    from rich.table import Table
    from rich.text import Text

    worst = [line for line in found if line.verdict != "ok"]
    says = f"{many(len(worst), 'thing')} to look at" if worst else "nothing to look at"
    title = f"Standing, {environment}, at {clock.rfc3339(clock.now())}: {says}"
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for line in found:
        table.add_row(Text(line.verdict, style=COLOURS[line.verdict]), line.about, Text(line.says), Text(line.look, style="dim"))
    return Group(Text(title, style="bold"), table)
