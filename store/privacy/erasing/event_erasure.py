"""Erase events: the body, the headers, and every name. The row stays, under its own id.

An event that others are named in is rewritten as an internal event: what its body said of them, without the erased."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, select, text, tuple_, update

from store import database
from store.access import digests
from store.database import bulk
from store.database.tables import NAMELESS, EventRow, MentionRow, Subject
from store.inbox import claims
from store.inbox.deliveries import EventKey
from store.inbox.erased_subjects import keyed
from store.inbox.events import EVENT_COLUMNS, UNRESOLVED, InboxEvent, event_of
from store.inbox.internal_events import KIND_HEADER, Kind
from store.inbox.sealing import body_keys
from store.inbox.sealing.encryption import NO_MASTER_KEY, keyring
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey, Outcome

#: The key of an event's subject.
SUBJECT = (EventRow.vendor, EventRow.environment, EventRow.subject)

#: The reason of an event that is erased.
REASON = "the applicant was erased"


class Rewritten(Struct, frozen=True, kw_only=True):
    """An event, and what it said of those who are not erased; None: it named no other applicant."""

    event: InboxEvent
    kept_news: bytes | None
    #: The erased that its body names, beside those that it is known to name.
    about: Collection[ApplicantKey] = ()


def naming(connection: Connection, keys: Collection[ApplicantKey], *, limit: int) -> list[InboxEvent]:
    """Lock and return the next settled events that name one of the applicants, in the order of receipt."""
    return locked(connection, and_(_names(keys), EventRow.status != Outcome.PENDING), limit=limit)


def is_any_left(connection: Connection, keys: Collection[ApplicantKey]) -> bool:
    """Return whether a settled event names one of the applicants."""
    return connection.execute(select(exists().where(_names(keys), EventRow.status != Outcome.PENDING))).scalar_one()


def nameless_after(connection: Connection, vendor: str, environment: str, sequence: int, *, limit: int) -> list[InboxEvent]:
    """Return the next events of a vendor that could not be handled, not be read, or name no applicant, in the order of receipt. Their
    applicants are found by opening them. A pending event needs no search: it is erased once it is read."""
    query = select(*EVENT_COLUMNS).where(
        text(NAMELESS), EventRow.vendor == vendor, EventRow.environment == environment, EventRow.sequence > sequence
    )
    return [event_of(row) for row in connection.execute(query.order_by(EventRow.sequence).limit(limit))]


def still_nameless(connection: Connection, events: Sequence[InboxEvent]) -> list[InboxEvent]:
    """Lock events that were read before; return those that still name no applicant, as they are now."""
    return locked(connection, and_(_of(events), text(NAMELESS)), limit=len(events))


def locked(connection: Connection, condition: ColumnElement[bool], *, limit: int) -> list[InboxEvent]:
    """Lock events and their subjects, in the order that all transactions use; return those that still match behind the lock."""
    query = select(*EVENT_COLUMNS).where(condition).order_by(EventRow.sequence).limit(limit)
    found = [event_of(row) for row in connection.execute(query)]
    if not found or database.is_sqlite():
        return found
    lock_subjects(connection, found)
    claims.lock(connection, _of(found))
    return [event_of(row) for row in connection.execute(query.where(_of(found)))]


def lock_subjects(connection: Connection, events: Sequence[InboxEvent]) -> None:
    """Lock the subjects of events. A delivery locks its subject, too, and then the event."""
    if events and not database.is_sqlite():
        of_events = select(*SUBJECT).where(_of(events), EventRow.subject.is_not(None))
        key = (Subject.vendor, Subject.environment, Subject.subject)
        connection.execute(select(Subject.subject).where(tuple_(*key).in_(of_events)).order_by(*key).with_for_update()).all()


def erase(connection: Connection, rewritten: Sequence[Rewritten], erasure_of: Mapping[ApplicantKey, str]) -> list[tuple[ApplicantKey, int]]:
    """Erase what events say of some applicants, and that they named them; return each that an event named, with the event's sequence.

    `erasure_of`: the erasures of the applicants. Empty: a rule of RETENTION erases events that name no applicant. The events'
    rows must be locked, or the database's only writer's."""
    if not rewritten:
        return []
    events = [one.event for one in rewritten]
    named = _forget_mentions(connection, events, erasure_of)
    body_keys.forget(connection, [event.id for event in events])
    identities = _unique(connection, _identities(connection, events))
    for event, news in ((one.event, one.kept_news) for one in rewritten):
        values = _emptied(event, identities[event.id]) if news is None else _kept(connection, event, news)
        connection.execute(update(EventRow).where(EventRow.sequence == event.sequence).values(**values))
    _forget_subjects(connection, events)
    if not erasure_of:
        queue.add_erased(connection, LeafKind.EVENT, [event.sequence for event in events], erasure_id=None)
    about = [*named, *((key, one.event.sequence) for one in rewritten for key in one.about)]
    queue.add_erased_by_several(connection, LeafKind.EVENT, [(sequence, erasure_of[key]) for key, sequence in about])
    return named


def is_known(connection: Connection, event: InboxEvent) -> bool:
    """Return whether the delivery of an event about an erased applicant came before, and was erased."""
    return bool(_taken(connection, _identities(connection, [event]).values()))


def _names(keys: Collection[ApplicantKey]) -> ColumnElement[bool]:
    return EventRow.sequence.in_(select(MentionRow.event_sequence).where(bulk.of_applicants(MentionRow, keys)))


def _of(events: Sequence[InboxEvent]) -> ColumnElement[bool]:
    return EventRow.sequence.in_([event.sequence for event in events])


def _forget_mentions(
    connection: Connection, events: Sequence[InboxEvent], keys: Collection[ApplicantKey]
) -> list[tuple[ApplicantKey, int]]:
    sequences = [event.sequence for event in events]
    mine = delete(MentionRow).where(MentionRow.event_sequence.in_(sequences), bulk.of_applicants(MentionRow, keys))
    named = mine.returning(MentionRow.vendor, MentionRow.environment, MentionRow.reference, MentionRow.event_sequence)
    return [(ApplicantKey(*key), sequence) for *key, sequence in connection.execute(named)]


def _forget_subjects(connection: Connection, erased: Sequence[InboxEvent]) -> None:
    """Remove the events' subjects, of which nothing is left; where something is, replace the hashes of what was erased."""
    for row in connection.execute(select(*SUBJECT).distinct().where(_of(erased), EventRow.subject.is_not(None))).all():
        mine = row._asdict()
        stays = select(exists().where(EventRow.sealed_body != b"", *(getattr(EventRow, name) == mine[name] for name in mine)))
        if connection.execute(stays).scalar_one():
            _key_hashes(connection, mine, {event.body_sha256 for event in erased if not event.is_erased})
        else:
            connection.execute(delete(Subject).filter_by(**mine))
            connection.execute(update(EventRow).filter_by(**mine).values(subject=None))


def _key_hashes(connection: Connection, mine: dict[str, Any], bodies: Collection[bytes]) -> None:
    """Replace the hashes of erased bodies that a subject remembers."""
    row = connection.execute(select(Subject.__table__).filter_by(**mine)).one()
    latest = ("latest_fingerprint", "latest_body_sha256") if row.latest_body_sha256 in bodies else ()
    names = (*latest, *(("previous_body_sha256",) if row.previous_body_sha256 in bodies else ()))
    values = {name: keyed(getattr(row, name)) for name in names}
    connection.execute(update(Subject).filter_by(**mine).values(**values, erased=True))


def _kept(connection: Connection, event: InboxEvent, news: bytes) -> dict[str, Any]:
    """Return the columns of an event that others are named in, whose body gets a new key. Its subject stays: later deliveries are compared
    with it."""
    sealed = keyring().seal(news, event_id=event.id)
    body_keys.insert(connection, {event.id: sealed.key})
    return {
        "headers": {KIND_HEADER: Kind.KEPT.value},
        "body_sha256": _body_hash(event),
        "key_id": NO_MASTER_KEY,
        "sealed_body": sealed.body,
        "reference": None,
        "erased_at": clock.now(),
    }


def _emptied(event: InboxEvent, identity: bytes) -> dict[str, Any]:
    return {
        "status": case((EventRow.status.in_(UNRESOLVED), Outcome.IGNORED), else_=EventRow.status),
        "event_type": None,
        "identity": identity,
        "headers": {},
        "body_sha256": _body_hash(event),
        "key_id": NO_MASTER_KEY,
        "sealed_body": b"",
        "reference": None,
        "trace": None,
        "occurred_at": None,
        "reason": REASON,
        "dismissed_at": None,
        "erased_at": clock.now(),
    }


def _identities(connection: Connection, events: Sequence[InboxEvent]) -> dict[str, EventKey]:
    """Return what is left of each delivery's identity, by its event's id: by it the same delivery is recognised when it is repeated."""
    held = {row.id: row.identity for row in connection.execute(select(EventRow.id, EventRow.identity).where(_of(events)))}
    return {one.id: EventKey(one.vendor, one.environment, digests.of("delivery", held[one.id] or one.body_sha256)) for one in events}


def _unique(connection: Connection, identities: Mapping[str, EventKey]) -> dict[str, bytes]:
    """Return an identity for each event: its own where another event has the delivery's."""
    taken, found = _taken(connection, identities.values()), {}
    for event_id, key in identities.items():
        found[event_id] = digests.of("event", event_id) if key in taken else key.digest
        taken.add(key)
    return found


def _taken(connection: Connection, keys: Iterable[EventKey]) -> set[EventKey]:
    """Return those of the identities that an event has."""
    columns = (EventRow.vendor, EventRow.environment, EventRow.identity)
    found = connection.execute(select(*columns).where(tuple_(*columns).in_(list(keys))))
    return {EventKey(row.vendor, row.environment, row.identity) for row in found}


def _body_hash(event: InboxEvent) -> bytes:
    """Return the hash that is kept of a body: a keyed one, and it is keyed once."""
    return event.body_sha256 if event.is_erased else keyed(event.body_sha256)
