"""Deliveries in the database: each becomes a new event, or one more delivery of an event that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, text, update

from store import database
from store.database import bulk
from store.database.tables import Alias, EventRow, Subject
from store.inbox import erased_subjects
from store.inbox.deliveries import EventKey, SealedDelivery
from store.inbox.sealing import body_keys

#: Whether a subject sent this body before. A scalar, which is looked up row by row by its index, however much is kept.
SEEN = """(SELECT TRUE FROM events AS earlier WHERE earlier.vendor = {vendor} AND earlier.environment = {environment}
    AND earlier.subject = {subject} AND earlier.body_sha256 = {body_sha256} LIMIT 1)"""

#: An event with an identity of its own has no earlier one with the same body.
NOT_SEEN = {"repeat": False, "seen_before": False}

#: PostgreSQL's query for ids that are in use. They are given as one text: each process asks for hundreds every few seconds.
_KNOWN = text(
    " UNION ALL ".join(
        f"SELECT CAST(id AS text) FROM {table} WHERE id = ANY(CAST(string_to_array(:given, ',') AS uuid[]))"  # noqa: S608
        for table in ("events", "aliases")
    )
)


def keep(connection: Connection, arrived: Sequence[SealedDelivery], *, spooled: bool = False) -> list[str]:
    """Return, for each delivery, the id of its event: its own id if it is the first. `spooled`: they waited in a spool.

    No two of the deliveries may belong to one event or subject: see `deliveries.without_conflicts`. Idempotent, because the ids stay the
    same."""
    without_subject = [arrival for arrival in arrived if arrival.subject is None]
    latest, redelivered = _become_latest(connection, [arrival for arrival in arrived if arrival.subject is not None])
    rows = [*(arrival.row | NOT_SEEN for arrival in without_subject), *(one.row for one in latest)]
    kept = _insert(connection, [row | {"spooled": spooled} for row in rows])
    # Those of new events alone: the key of a duplicate has no body.
    new = {row.id for row in kept}
    body_keys.insert(connection, {one.id: one.data_key for one in arrived if one.data_key and one.id in new})
    body_keys.record_use(connection, {one.key_id for one in arrived if one.data_key is None})
    _remember_repeats(connection, latest, {row.id for row in kept if row.repeat})
    by_identity = {EventKey(row.vendor, row.environment, row.identity): row.id for row in kept if row.identity is not None}
    event_ids = {arrival.key: arrival.id for arrival in arrived} | by_identity | _count_redelivered(connection, redelivered)
    return [event_ids[arrival.key] for arrival in arrived]


def known(connection: Connection, event_ids: list[str]) -> set[str]:
    """Return those of the ids that are in use already, for an event or for a delivery of one."""
    if not database.is_sqlite():
        return set(connection.execute(_KNOWN, {"given": ",".join(event_ids)}).scalars())
    queries = (select(column).where(column.in_(event_ids)) for column in (EventRow.id, Alias.id))
    return {event_id for query in queries for event_id in connection.execute(query).scalars()}


def remember_alias(connection: Connection, given: str, event_id: str) -> None:
    """Record that an id was given for a delivery of an event that is kept under another id."""
    connection.execute(database.insert(Alias).values(id=given, event_id=event_id))


class LatestOfSubject(NamedTuple):
    """A delivery that is the latest of its subject, and the event that was the latest before it."""

    arrival: SealedDelivery
    previous_body_sha256: bytes | None
    previous_was_repeat: bool
    #: Whether the body was seen before, where that was looked up already.
    seen: bool | None = None

    @property
    def repeats(self) -> bool | None:
        """Return whether the body was seen before and has been replaced since; None if only the database can tell.

        The previous body under another type counts as the same body. The type is outside the signature, and must not make a repeat
        look new."""
        if self.previous_body_sha256 is None:
            return False
        return self.previous_was_repeat if self._says_the_latest_again else self.seen

    @property
    def seen_before(self) -> bool | None:
        """Return whether the body was seen before, under any type; None if only the database can tell."""
        if self.previous_body_sha256 is None:
            return False
        return True if self._says_the_latest_again else self.seen

    @property
    def _says_the_latest_again(self) -> bool:
        return self.previous_body_sha256 == self.arrival.body_sha256

    @property
    def row(self) -> dict[str, Any]:
        """Return the event's row."""
        return self.arrival.row | {"repeat": self.repeats, "seen_before": self.seen_before}


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> list[Row[Any]]:
    """Insert events, each with whether it is a repeat and was seen before. None: it is, if its subject ever sent this body.

    The unique index decides which delivery of an identity was the first; the existing event is returned. The rows are sorted, so that
    two processes that insert the same events cannot deadlock."""
    rows.sort(key=lambda row: (row["vendor"], row["environment"], row["subject"] or row["identity"]))
    return bulk.insert(
        connection,
        EventRow,
        rows,
        over=("vendor", "environment", "identity"),
        change={"deliveries": "events.deliveries + 1"},
        unless="events.id = excluded.id",
        derive={name: f"COALESCE({{{name}}}, {SEEN}, FALSE)" for name in ("repeat", "seen_before")},
        returning=("id", "vendor", "environment", "identity", "repeat"),
    )


def _become_latest(connection: Connection, arrived: list[SealedDelivery]) -> tuple[list[LatestOfSubject], list[SealedDelivery]]:
    """Return the deliveries that are now the latest of their subjects, and those that equal the latest. A subject's row is the lock for
    its order."""
    arrived.sort(key=lambda arrival: arrival.key)
    rows = [
        {"vendor": arrival.vendor, "environment": arrival.environment, "subject": arrival.subject}
        | {"latest_fingerprint": arrival.identity, "latest_event_id": arrival.id, "latest_body_sha256": arrival.body_sha256}
        | {"latest_is_repeat": False}
        for arrival in arrived
    ]
    names = ("latest_fingerprint", "latest_event_id", "latest_body_sha256")
    written = bulk.insert(
        connection,
        Subject,
        rows,
        over=("vendor", "environment", "subject"),
        change={name: f"excluded.{name}" for name in names} | {"previous_body_sha256": "subjects.latest_body_sha256"},
        unless="subjects.latest_fingerprint = excluded.latest_fingerprint OR subjects.erased",
        returning=("vendor", "environment", "subject", "previous_body_sha256", "latest_is_repeat"),
    )
    before = {EventKey(row.vendor, row.environment, row.subject): (row.previous_body_sha256, row.latest_is_repeat) for row in written}
    latest = [LatestOfSubject(arrival, *before[arrival.key]) for arrival in arrived if arrival.key in before]
    others = [arrival for arrival in arrived if arrival.key not in before]
    latest += [LatestOfSubject(*one) for one in erased_subjects.become_latest(connection, others)]
    now_latest = {one.arrival.id for one in latest}
    return latest, [arrival for arrival in others if arrival.id not in now_latest]


def _remember_repeats(connection: Connection, latest: list[LatestOfSubject], repeats: set[str]) -> None:
    """Record with each subject whether its latest event is a repeat."""
    for one in latest:
        arrival, repeat = one.arrival, one.arrival.id in repeats
        if repeat != one.previous_was_repeat:
            subject = update(Subject).filter_by(vendor=arrival.vendor, environment=arrival.environment, subject=arrival.subject)
            connection.execute(subject.values(latest_is_repeat=repeat))


def _count_redelivered(connection: Connection, redelivered: list[SealedDelivery]) -> dict[EventKey, str]:
    """Count one more delivery of the latest event of each subject; return the ids of the events."""
    found = {}
    for arrival in redelivered:
        latest = select(Subject.latest_event_id).filter_by(vendor=arrival.vendor, environment=arrival.environment, subject=arrival.subject)
        counted = (
            update(EventRow)
            .where(EventRow.id == latest.scalar_subquery(), EventRow.id != arrival.id)
            .values(deliveries=EventRow.deliveries + 1)
        )
        found[arrival.key] = str(connection.execute(counted.returning(EventRow.id)).scalar_one_or_none() or arrival.id)
    return found
