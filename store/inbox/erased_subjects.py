"""Subjects of which events were erased: whether a delivery is known there. The hashes of erased bodies are keyed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Row, select, update

from store.access import digests
from store.database import bulk
from store.database.tables import EventRow, Subject
from store.inbox.deliveries import EventKey, SealedDelivery


class Erased(NamedTuple):
    """A delivery that is now the latest of such a subject: what was the latest before, and whether its body was seen before."""

    arrival: SealedDelivery
    previous_body_sha256: bytes
    previous_was_repeat: bool
    seen: bool


def keyed(digest: bytes) -> bytes:
    """Return what replaces the hash of a body, or of a delivery, once it is erased. Raises NoIndexKey."""
    return digests.of("body", digest)


def become_latest(connection: Connection, arrived: Sequence[SealedDelivery]) -> list[Erased]:
    """Return those of the deliveries that are now the latest of a subject with erased events. Others equal the latest."""
    if not arrived:
        return []
    rows = [{"vendor": one.vendor, "environment": one.environment, "subject": one.subject} for one in arrived]
    query = select(Subject.__table__).where(bulk.among(Subject, rows), Subject.erased).with_for_update()
    subjects = {EventKey(row.vendor, row.environment, row.subject): row for row in connection.execute(query)}
    known = [(one, subjects[one.key]) for one in arrived if one.key in subjects]
    return [_become_latest(connection, one, row) for one, row in known if not _equal(one.identity, row.latest_fingerprint)]


def _become_latest(connection: Connection, arrival: SealedDelivery, before: Row[tuple[object, ...]]) -> Erased:
    mine = {"vendor": arrival.vendor, "environment": arrival.environment, "subject": arrival.subject}
    latest = {"latest_fingerprint": arrival.identity, "latest_event_id": arrival.id, "latest_body_sha256": arrival.body_sha256}
    moved = update(Subject).filter_by(**mine).values(**latest, previous_body_sha256=before.latest_body_sha256)
    connection.execute(moved)
    previous = arrival.body_sha256 if _equal(arrival.body_sha256, before.latest_body_sha256) else before.latest_body_sha256
    hashes = (arrival.body_sha256, keyed(arrival.body_sha256))
    earlier = select(EventRow.sequence).filter_by(**mine).where(EventRow.body_sha256.in_(hashes)).limit(1)
    seen = connection.execute(earlier).one_or_none() is not None
    return Erased(arrival, previous, before.latest_is_repeat, seen)


def _equal(digest: bytes, held: bytes) -> bool:
    return held in (digest, keyed(digest))
