"""`standing doctor`: what is configured, what can be reached, and what is wrong. It changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import Literal

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from receiver import config
from receiver.vendors import VENDORS
from store import audit, database
from store import config as store_config
from store.inbox import events, wakeup
from store.inbox.encryption import Unopenable
from store.operations import health
from store.system import clock, logs
from store.system.environment import Environment, secrets_dir
from store.tokens import Token

Verdict = Literal["ok", "look", "wrong"]

#: A shorter secret of a vendor could be guessed from one signed delivery.
SECRET_BYTES_MIN = 16

CLOCK_DIFFERENCE_MAX = timedelta(seconds=5)


@dataclass(frozen=True)
class Finding:
    """One check, its result, and a sentence about it."""

    about: str
    verdict: Verdict
    says: str


def examine() -> Iterator[Finding]:
    """Yield every finding, in the order in which an operator would look."""
    environment = Environment()
    stored, web = store_config.read(environment), config.read(environment)
    for read in store_config.registered():
        read(environment)
    if environment.problems:
        yield from (Finding("settings", "wrong", problem) for problem in environment.problems)
        return
    yield Finding("settings", "ok", f"complete; VAR_DIR is {environment.var_dir}")
    yield from _senders(environment, web)
    yield from _tokens(web)
    yield from _secrets_at_rest(environment, stored)
    yield from _handlers()
    yield from _reactions()
    yield from _database(stored)
    yield from _queue(stored)


def _senders(environment: Environment, web: config.Settings) -> Iterator[Finding]:
    for vendor in VENDORS:
        sender = web.senders.get(vendor)
        if sender is None:
            yield Finding(vendor, "look", f"not configured: answers 404 until {vendor.upper()}_SECRETS is set")
            continue
        live = sum(key.environment == "live" for key in sender.keys)
        sandbox = len(sender.keys) - live
        weak = sum(len(key.secret) < SECRET_BYTES_MIN for key in sender.keys)
        if weak:
            yield Finding(vendor, "look", f"{weak} of its secrets have fewer than {SECRET_BYTES_MIN} bytes and could be guessed")
        says = f"{live} live and {sandbox} sandbox secrets"
        yield Finding(vendor, "ok" if live else "look", says if live else f"{says}: nothing live can come in")


def _tokens(web: config.Settings) -> Iterator[Finding]:
    lists = {"READ_TOKENS": web.tokens.read, "LINK_TOKENS": web.tokens.link, "OPERATOR_TOKENS": web.tokens.operator}
    for name, tokens in lists.items():
        known = ", ".join(token.name for token in tokens)
        yield Finding(name, "ok" if tokens else "look", known or "none: those calls answer 401")
    yield from _joined_rights(lists | {"PRIVACY_TOKENS": web.tokens.privacy})
    if not web.tokens.metrics and web.host not in ("127.0.0.1", "::1", "localhost"):
        yield Finding("METRICS_TOKENS", "look", f"none, and the web process listens on {web.host}: /metrics and /openapi.json are open")


def _joined_rights(lists: dict[str, tuple[Token, ...]]) -> Iterator[Finding]:
    """Report which rights one person can join: by a name in several lists, or by an account that can read every token."""
    held: dict[str, list[str]] = {}
    for name, tokens in lists.items():
        for person in {token.person for token in tokens if token.is_named}:
            held.setdefault(person, []).append(name)
    for person, names in sorted(held.items()):
        if len(names) > 1:
            yield Finding("rights", "look", f"{person} stands in {', '.join(names)}: one person holds these rights together")
    if len({token.person for token in lists["OPERATOR_TOKENS"]}) == 1:
        yield Finding("rights", "look", "OPERATOR_TOKENS has one name: nothing that takes two persons can be confirmed")
    yield Finding("rights", "ok", f"whoever may act as {audit.user()} on this host can read every plain token: give sha256 digests instead")


def _secrets_at_rest(environment: Environment, stored: store_config.Settings) -> Iterator[Finding]:
    source = environment.source("ENCRYPTION_KEYS") or ""
    beside = source.startswith("file ") and make_url(stored.database_url).get_backend_name() == "sqlite"
    if beside:
        yield Finding("ENCRYPTION_KEYS", "look", f"from the {source}, beside the database: whoever copies the folder can read the bodies")
    else:
        yield Finding("ENCRYPTION_KEYS", "ok", f"{len(stored.encryption_keys)}, from the {source}")
    folder = secrets_dir(environment.var_dir)
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(path.name, "wrong", f"{path} can be read by others: chmod 600 it")


def _handlers() -> Iterator[Finding]:
    """Report whether the rules can be loaded. Deliveries are kept either way."""
    for entry in entry_points(group="standing.commands", name="handlers"):
        try:
            entry.load()
        except Exception as error:
            yield Finding("handlers", "wrong", f"cannot be loaded ({logs.describe_error(error)}): events are kept, and wait")
        else:
            yield Finding("handlers", "ok", "the rules can be loaded")


def _reactions() -> Iterator[Finding]:
    """Report the owner's functions that are notified of changes."""
    for entry in entry_points(group="standing.reactions"):
        try:
            entry.load()
        except Exception as error:
            yield Finding("reaction", "wrong", f"{entry.name} cannot be loaded ({logs.describe_error(error)}): its changes wait")
        else:
            yield Finding("reaction", "ok", f"{entry.name} is told of changes ({entry.value})")


def _database(stored: store_config.Settings) -> Iterator[Finding]:
    kind = make_url(stored.database_url).get_backend_name()
    try:
        health.prove_writable("doctor")
        yield Finding("database", "ok", f"{kind}, writable, tables up to date")
        yield from _what_is_kept()
    except (SQLAlchemyError, OSError) as error:
        why = str(getattr(error, "orig", error)).partition("\n")[0]
        yield Finding("database", "wrong", f"{kind} cannot be written, so that deliveries are answered 503: {why}")


def _what_is_kept() -> Iterator[Finding]:
    backlog, workers, failed = health.backlog(), health.workers(), health.failed()
    waits = f"{backlog.pending} events pending, the oldest due for {backlog.oldest_seconds:.0f} s"
    yield Finding("backlog", "ok" if backlog.oldest_seconds < 60 else "wrong", waits)
    yield Finding("workers", "ok" if workers else "wrong", f"{workers} alive" if workers else "none: events are kept, and wait")
    yield Finding("dead letters", "look" if failed else "ok", f"{failed}; see `standing events list --status failed`" if failed else "none")
    yield from _newest_body()
    if not database.is_sqlite():
        yield from _postgresql()


def _newest_body() -> Iterator[Finding]:
    """Report whether the configured keys decrypt the newest body."""
    with database.reading() as connection:
        newest = events.newest_id(connection)
        if newest is None:
            return
        try:
            events.body(connection, newest)
            yield Finding("bodies", "ok", "the newest can be opened with the configured keys")
        except Unopenable as error:
            yield Finding("bodies", "wrong", f"the newest cannot be opened: {error}")


def _postgresql() -> Iterator[Finding]:
    with database.reading() as connection:
        version: str = connection.execute(text("SHOW server_version")).scalar_one()
        durable = ("fsync", "synchronous_commit", "full_page_writes")
        unsafe = [
            name for name in durable if connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one() == "off"
        ]
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    yield Finding(
        "durability", "wrong" if unsafe else "ok", f"PostgreSQL {version}" + (f" runs with {', '.join(unsafe)} off" if unsafe else "")
    )
    difference = abs(clock.now() - theirs)
    yield Finding("clock", "ok" if difference < CLOCK_DIFFERENCE_MAX else "look", f"{difference.total_seconds():.1f} s from the database's")


def _queue(stored: store_config.Settings) -> Iterator[Finding]:
    client = Redis.from_url(stored.redis_url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
    if outage := wakeup.outage(client):
        yield Finding("queue", "wrong", f"it {outage}; events are handled by the sweep, a little later")
        return
    yield Finding("queue", "ok", "reachable and writable")
    if stored.redis_url.startswith("redis://") and "@" not in stored.redis_url:
        yield Finding("queue", "look", "without a password: whoever reaches it can ring, and flush it")
