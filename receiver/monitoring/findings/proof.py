"""What needs a person about the log: rows without a leaf, leaves that are not signed, checkpoints that no other holder has, faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, make_url

from receiver.monitoring.findings.sentence import Finding, Sentence, duration, many
from store import config
from store.config import Settings
from store.config.log_settings import LOG_LINES, is_folder
from store.database.operations_tables import Worker
from store.operations import health as service_health
from store.proof import publications
from store.proof.shown import health
from store.proof.shown.health import LogHealth
from store.system import clock, durable_files
from store.system.environment import Environment

#: A row has a leaf, and a leaf is signed, within seconds.
WAIT_MAX = timedelta(minutes=1)

#: A place that has no checkpoint for so long after it was due.
LATE_MAX = timedelta(minutes=1)

#: What is new is compared with the log every day.
VERIFIED_MAX = timedelta(days=2)

LOGGED = Sentence("log", "ok", "{leaves}, {signed} of them signed")
NO_SEQUENCER = Sentence("log", "look", "no process has appended to it for {age}: new rows wait for their leaves")
UNLOGGED = Sentence("log", "look", "{rows} without a leaf, the oldest for {age}")
UNSIGNED = Sentence("log", "look", "{leaves} not signed, the oldest for {age}")
STOPPED = Sentence("log", "wrong", "{why}: nothing is signed until a new epoch begins", "standing log new-epoch --reason REASON")
NOT_SIGNED = Sentence("log", "look", "{why}: nothing is signed")
FAULTS = Sentence("log", "look", "{faults} found when the tables were compared with it", "standing log verify")
VERIFIED = Sentence("log", "ok", "what is new was compared with it {age} ago, without a fault")
NOT_VERIFIED = Sentence("log", "look", "what is new was not compared with it for {age}", "standing log verify")
PUBLISHED = Sentence("checkpoints", "ok", "{place} got one {age} ago")
NOT_PUBLISHED = Sentence("checkpoints", "look", "{place} gets none: {error}")
PUBLISHED_LATE = Sentence("checkpoints", "look", "{place} should have had one {age} ago: no worker publishes it")

KEY = Sentence("LOG_SIGNING_KEY", "ok", "from the {source}: keep a copy of it, apart from the database")
NO_KEY = Sentence("LOG_SIGNING_KEY", "look", "missing: rows get their leaves, and nothing is signed")
ORIGIN = Sentence("LOG_ORIGIN", "ok", "{origin}")
ORIGINS = Sentence(
    "LOG_ORIGIN", "look", "is not set, and workers run on other hosts ({hosts}): the next epoch is named after the host that begins it"
)
OTHER_ORIGIN = Sentence("LOG_ORIGIN", "look", "this epoch is {running}: {origin} applies when the next one begins")
STATE = Sentence("LOG_STATE", "ok", "{path}")
STATES = Sentence(
    "LOG_STATE",
    "look",
    "is not set, and workers run on other hosts ({hosts}): set it on all to one file that each can write",
)
UNWRITABLE_STATE = Sentence("LOG_STATE", "look", "{path} cannot be written by this host: it signs nothing")
NOWHERE = Sentence("LOG_PUBLISH", "look", "is not set: no checkpoint leaves this installation, and nothing is proved against its owner")
SAME_DISK = Sentence("LOG_PUBLISH", "look", "{folder} is on the disk of {other}: that is no publication")
NO_FOLDER = Sentence("LOG_PUBLISH", "look", "{folder} does not exist: mount its disk, or make it")
PLACE = Sentence("LOG_PUBLISH", "ok", "{place}")
LINES = Sentence("LOG_PUBLISH", "ok", "log lines: they count if they leave this machine")


def log(connection: Connection, found: LogHealth | None = None) -> Iterator[Finding]:
    """Yield the state of the log. `found`: the same, if it was read already."""
    found = found or health.of(connection)
    yield LOGGED(leaves=many(found.size, "leaf", "leaves"), signed=found.signed_size)
    yield from _logging(found)
    yield from _signing(found)
    yield from _verification(found)
    yield from _publishing(connection, found)


def _logging(found: LogHealth) -> Iterator[Finding]:
    if found.sequencer_seen_at and clock.now() - found.sequencer_seen_at > WAIT_MAX:
        yield NO_SEQUENCER(age=duration((clock.now() - found.sequencer_seen_at).total_seconds()))
    if found.unlogged_for > WAIT_MAX:
        yield UNLOGGED(rows=many(found.unlogged, "row"), age=duration(found.unlogged_for.total_seconds()))


def _signing(found: LogHealth) -> Iterator[Finding]:
    if found.stopped_because:
        yield (STOPPED if found.stopped_for_good else NOT_SIGNED)(why=found.stopped_because)
    elif found.unsigned_for > WAIT_MAX:
        unsigned = many(found.size - found.signed_size, "leaf", "leaves")
        yield UNSIGNED(leaves=unsigned, age=duration(found.unsigned_for.total_seconds()))


def _verification(found: LogHealth) -> Iterator[Finding]:
    since = found.unverified_since
    if found.faults:
        yield FAULTS(faults=many(found.faults, "fault"))
    if since and clock.now() - since > VERIFIED_MAX:
        yield NOT_VERIFIED(age=duration((clock.now() - since).total_seconds()))
    elif found.verified_at and not found.faults:
        yield VERIFIED(age=duration((clock.now() - found.verified_at).total_seconds()))


def _publishing(connection: Connection, found: LogHealth) -> Iterator[Finding]:
    for one in health.late_places(connection, found):
        if one.error:
            yield NOT_PUBLISHED(place=one.place, error=one.error)
        elif one.late > LATE_MAX:
            yield PUBLISHED_LATE(place=one.place, age=duration(one.late.total_seconds()))
        elif one.published_at:
            yield PUBLISHED(place=one.place, age=duration((clock.now() - one.published_at).total_seconds()))


# what is configured -------------------------------------------------------------------------------------------


def settings(environment: Environment) -> Iterator[Finding]:
    """Yield whether anything is signed, and whether it is published elsewhere."""
    stored = config.settings()
    yield KEY(source=environment.source("LOG_SIGNING_KEY")) if stored.log.signing_key else NO_KEY()
    if not stored.log.publish:
        yield NOWHERE()
    for place in stored.log.publish:
        if is_folder(place):
            yield _folder(Path(place), stored)
        else:
            yield LINES() if place == LOG_LINES else PLACE(place=publications.shown(place))


def of_hosts(connection: Connection) -> Iterator[Finding]:
    """Yield what must be the same on all hosts, and is this host's own."""
    found, hosts = config.settings().log, ", ".join(service_health.other_hosts(connection, [Worker]))
    running = health.origin(connection)
    if hosts and not found.origin_is_given:
        yield ORIGINS(hosts=hosts)
    if running and running.rpartition("/")[0] != found.origin:
        yield OTHER_ORIGIN(running=running, origin=found.origin)
    elif found.origin_is_given or not hosts:
        yield ORIGIN(origin=found.origin)
    if hosts and not found.state_is_given:
        yield STATES(hosts=hosts)
    elif not durable_files.is_replaceable(found.state):
        yield UNWRITABLE_STATE(path=found.state)
    else:
        yield STATE(path=found.state)


def _folder(folder: Path, stored: Settings) -> Finding:
    """Return whether a folder is one on another disk than everything that the log is checked against."""
    if not folder.is_dir():
        return NO_FOLDER(folder=folder)
    url = make_url(stored.database_url)
    others = {"VAR_DIR": stored.var_dir, "LOG_STATE": stored.log.state.parent}
    if url.get_backend_name() == "sqlite" and url.database:
        others["the database"] = Path(url.database)
    for other, path in others.items():
        if path.exists() and path.stat().st_dev == folder.stat().st_dev:
            return SAME_DISK(folder=folder, other=other)
    return PLACE(place=folder)
