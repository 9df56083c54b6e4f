"""`standing doctor`: what is configured, what can be reached, and what is wrong. It changes nothing but a row that shows it can write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import make_url, text

from receiver import config
from receiver.monitoring.findings import events as events_found
from receiver.monitoring.findings import hosts, keys, privacy, proof, service, settings, starts
from receiver.monitoring.findings.sentence import Finding, Sentence
from store import config as store_config
from store import database
from store.inbox import events, wakeup
from store.inbox.sealing.encryption import Unopenable
from store.operations import health
from store.privacy.restoring import gate
from store.system import clock, queue_client
from store.system.environment import Environment

CLOCK_DIFFERENCE_MAX = timedelta(seconds=5)

TABLES = Sentence("tables", "ok", "{kind}, up to date")
OPENED = Sentence("bodies", "ok", "the newest can be opened with the configured keys")
UNOPENABLE = Sentence("bodies", "wrong", "the newest cannot be opened: {why}")
DURABLE = Sentence("durability", "ok", "PostgreSQL {version}")
UNSAFE = Sentence("durability", "wrong", "PostgreSQL {version} runs with {settings} off: a power failure loses what was acknowledged")
CLOCK = Sentence("clock", "ok", "{seconds} s from the database's")
CLOCK_OFF = Sentence("clock", "look", "{seconds} s from the database's: set both by a time server")
NO_PASSWORD = Sentence("queue", "look", "without a password: whoever reaches it can wake workers, and empty it")


def examine() -> Iterator[Finding]:
    """Yield every finding, in the order in which an operator would look."""
    environment = Environment()
    stored, web = store_config.read(environment), config.read(environment)
    for read in store_config.registered():
        read(environment)
    if environment.problems:
        yield from (settings.PROBLEM(problem=problem) for problem in environment.problems)
        return
    yield settings.COMPLETE(folder=environment.var_dir)
    yield from settings.senders(web)
    yield from settings.tokens(web)
    yield from settings.secrets_at_rest(environment, stored)
    yield from privacy.settings(environment)
    yield from proof.settings(environment)
    yield from settings.rules()
    yield from settings.functions()
    yield from _database(stored)
    yield from _queue(stored)
    yield from starts.relay_of_this_host(stored.relay_socket, is_needed=bool(web.tokens.starter))


def _database(stored: store_config.Settings) -> Iterator[Finding]:
    failure = service.failure_to_write("doctor")
    yield service.written(failure)
    yield from hosts.of_database(stored.database_url)
    if failure:
        return
    yield TABLES(kind=make_url(stored.database_url).get_backend_name())
    with database.reading() as connection:
        yield from privacy.key(connection)
        yield from privacy.reading(gate.look(connection, is_running=True))
        yield from privacy.ledger_of_this_host()
        yield from privacy.erasures(connection, "live")
        yield from proof.log(connection)
        yield from proof.of_hosts(connection)
        yield from service.processes(connection, writable=True)
        yield from service.backlog(health.backlog_of(connection))
        yield from events_found.events(connection, "live")
    yield from _newest_body()
    with database.reading() as connection:
        yield from keys.master(connection)
    if not database.is_sqlite():
        yield from _postgresql()


def _newest_body() -> Iterator[Finding]:
    """Yield whether the configured keys decrypt the newest body."""
    with database.reading() as connection:
        newest = events.newest_id(connection)
        if newest is None:
            return
        try:
            events.body(connection, newest)
            yield OPENED()
        except Unopenable as error:
            yield UNOPENABLE(why=error)


def _postgresql() -> Iterator[Finding]:
    with database.reading() as connection:
        version: str = connection.execute(text("SHOW server_version")).scalar_one()
        durable = ("fsync", "synchronous_commit", "full_page_writes")
        unsafe = [
            name for name in durable if connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one() == "off"
        ]
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    yield UNSAFE(version=version, settings=", ".join(unsafe)) if unsafe else DURABLE(version=version)
    difference = abs(clock.now() - theirs)
    yield (CLOCK if difference < CLOCK_DIFFERENCE_MAX else CLOCK_OFF)(seconds=f"{difference.total_seconds():.1f}")


def _queue(stored: store_config.Settings) -> Iterator[Finding]:
    outage = wakeup.outage(queue_client.connect(stored.redis_url, socket_timeout=2, socket_connect_timeout=2))
    yield service.queue(outage)
    yield from hosts.of_queue(stored.redis_url)
    if outage is None and stored.redis_url.startswith(("redis://", "redis+sentinel://")) and "@" not in stored.redis_url:
        yield NO_PASSWORD()
