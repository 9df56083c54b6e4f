"""Erase what is kept of applicants besides their events: rows, changes, reactions, acts, claims of reviews, replays.

A change stays in its place in the feed, and is empty. An act stays, and names its subject by a keyed digest."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, delete, or_, select, update

from store.access import audit, digests
from store.applicants import feed
from store.applicants import table as applicants
from store.database import bulk
from store.database.operations_tables import Act, Reaction, Replay, ReviewClaim
from store.database.tables import ApplicantRow, MentionRow, QuietMove, TransitionRow
from store.operations.replays import OPEN, Stage
from store.outbox.dispatch import ReactionStatus
from store.states import ApplicantKey
from store.system import clock

#: Where a change led, once its applicant is erased.
EMPTY: dict[str, Any] = {
    "from_status": None, "to_status": feed.ERASED, "reversal": None, "changed": [], "reasons": [], "as_of": None, "applicant": {},
    "linked": None,
}  # fmt: skip

#: Names that one statement looks for.
NAMES_AT_ONCE = 50

Keys = Sequence[ApplicantKey]


def forget_applicants(connection: Connection, keys: Keys) -> list[applicants.Applicant]:
    """Remove the rows of applicants, and who claimed their reviews; return those that were visible."""
    found = list(applicants.lock(connection, keys).values())
    connection.execute(delete(ApplicantRow).where(bulk.of_applicants(ApplicantRow, keys)))
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


def empty_changes(connection: Connection, keys: Keys, *, limit: int) -> int:
    """Empty the next changes of applicants, but not the notices of their erasure; return how many."""
    return _empty_some(connection, bulk.of_applicants(TransitionRow, keys), TransitionRow.to_status != feed.ERASED, limit=limit)


def empty_notices(connection: Connection, *, before: datetime, limit: int) -> int:
    """Empty the next notices of erasures that are older than a time; return how many."""
    old = (TransitionRow.to_status == feed.ERASED, TransitionRow.erased_at.is_(None), TransitionRow.at < before)
    return _empty_some(connection, *old, limit=limit)


def empty_notices_of(connection: Connection, keys: Keys) -> None:
    """Empty the notices that some applicants were erased."""
    _empty_some(connection, bulk.of_applicants(TransitionRow, keys), TransitionRow.to_status == feed.ERASED)


def _empty_some(connection: Connection, *those: ColumnElement[bool], limit: int | None = None) -> int:
    """Empty changes, each under the digest of its applicant; return how many."""
    columns = (TransitionRow.number, TransitionRow.vendor, TransitionRow.environment, TransitionRow.reference)
    numbers: dict[ApplicantKey, list[int]] = {}
    for number, *key in connection.execute(select(*columns).where(*those).limit(limit)):
        numbers.setdefault(ApplicantKey(*key), []).append(number)
    for applicant, theirs in numbers.items():
        _empty(connection, theirs, _digest(applicant))
    return sum(map(len, numbers.values()))


def _empty(connection: Connection, numbers: Sequence[int], digest: str) -> None:
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


def empty_acts(connection: Connection, keys: Keys, users: Collection[str]) -> None:
    """Name the applicants and users in the audit log by keyed digests, and remove the reasons that name them."""
    subjects = {audit.applicant_subject(key): _digest(key) for key in keys}
    subjects |= {audit.user_subject(user): digests.of("user", user).hex() for user in users}
    for subject, digest in subjects.items():
        connection.execute(update(Act).where(Act.subject == subject).values(subject=f"erased {digest}", reason=None))
    names = _names(keys, users)
    for act, name in _naming(connection, Act.id, Act.subject, names).items():
        connection.execute(update(Act).where(Act.id == act).values(subject=f"erased {digests.of('name', name).hex()}"))
    connection.execute(update(Act).where(Act.id.in_(_naming(connection, Act.id, Act.reason, names))).values(reason=None))


def empty_replays(connection: Connection, keys: Keys, users: Collection[str]) -> None:
    """Remove from replays the applicants that they were about. One that has not ended is cancelled."""
    names = _names(keys, users)
    in_json = [json.dumps(name, ensure_ascii=False)[1:-1] for name in names]
    columns = ((cast(Replay.wanted, String), in_json), (cast(Replay.forecast, String), in_json), (Replay.reason, names))
    found = {replay for column, written in columns for replay in _naming(connection, Replay.id, column, written)}
    is_open = update(Replay).where(Replay.id.in_(found), Replay.status.in_(OPEN))
    connection.execute(is_open.values(status=Stage.CANCELLED, ended_at=clock.now()))
    connection.execute(update(Replay).where(Replay.id.in_(found)).values(wanted={}, forecast=None, reason=""))


def _names(keys: Keys, users: Collection[str]) -> list[str]:
    return sorted({*(key.reference for key in keys), *users})


def _naming(connection: Connection, number: Any, column: Any, names: Sequence[str]) -> dict[Any, str]:
    """Return the numbers of the rows whose text holds one of the names, each with that name, as a word of its own: a short name is part of
    many others."""
    found: dict[Any, str] = {}
    for some in (names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE)):
        word = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, some))})(?!\w)")
        likely = select(number, column).where(or_(*(column.contains(name, autoescape=True) for name in some)))
        matches = {one: word.search(text) for one, text in connection.execute(likely)}
        found |= {one: match[0] for one, match in matches.items() if match}
    return found


def _digest(key: ApplicantKey) -> str:
    return digests.of_applicant(key).hex()
