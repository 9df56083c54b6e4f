"""Expiry: events that name no applicant, and acts, whose time is over by a rule of RETENTION; how they are removed.

An event that cannot be read is kept while its body holds the name of an applicant on hold. An act stays while it concerns somebody who
is kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, or_, select, true, tuple_, update

from store import config
from store.config.privacy_settings import Kept, Period
from store.database import bulk
from store.database.operations_tables import Act, Reaction
from store.database.privacy_tables import Hold
from store.database.tables import ApplicantRow, EventRow, MentionRow
from store.inbox.events import EVENT_COLUMNS, InboxEvent, event_of
from store.inbox.sealing.encryption import Unopenable
from store.privacy.acts import Action
from store.privacy.erasing import event_erasure
from store.privacy.erasing.event_erasure import Rewritten
from store.proof import queue
from store.proof.kinds import LeafKind
from store.text.json_body import forms_of, holds_any
from store.text.states import Outcome, VendorEnvironment

#: Rows that are read, or changed, at a time.
PAGE = 200

#: The reason of an event whose time is over.
REASON = "the time for which it is kept is over"

#: What is found: its number, and since when its time is over.
Found = tuple[int, datetime]


def expired(connection: Connection, rule: Kept, period: Period, now: datetime, *, environment: str | None, after: int) -> Iterator[Found]:
    """Yield what a rule about events or acts is due for, in the order of receipt, after a number; nothing of the rules about applicants.

    `environment`: of that one alone; None: of all. The audit log counts as live."""
    if rule in (Kept.UNREADABLE, Kept.SANDBOX):
        yield from _expired_events(connection, rule, period, now, environment, after)
    elif rule == Kept.AUDIT and environment in (None, VendorEnvironment.LIVE):
        yield from _expired_acts(connection, period, now, after)


def erase_events(connection: Connection, sequences: Sequence[int]) -> int:
    """Erase events that name no applicant who is kept; return how many. Those that are erased already are not counted."""
    count = 0
    for some in bulk.parts(sequences, PAGE):
        due = and_(EventRow.sequence.in_(some), EventRow.erased_at.is_(None), ~_names_somebody())
        events = event_erasure.locked(connection, due, limit=PAGE)
        event_erasure.erase(connection, [Rewritten(event=event, kept_news=None) for event in events], {})
        mine = update(EventRow).where(EventRow.sequence.in_([event.sequence for event in events]))
        connection.execute(mine.values(reason=REASON))
        count += len(events)
    return count


def remove_acts(connection: Connection, numbers: Sequence[int]) -> int:
    """Remove acts; return how many."""
    removed = [one for some in bulk.parts(numbers, PAGE) for one in _remove_acts(connection, some)]
    queue.add_erased(connection, LeafKind.ACT, removed, erasure_id=None)
    return len(removed)


def _remove_acts(connection: Connection, numbers: Sequence[int]) -> Sequence[int]:
    return connection.execute(delete(Act).where(Act.id.in_(numbers)).returning(Act.id)).scalars().all()


# events -------------------------------------------------------------------------------------------------------


def _expired_events(
    connection: Connection, rule: Kept, period: Period, now: datetime, environment: str | None, last: int
) -> Iterator[Found]:
    names = _held_names(connection)
    query = select(*EVENT_COLUMNS).where(
        EventRow.status != Outcome.PENDING,
        EventRow.erased_at.is_(None),
        EventRow.received_at <= _earliest(period, now),
        ~_names_somebody(),
        _is_of(rule),
        EventRow.environment == environment if environment else true(),
    )
    while rows := connection.execute(query.where(EventRow.sequence > last).order_by(EventRow.sequence).limit(PAGE)).all():
        last = rows[-1].sequence
        for event in map(event_of, rows):
            since = period.after(event.received_at)
            if since <= now and not (names and _may_name(event, names)):
                yield event.sequence, since


def _is_of(rule: Kept) -> ColumnElement[bool]:
    """Return the condition of a rule. What the rule about the sandbox is about, the rule about unreadable events is not."""
    is_sandbox = EventRow.environment == VendorEnvironment.SANDBOX
    if rule == Kept.SANDBOX:
        return is_sandbox
    unreadable = EventRow.status == Outcome.UNREADABLE
    return unreadable & ~is_sandbox if Kept.SANDBOX in config.settings().privacy.retention else unreadable


def _names_somebody() -> ColumnElement[bool]:
    return exists().where(MentionRow.event_sequence == EventRow.sequence)


def _held_names(connection: Connection) -> set[bytes]:
    """Return the names of applicants on hold, as a body may hold them."""
    is_open = Hold.lifted_at.is_(None)
    users = select(Hold.environment, Hold.external_user_id).where(is_open, Hold.external_user_id.is_not(None))
    # With an index on SQLite: it holds those that have a user.
    theirs = ApplicantRow.external_user_id.is_not(None) & tuple_(ApplicantRow.environment, ApplicantRow.external_user_id).in_(users)
    rows = [
        *connection.execute(select(Hold.external_user_id, Hold.reference).where(is_open)),
        *connection.execute(select(ApplicantRow.reference).where(theirs)),
    ]
    return {form for row in rows for name in row if name for form in forms_of(name)}


def _may_name(event: InboxEvent, names: Collection[bytes]) -> bool:
    """Return whether a body holds one of the names, or cannot be opened."""
    try:
        return holds_any(event.body(), names)
    except Unopenable:
        return True


# acts ---------------------------------------------------------------------------------------------------------


def _expired_acts(connection: Connection, period: Period, now: datetime, last: int) -> Iterator[Found]:
    old = (Act.at <= _earliest(period, now), Act.action.not_in(list(Action)))
    columns: tuple[Any, ...] = (Act.id, Act.at, Act.subject)
    query = select(*columns).where(*old).order_by(Act.id).limit(PAGE)
    while rows := connection.execute(query.where(Act.id > last)).all():
        last = rows[-1].id
        kept = _kept_names(connection, rows)
        for row in rows:
            if period.after(row.at) <= now and not kept.intersection(_named(row.subject)):
                yield row.id, period.after(row.at)


def _named(subject: str) -> set[str]:
    """Return what a subject may name: each word, and all that follows the first or the second."""
    words = subject.split(" ")
    return {word for word in re.split(r"[ ,]+", subject) if word} | {" ".join(words[1:]), " ".join(words[2:])} - {""}


def _kept_names(connection: Connection, rows: Sequence[Row[Any]]) -> set[str]:
    """Return which of the names in acts' subjects concern somebody who is kept: references, users, events, reactions."""
    named = {name for row in rows for name in _named(row.subject)}
    people = select(ApplicantRow.reference, ApplicantRow.external_user_id)
    people = people.where(or_(ApplicantRow.reference.in_(named), ApplicantRow.external_user_id.in_(named)))
    kept = {name for row in connection.execute(people) for name in row if name}
    return kept | _events_naming(connection, named) | _reactions_about(connection, named)


def _events_naming(connection: Connection, named: Collection[str]) -> set[str]:
    ids = [name for name in named if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)]
    query = select(EventRow.id).where(EventRow.id.in_(ids), or_(EventRow.erased_at.is_(None), _names_somebody()))
    return {str(found) for found in connection.execute(query).scalars()} if ids else set()


def _reactions_about(connection: Connection, named: Collection[str]) -> set[str]:
    numbers = [int(name) for name in named if re.fullmatch(r"[1-9][0-9]{0,17}", name, re.ASCII)]
    key = (ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference)
    theirs = (Reaction.vendor == key[0]) & (Reaction.environment == key[1]) & (Reaction.reference == key[2])
    query = select(Reaction.id).where(Reaction.id.in_(numbers), exists().where(theirs))
    return {str(found) for found in connection.execute(query).scalars()} if numbers else set()


def _earliest(period: Period, now: datetime) -> datetime:
    """Return a time after which nothing is due: no year is shorter than 365 days."""
    try:
        return now - timedelta(days=365 * period.years + period.days)
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)
