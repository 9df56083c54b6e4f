"""`standing status`: the first screen to look at. Each line has the state of one thing, and the command that shows more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from receiver import config
from receiver.monitoring import secret_usage
from store import config as store_config
from store import database
from store.database.sessions import Unfit
from store.inbox import wakeup
from store.operations import anomalies, delivery_counts, health, reconciliations, review_queue
from store.operations.anomalies import VendorSight
from store.outbox import reactions
from store.system import clock
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor

Verdict = Literal["ok", "look", "wrong"]

ANSWER_SECONDS = 5.0

#: Who is told later than this is slow, or away.
LATE = timedelta(minutes=5)
COLOURS = {"ok": "green", "look": "yellow", "wrong": "bold red"}

NEVER_CAME = "nothing authentic in the last week"

_askers = DeadlineExecutor("status", 1)


@dataclass(frozen=True)
class Line:
    """The state of one thing, and the command that shows more."""

    about: str
    verdict: Verdict
    says: str
    look: str = ""


def lines(environment: str) -> list[Line]:
    """Return the state of everything, the most important first. Never raises for a part that is unavailable: the lines report it."""
    told = [_queue()]
    try:
        kept = _askers.run(ANSWER_SECONDS, lambda: database.read(lambda connection: list(_kept(connection, environment))))
    except (SQLAlchemyError, DeadlineExceeded) as error:
        why = f"cannot be used: {error}" if isinstance(error, Unfit) else f"cannot be reached ({type(error).__name__})"
        away = f"{why}: deliveries are spooled where SPOOL_DIR is set, else answered 503"
        return [Line("database", "wrong", away, "standing doctor"), *told]
    return [Line("database", "ok", "reachable"), *told, *kept]


def _queue() -> Line:
    outage = wakeup.outage()
    if outage is None:
        return Line("queue", "ok", "reachable and writable")
    return Line("queue", "look", f"it {outage}; events are handled within seconds all the same", "standing doctor")


def as_screen(found: list[Line], environment: str) -> Group:
    """Return the lines as a screen."""
    worst = [line for line in found if line.verdict != "ok"]
    says = f"{len(worst)} things to look at" if worst else "nothing to look at"
    title = f"Standing, {environment}, at {clock.rfc3339(clock.now())}: {says}"
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for line in found:
        table.add_row(Text(line.verdict, style=COLOURS[line.verdict]), line.about, Text(line.says), Text(line.look, style="dim"))
    return Group(Text(title, style="bold"), table)


def describe(line: Line) -> dict[str, str]:
    return asdict(line)


def _kept(connection: Connection, environment: str) -> Iterator[Line]:
    yield from _processes(connection)
    yield from _events(connection, environment)
    yield from _applicants(connection, environment)
    yield from _reactions(connection)
    yield from _reconciliations(connection, environment)
    seen = {sight.vendor: sight for sight in anomalies.vendors(connection, environment=environment)}
    configured = [name for name, sender in config.settings().senders.items() if any(key.environment == environment for key in sender.keys)]
    for vendor in sorted({*configured, *(name for name, sight in seen.items() if sight.last_at)}):
        yield _vendor(vendor, seen.get(vendor))
    for secret in secret_usage.look(connection):
        if not secret.newest and secret.environment == environment:
            yield Line(f"{secret.vendor} secret {secret.fingerprint}", "look", secret.says, "standing secrets")


def _processes(connection: Connection) -> Iterator[Line]:
    web = delivery_counts.web_processes(connection)
    on = {row.name.partition(":")[0]: row.spool_bytes for row in web}
    says = f"{_many(len(web), 'process', 'processes')} on {_many(len(on), 'host')}" if web else "none lives: nobody answers the vendors"
    yield Line("web", "ok" if web else "wrong", says, "" if web else "standing up, or standing web")
    spooled = {host: size for host, size in on.items() if size}
    if spooled:
        where = ", ".join(f"{size} bytes on {host}" for host, size in spooled.items())
        yield Line("spool", "look", f"{where} wait for the database: these disks must not be lost", "standing doctor")
    workers = health.workers()
    says = f"{_many(workers, 'process', 'processes')}" if workers else "none lives: events are kept, and wait"
    yield Line("workers", "ok" if workers else "wrong", says, "" if workers else "standing worker, or standing process-pending")


def _events(connection: Connection, environment: str) -> Iterator[Line]:
    backlog = health.backlog()
    late = backlog.oldest_seconds > health.WAIT_MAX_SECONDS
    waits = f"{_many(backlog.pending, 'event')} pending" + (f", the oldest for {_long(backlog.oldest_seconds)}" if backlog.pending else "")
    yield Line("backlog", "wrong" if late else "ok", waits, "standing events list --status pending" if late else "")
    failed, unreadable = review_queue.unhappy(connection, environment=environment)
    yield Line("failed", "look" if failed else "ok", _many(failed, "dead letter"), "standing failed list" if failed else "")
    look = "standing events list --status unreadable" if unreadable else ""
    yield Line("unreadable", "look" if unreadable else "ok", _many(unreadable, "event"), look)


def _applicants(connection: Connection, environment: str) -> Iterator[Line]:
    doubtful = review_queue.doubtful(connection, environment=environment)
    yield Line("review", "look" if doubtful else "ok", f"{_many(doubtful, 'applicant')} in doubt", "standing review" if doubtful else "")
    longer_than = store_config.settings().review_max
    still = anomalies.stuck_in_review(connection, environment=environment, longer_than=longer_than)
    if still:
        hours = f"{longer_than.total_seconds() / 3600:.0f} hours"
        says = f"{_many(still, 'applicant')} without a word for {hours}"
        yield Line("in review", "look", says, "standing applicants list --status in_review")
    fell = anomalies.adverse_reversals(connection, environment=environment, since=clock.now() - anomalies.DAY)
    says = f"{_many(fell, 'approval')} fell in the last day"
    yield Line("reversals", "look" if fell else "ok", says, "standing reversals" if fell else "")


def _reactions(connection: Connection) -> Iterator[Line]:
    counts = reactions.counts(connection)
    failed, late = sum(one.failed for one in counts), [one for one in counts if one.oldest_at and clock.now() - one.oldest_at > LATE]
    yield Line(
        "reactions",
        "look" if failed or late else "ok",
        f"{_many(failed, 'reaction')} gave up" + "".join(f"; {one.pending} wait for {one.subscriber}" for one in late),
        "standing reactions list --failed" if failed else "standing notify list" if late else "",
    )


def _reconciliations(connection: Connection, environment: str) -> Iterator[Line]:
    for row in reconciliations.runs(connection, environment):
        look = row.said is not None or row.drifted > row.repaired
        says = f"asked about {row.asked} in the last round, {row.drifted} drifted, {row.repaired} repaired"
        says += f"; it stopped: {row.said}" if row.said else ""
        yield Line(f"{row.vendor} asked", "look" if look else "ok", says, f"standing reconcile {row.vendor} --all" if look else "")


def _vendor(vendor: str, sight: VendorSight | None) -> Line:
    if sight is None:
        return Line(vendor, "look", NEVER_CAME, "standing secrets")
    came = sight.silent_seconds is not None
    said = [f"last delivery {_long(sight.silent_seconds)} ago" if sight.silent_seconds is not None else NEVER_CAME]
    if sight.is_silent:
        said.append(f"{sight.missing} would usually have come since")
    if sight.has_surge:
        said.append(f"{sight.refused} of {sight.answered} refused lately: an attack, or a secret was changed on one side alone")
    if sight.too_large:
        said.append(f"{sight.too_large} larger than MAX_BODY_BYTES in the last day")
    if sight.not_understood:
        said.append(f"{_many(sight.not_understood, 'approval')} of the last day NOT_UNDERSTOOD: a changed format, or a word of no table")
    look = "standing secrets" if sight.has_surge or not came else "the vendor's dashboard of deliveries" if sight.is_silent else ""
    look = look or ("standing review" if sight.not_understood else "")
    return Line(vendor, "look" if len(said) > 1 or not came else "ok", "; ".join(said), look)


def _many(count: int, one: str, many: str | None = None) -> str:
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"


def _long(seconds: float) -> str:
    """Return a duration in the unit that a person would use."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
