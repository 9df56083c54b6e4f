"""Whether Standing can keep deliveries and handle them: the database, the queue, the spool, the processes and the backlog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from receiver.monitoring.findings.sentence import Finding, Sentence, duration, many
from store.database.sessions import cause
from store.inbox.spool.spool import Spool, SpoolUnavailable, host_spool
from store.operations import delivery_counts, health
from store.operations.health import Backlog
from store.system.deadlines import DeadlineExceeded

DOCTOR = "standing doctor"

WRITABLE = Sentence("database", "ok", "it can be read and written")
REFUSING = Sentence("database", "wrong", "the database cannot be written ({cause}): vendors get 503", DOCTOR)
SPOOLING = Sentence("database", "wrong", "the database cannot be written ({cause}): deliveries wait in the spool", DOCTOR)

QUEUE = Sentence("queue", "ok", "it can be reached and written")
QUEUE_AWAY = Sentence("queue", "look", "the queue {outage}: events are handled within seconds all the same", DOCTOR)

SPOOLED = Sentence("spool", "look", "{bytes} bytes wait for the database on {host}, whose disk must not be lost", DOCTOR)
SPOOL_AWAY = Sentence("spool", "look", "SPOOL_DIR cannot be written: if the database goes away, vendors get 503", DOCTOR)

WEB = Sentence("web", "ok", "{processes} on {hosts}: {where}")
NO_WEB = Sentence("web", "wrong", "no web process is running: vendors get no answer", "standing up")
WEB_UNKNOWN = Sentence("web", "look", "unknown: no heartbeat can be written while the database cannot be written")

WORKERS = Sentence("workers", "ok", "{processes} on {hosts}: {where}")
NO_WORKER = Sentence("workers", "wrong", "no worker is running: events are kept, and wait", "standing process-pending")
WORKERS_UNKNOWN = Sentence("workers", "look", "unknown: no heartbeat can be written while the database cannot be written")

NOTHING_WAITS = Sentence("backlog", "ok", "no event waits")
WAITING = Sentence("backlog", "ok", "{events} pending, the oldest received {age} ago")
LATE = Sentence("backlog", "wrong", "{events} pending, the oldest received {age} ago", "standing events list --status pending")
FAILING = Sentence("retries", "look", "{events} failed at least once, most of them with {error}", "standing events list --status pending")
NOT_COUNTED = Sentence("processes", "look", "the database is slow: processes and backlog were not counted", "standing status")
NOT_LOOKED = Sentence("attention", "look", "the database is slow: events, applicants and vendors were not looked at", "standing status")


def written(failure: Exception | None) -> Finding:
    """Return what an attempt to write the database showed: None, or what it raised."""
    if failure is None:
        return WRITABLE()
    why = "it does not answer" if isinstance(failure, DeadlineExceeded) else cause(failure)
    return (SPOOLING if _can_spool() else REFUSING)(cause=why)


def failure_to_write(name: str) -> Exception | None:
    """Write a row, as a delivery does; return what the database raised, or None."""
    try:
        health.prove_writable(name)
    except (SQLAlchemyError, OSError) as error:
        return error
    return None


def queue(outage: str | None) -> Finding:
    """Return whether workers can be woken. The outage is in words, or None."""
    return QUEUE_AWAY(outage=outage) if outage else QUEUE()


def spool(found: Spool | None, host: str) -> Iterator[Finding]:
    """Yield what the spool of this host needs, if there is one."""
    if found is None:
        return
    if spooled := found.bytes_spooled():
        yield SPOOLED(bytes=spooled, host=host)
    if not is_writable(found):
        yield SPOOL_AWAY()


def is_writable(found: Spool) -> bool:
    try:
        found.prove_writable()
    except SpoolUnavailable:
        return False
    return True


def _can_spool() -> bool:
    found = host_spool()
    return found is not None and is_writable(found)


def processes(connection: Connection, *, writable: bool) -> Iterator[Finding]:
    """Yield which processes are running, with hosts and process ids. Without a writable database that is unknown."""
    if not writable:
        yield from (WEB_UNKNOWN(), WORKERS_UNKNOWN())
        return
    web = delivery_counts.web_processes(connection)
    yield _alive(WEB, NO_WEB, [row.name for row in web])
    for host, size in {row.name.partition(":")[0]: row.spool_bytes for row in web if row.spool_bytes}.items():
        yield SPOOLED(bytes=size, host=host)
    yield _alive(WORKERS, NO_WORKER, health.names_of_workers(connection))


def _alive(some: Sentence, none: Sentence, names: list[str]) -> Finding:
    if not names:
        return none()
    hosts = by_host(names)
    where = "; ".join(f"{host} (pid {', '.join(pids)})" for host, pids in hosts.items())
    return some(processes=many(len(names), "process", "processes"), hosts=many(len(hosts), "host"), where=where)


def by_host(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the process ids of each host, of names such as `web-1:4711`."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for name in names:
        host, _, pid = name.rpartition(":")
        hosts[host or name].append(pid)
    return dict(hosts)


def backlog(found: Backlog) -> Iterator[Finding]:
    """Yield what waits, by its receipt, and what was tried in vain."""
    if not found.pending:
        yield NOTHING_WAITS()
        return
    sentence = LATE if found.is_late else WAITING
    yield sentence(events=many(found.pending, "event"), age=duration(found.oldest_seconds))
    if found.tried:
        yield FAILING(events=many(found.tried, "event"), error=found.error)
