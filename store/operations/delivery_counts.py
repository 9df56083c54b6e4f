"""Delivery counts: deliveries by answer in slices of a few minutes, and when each signing secret last matched.

A process counts in memory and adds its counts to the tables every few seconds, so that no delivery waits. A process that is killed
loses its last seconds of counts, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from store import database
from store.applicants import daily_counts
from store.applicants.daily_counts import Counted
from store.database import bulk
from store.database.count_tables import Tally
from store.database.operations_tables import ConfiguredSecret, SecretUse, WebProcess
from store.system import clock
from store.text.names import NAME_CHARS_MAX

#: How finely is counted, and how long that is remembered: a week, to compare with.
SLICE = timedelta(minutes=5)
REMEMBERED = timedelta(days=8)

#: A process that has said nothing for so long is not counted.
SILENCE_MAX = timedelta(seconds=20)

#: A weak secret can be guessed from a name of this length: whoever has the table needs no key to try.
KEYLESS_FINGERPRINT_CHARS = 8

#: Senders of an unknown environment: they have not proved a secret.
UNPROVEN = "unproven"

#: What is counted beside the answers, when events are handled: approvals that were not understood, and unknown event types.
NOT_UNDERSTOOD, UNKNOWN_TYPE = "not_understood", "unknown_type:"

#: News of an applicant that was erased, counted likewise.
NEWS_OF_ERASED = "news_of_erased"

#: The answers to deliveries.
ANSWERS = ("accepted", "duplicate", "spooled", "forged", "forged_sandbox", "stale", "too_large", "unavailable")

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Sighting:
    """How often something was seen, and when last."""

    count: int = 0
    last_at: datetime = LONG_AGO

    def add(self, count: int, at: datetime) -> None:
        self.count, self.last_at = self.count + count, max(self.last_at, at)


class Counts:
    """What a process counted and has not written yet."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str, str, datetime], Sighting] = {}
        self.secrets: dict[tuple[str, str], Sighting] = {}

    def note(self, *, vendor: str, environment: str | None, answer: str, signed_with: str | None) -> None:
        """Count the answer to a delivery, and the secret that signed it, if one matched."""
        now = clock.now()
        self.answers.setdefault((vendor, environment or UNPROVEN, answer, _slice_of(now)), Sighting()).add(1, now)
        if signed_with:
            self.secrets.setdefault((signed_with, vendor), Sighting()).add(1, now)

    def take_back(self, others: Counts) -> None:
        """Take over counts that another object could not write."""
        for key, sighting in others.answers.items():
            self.answers.setdefault(key, Sighting()).add(sighting.count, sighting.last_at)
        for secret, sighting in others.secrets.items():
            self.secrets.setdefault(secret, Sighting()).add(sighting.count, sighting.last_at)


def tell(counts: Counts, *, process: str, spool_bytes: int) -> None:
    """Add a process's counts to the tables, with a heartbeat. Commits."""

    def work(connection: Connection) -> None:
        database.relax_durability(connection)
        _say_alive(connection, process, spool_bytes)
        # In one order everywhere, so that processes that tell at the same moment wait for each other in turn.
        for (vendor, environment, answer, since), seen in sorted(counts.answers.items()):
            _add(connection, vendor, environment, answer, since, seen)
        daily_counts.add(connection, _of_days(counts))
        for (fingerprint, vendor), seen in sorted(counts.secrets.items()):
            used = database.insert(SecretUse).values(fingerprint=fingerprint, vendor=vendor, matches=seen.count, last_at=seen.last_at)
            connection.execute(
                used.on_conflict_do_update(
                    index_elements=["fingerprint", "vendor"],
                    set_={
                        "matches": SecretUse.matches + used.excluded.matches,
                        "last_at": _later(SecretUse.last_at, used.excluded.last_at),
                    },
                )
            )

    database.write(work)


def _of_days(counts: Counts) -> Counter[Counted]:
    """Return the authentic deliveries by day."""
    found: Counter[Counted] = Counter()
    for (vendor, environment, answer, since), seen in counts.answers.items():
        if answer in daily_counts.ANSWERS:
            found[Counted(environment, daily_counts.day_of(since), vendor, answer)] += seen.count
    return found


def unknown_type(event_type: str | None) -> str:
    """Return the word under which events of an unknown type are counted."""
    return (UNKNOWN_TYPE + (event_type or "(none)"))[:NAME_CHARS_MAX]


def count_noticed(connection: Connection, events: Iterable[tuple[str, str, str]]) -> None:
    """Count what was noticed while events were handled, by vendor, environment and word.

    It takes the last lock of a worker's transaction, in one order, so that no two workers deadlock."""
    now = clock.now()
    for (vendor, environment, word), count in sorted(Counter(events).items()):
        _add(connection, vendor, environment, word, _slice_of(now), Sighting(count, now))


def forget_old() -> None:
    """Remove counts that are too old to compare with, and names of secrets that earlier versions made without a key. Commits."""

    def work(connection: Connection) -> None:
        connection.execute(delete(Tally).where(Tally.since < clock.now() - REMEMBERED))
        connection.execute(delete(SecretUse).where(func.length(SecretUse.fingerprint) == KEYLESS_FINGERPRINT_CHARS))

    database.write(work)


def sign_off(process: str) -> None:
    """Record that a web process ends. Commits."""
    database.write(lambda connection: connection.execute(delete(WebProcess).where(WebProcess.name == process)))


def web_processes(connection: Connection) -> Sequence[Row[str, int]]:
    """Return the running web processes by name, and how many bytes the host of each has spooled."""
    alive = select(WebProcess.name, WebProcess.spool_bytes).where(WebProcess.seen_at > clock.now() - SILENCE_MAX)
    return connection.execute(alive.order_by(WebProcess.name)).all()


def secret_uses(connection: Connection) -> dict[tuple[str, str], Sighting]:
    """Return when each secret last matched, and how often, by vendor and fingerprint."""
    rows = connection.execute(select(SecretUse.vendor, SecretUse.fingerprint, SecretUse.matches, SecretUse.last_at))
    return {(vendor, fingerprint): Sighting(matches, last_at) for vendor, fingerprint, matches, last_at in rows}


def configure_secrets(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record which secrets are configured, as columns of `ConfiguredSecret`, instead of those that were before."""
    if [dict(row._mapping) for row in configured_secrets(connection)] == list(rows):
        return
    gone = ConfiguredSecret.fingerprint.not_in([row["fingerprint"] for row in rows])
    connection.execute(delete(ConfiguredSecret).where(gone))
    bulk.insert(connection, ConfiguredSecret, sorted(rows, key=lambda row: str(row["fingerprint"])), over=("fingerprint",))


def configured_secrets(connection: Connection) -> Sequence[Row[Any]]:
    """Return the configured secrets, in the order of the settings, as the web process that started last recorded them."""
    return connection.execute(select(ConfiguredSecret.__table__).order_by(ConfiguredSecret.position)).all()


def _say_alive(connection: Connection, process: str, spool_bytes: int) -> None:
    now = clock.now()
    statement = database.insert(WebProcess).values(name=process, seen_at=now, spool_bytes=spool_bytes)
    said = {"seen_at": now, "spool_bytes": spool_bytes}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=said))
    connection.execute(delete(WebProcess).where(WebProcess.seen_at < now - 10 * SILENCE_MAX))


def _add(connection: Connection, vendor: str, environment: str, answer: str, since: datetime, seen: Sighting) -> None:
    key = {"vendor": vendor, "environment": environment, "answer": answer, "since": since}
    added = database.insert(Tally).values(**key, count=seen.count, last_at=seen.last_at)
    change = {"count": Tally.count + added.excluded.count, "last_at": _later(Tally.last_at, added.excluded.last_at)}
    connection.execute(added.on_conflict_do_update(index_elements=list(key), set_=change))


def _slice_of(moment: datetime) -> datetime:
    """Return the start of the time slice of a moment."""
    return datetime.fromtimestamp(moment.timestamp() // SLICE.total_seconds() * SLICE.total_seconds(), UTC)


def _later(one: object, other: object) -> object:
    """Return the later of two times, in SQL."""
    return func.max(one, other) if database.is_sqlite() else func.greatest(one, other)
