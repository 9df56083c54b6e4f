"""Erase what is kept of applicants besides their events and acts: rows, changes, reactions, mentions, claims of reviews, findings.

A change stays in its place in the feed, and is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, update

from store.access import digests
from store.applicants import feed
from store.applicants import table as applicants
from store.database import bulk
from store.database.operations_tables import Reaction, ReviewClaim
from store.database.tables import ApplicantRow, MentionRow, QuietMove, TransitionRow
from store.database.vendor_tables import ReconciliationFinding
from store.outbox.dispatch import ReactionStatus
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey

#: Where a change led, once its applicant is erased.
EMPTY: dict[str, Any] = {
    "from_status": None, "to_status": feed.ERASED, "reversal": None, "changed": [], "reasons": [], "as_of": None, "applicant": {},
    "linked": None,
}  # fmt: skip

#: The place of a change, and its applicant.
_PLACE = (TransitionRow.number, TransitionRow.vendor, TransitionRow.environment, TransitionRow.reference)

Keys = Sequence[ApplicantKey]


def forget_applicants(connection: Connection, keys: Keys) -> list[applicants.Applicant]:
    """Remove the rows of applicants, who claimed their reviews, and what their vendor answered; return those that were visible."""
    found = list(applicants.lock(connection, keys).values())
    connection.execute(delete(ApplicantRow).where(bulk.of_applicants(ApplicantRow, keys)))
    connection.execute(delete(ReconciliationFinding).where(bulk.of_applicants(ReconciliationFinding, keys)))
    for key in keys:
        entry = ReviewClaim.name == f"{key.vendor}/{key.reference}"
        connection.execute(delete(ReviewClaim).where(ReviewClaim.environment == key.environment, entry))
    return [one for one in found if one.version]


def end_reactions(connection: Connection, keys: Keys) -> None:
    """End the reactions that wait: the notice of the erasure takes their place."""
    _end(connection, bulk.of_applicants(Reaction, keys))


def _end(connection: Connection, those: ColumnElement[bool]) -> None:
    waits = update(Reaction).where(those, Reaction.status.in_((ReactionStatus.PENDING, ReactionStatus.FAILED)))
    ended = {"status": ReactionStatus.FORGOTTEN, "settled_at": clock.now(), "claimed_by": None, "claimed_until": None}
    connection.execute(waits.values(**ended))


def empty_changes(connection: Connection, erasure_of: Mapping[ApplicantKey, str], *, limit: int) -> int:
    """Empty the next changes of applicants, but not the notices of their erasure; return how many. `erasure_of`: their erasures."""
    those = (bulk.of_applicants(TransitionRow, erasure_of), TransitionRow.to_status != feed.ERASED)
    found = {number: ApplicantKey(*key) for number, *key in connection.execute(select(*_PLACE).where(*those).limit(limit))}
    _empty(connection, found, {number: erasure_of[key] for number, key in found.items()})
    return len(found)


def empty_notices(connection: Connection, *, before: datetime, limit: int) -> int:
    """Empty the next notices of erasures that are older than a time; return how many."""
    return _empty_notices(connection, TransitionRow.erased_at.is_(None), TransitionRow.at < before, limit=limit)


def empty_notices_of(connection: Connection, keys: Keys) -> None:
    """Empty the notices that some applicants were erased."""
    _empty_notices(connection, bulk.of_applicants(TransitionRow, keys))


def _empty_notices(connection: Connection, *those: ColumnElement[bool], limit: int | None = None) -> int:
    """Empty notices, for the erasures that they report; return how many."""
    query = select(*_PLACE, feed.ERASURE_ID).where(TransitionRow.to_status == feed.ERASED, *those).limit(limit)
    rows = connection.execute(query).all()
    _empty(connection, {row.number: ApplicantKey(*row[1:4]) for row in rows}, {row.number: row.erasure_id for row in rows})
    return len(rows)


def _empty(connection: Connection, found: Mapping[int, ApplicantKey], erasure_of: Mapping[int, str]) -> None:
    """Empty changes, by their numbers, each under the digest of its applicant and for its erasure."""
    numbers: dict[ApplicantKey, list[int]] = {}
    for number, applicant in found.items():
        numbers.setdefault(applicant, []).append(number)
    for applicant, theirs in numbers.items():
        _empty_those(connection, theirs, _digest(applicant))
    queue.add_erased_by_several(connection, LeafKind.CHANGE, erasure_of.items())


def _empty_those(connection: Connection, numbers: Sequence[int], digest: str) -> None:
    """Empty changes, and what was answered to their reactions, and end those that a subscriber that was behind wrote down meanwhile.

    One that was readmitted and is erased again has several changes of each version: they get one of their own."""
    emptied = update(TransitionRow).where(TransitionRow.number.in_(numbers))
    version = feed.version_of_erased(TransitionRow.number)
    connection.execute(emptied.values(**EMPTY, reference=digest, version=version, erased_at=clock.now()))
    _end(connection, Reaction.number.in_(numbers))
    connection.execute(update(Reaction).where(Reaction.number.in_(numbers)).values(reference=digest, answers=[]))


def forget_quiet_moves(connection: Connection, keys: Keys) -> None:
    """Remove what was shown of applicants between their changes."""
    connection.execute(delete(QuietMove).where(bulk.of_applicants(QuietMove, keys)))


def forget_mentions(connection: Connection, keys: Keys) -> None:
    """Remove what is left of who named the applicants."""
    connection.execute(delete(MentionRow).where(bulk.of_applicants(MentionRow, keys)))


def _digest(key: ApplicantKey) -> str:
    return digests.of_applicant(key).hex()
