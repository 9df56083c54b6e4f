"""The review queue: applicants in doubt, with an open alert or a decision to confirm; failed and unreadable events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, case, func, literal, literal_column, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from store.applicants import decisions
from store.database.columns import HAS_ALERT, IN_REVIEW, SINCE_KNOWN, SINCE_UNKNOWN
from store.database.operations_tables import Reaction, ReviewClaim
from store.database.restriction import IS_RESTRICTED, only_restricted
from store.database.tables import ApplicantRow, EventRow, TransitionRow
from store.inbox.events import IS_UNRESOLVED
from store.outbox import dispatch
from store.system import clock
from store.text.states import ApplicantKey, Outcome, Stand, Status

What = Literal["applicant", "event", "reaction"]


#: The columns that a list is in the order of: since when an entry waits, then its name.
Columns = tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...]


class Place(NamedTuple):
    """A place in the list, the oldest first."""

    since: datetime
    what: What
    name: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One entry that waits for a person, since when, and why."""

    place: Place
    vendor: str
    environment: str
    reference: str | None
    event_id: str | None
    status: str
    why: str
    reaction_id: int | None = None
    claimed_by: str | None = None
    claimed_at: datetime | None = None


class Narrowed(NamedTuple):
    """Which entries are wanted."""

    #: Those that began to wait then or later.
    since: datetime | None = None
    #: Those that have waited since then or longer.
    until: datetime | None = None
    #: The one of this name; of reactions, of this id.
    name: str | int | None = None


EVERYTHING = Narrowed()


def listing(
    connection: Connection, *, environment: str, wanted: Narrowed = EVERYTHING, after: Place | None = None, limit: int
) -> list[Waiting]:
    """Return the entries, the oldest first, after a place in that order."""
    kinds = [kind(connection, environment, wanted, after, limit) for kind in (_applicants, _events, _reactions)]
    return _claimed(connection, environment, list(islice(merge(*kinds, key=_order), limit)))


def find(connection: Connection, *, environment: str, what: What, name: str) -> Waiting | None:
    """Return an entry by its name, if it waits."""
    kinds: dict[What, Callable[..., list[Waiting]]] = {"applicant": _applicants, "event": _events, "reaction": _reactions}
    wanted = Narrowed(name=int(name) if what == "reaction" else name)
    return next(iter(_claimed(connection, environment, kinds[what](connection, environment, wanted, None, 1))), None)


def describe(one: Waiting) -> dict[str, Any]:
    """Return an entry as it is shown."""
    minutes = int((clock.now() - one.place.since).total_seconds() // 60)
    told = {"what": one.place.what, "name": one.place.name, "since": clock.rfc3339(one.place.since), "waiting_minutes": minutes}
    shown = {name: value for name, value in vars(one).items() if name != "place"}
    return told | shown | {"claimed_at": clock.rfc3339(one.claimed_at)}


def _claimed(connection: Connection, environment: str, found: list[Waiting]) -> list[Waiting]:
    """Return the entries with their claims. A claim from before the entry began to wait is of an earlier time."""
    names = [one.place.name for one in found]
    query = select(ReviewClaim.__table__).where(ReviewClaim.environment == environment, ReviewClaim.name.in_(names))
    claims = {(row.what, row.name): row for row in connection.execute(query)} if names else {}
    return [_with_claim(one, claims.get((one.place.what, one.place.name))) for one in found]


def _with_claim(one: Waiting, claim: Row[Any] | None) -> Waiting:
    if claim is None or claim.at < one.place.since:
        return one
    return replace(one, claimed_by=claim.claimed_by, claimed_at=claim.at)


def unresolved(connection: Connection, *, environment: str) -> tuple[int, int]:
    """Return how many dead letters and how many unreadable events there are."""
    query = (
        select(EventRow.status, func.count().label("many"))
        .where(IS_UNRESOLVED, EventRow.environment == environment, EventRow.dismissed_at.is_(None))
        .group_by(EventRow.status)
    )
    found = {row.status: row.many for row in connection.execute(query)}
    return found.get(Outcome.FAILED, 0), found.get(Outcome.UNREADABLE, 0)


def doubtful(connection: Connection, *, environment: str) -> int:
    """Return how many applicants wait for a person's decision."""
    query = select(func.count()).where(ApplicantRow.environment == environment, ApplicantRow.status == Status.NEEDS_REVIEW)
    # The few restricted ones are counted apart: an index alone answers for all.
    return connection.execute(query).scalar_one() - connection.execute(query.where(IS_RESTRICTED)).scalar_one()


def _applicants(connection: Connection, environment: str, wanted: Narrowed, after: Place | None, limit: int) -> list[Waiting]:
    """Return applicants that wait: along an index those whose time is known, and the few others."""
    known = _applicants_since(connection, environment, ApplicantRow.status_since, SINCE_KNOWN, wanted, after, limit)
    unknown = _applicants_since(connection, environment, _derived_since(), SINCE_UNKNOWN, wanted, after, limit)
    return sorted([*known, *unknown], key=_order)[:limit]


def _derived_since() -> Any:
    """Return since when an applicant has its status, as its changes tell it."""
    same = (getattr(TransitionRow, name) == getattr(ApplicantRow, name) for name in ApplicantKey._fields)
    moved = TransitionRow.from_status.is_distinct_from(TransitionRow.to_status)
    came = select(func.max(TransitionRow.at)).where(*same, moved).scalar_subquery()
    return func.coalesce(came, ApplicantRow.updated_at, type_=ApplicantRow.updated_at.type)


def _applicants_since(
    connection: Connection, environment: str, since: Any, is_so: str, wanted: Narrowed, after: Place | None, limit: int
) -> list[Waiting]:
    # Conditions in words, not bound: a database uses a partial index only where it can see that its condition holds.
    among: list[ColumnElement[bool]] = [literal_column(IN_REVIEW), literal_column(is_so), ApplicantRow.restricted.is_(False)]
    doubtful = or_(ApplicantRow.status == Status.NEEDS_REVIEW, literal_column(HAS_ALERT), decisions.WAITS)
    place = (since, ApplicantRow.vendor, ApplicantRow.reference)
    query = select(ApplicantRow.__table__, since.label("since")).where(ApplicantRow.environment == environment, *among, doubtful)
    query = query.where(*_later(place, "applicant", after), *_narrowed(place, "applicant", wanted)).order_by(*place).limit(limit)
    return [
        Waiting(
            place=Place(row.since, "applicant", f"{row.vendor}/{row.reference}"),
            vendor=row.vendor,
            environment=environment,
            reference=row.reference,
            event_id=None,
            status=row.status,
            why=_why(row),
        )
        for row in connection.execute(query).all()
    ]


def _why(row: Row[Any]) -> str:
    decision = row.decision or {}
    asked = (
        [f"{decision['by']} decided {decision['status']}, which waits for a second operator"]
        if decision.get("state") == Stand.WAITS
        else []
    )
    return ", ".join(dict.fromkeys([*asked, *row.hits, *row.flags, *row.reasons])) or row.vendor_status or ""


def _events(connection: Connection, environment: str, wanted: Narrowed, after: Place | None, limit: int) -> list[Waiting]:
    # Somebody has to repair the event. The list does not say that it is about a restricted applicant.
    reference = case((only_restricted(), None), else_=EventRow.reference).label("reference")
    columns = (EventRow.id, EventRow.vendor, reference, EventRow.status, EventRow.reason, EventRow.received_at)
    query = select(*columns).where(IS_UNRESOLVED, EventRow.environment == environment, EventRow.dismissed_at.is_(None))
    place = (EventRow.received_at, EventRow.id)
    query = query.where(*_later(place, "event", after), *_narrowed(place, "event", wanted)).order_by(*place).limit(limit)
    return [
        Waiting(
            place=Place(row.received_at, "event", row.id),
            vendor=row.vendor,
            environment=environment,
            reference=row.reference,
            event_id=row.id,
            status=row.status,
            why=row.reason or "",
        )
        for row in connection.execute(query)
    ]


def _reactions(connection: Connection, environment: str, wanted: Narrowed, after: Place | None, limit: int) -> list[Waiting]:
    query = select(Reaction.__table__).where(Reaction.status == dispatch.ReactionStatus.FAILED, Reaction.environment == environment)
    place = (Reaction.settled_at, Reaction.id)
    query = query.where(*_later(place, "reaction", after), *_narrowed(place, "reaction", wanted)).order_by(*place)
    return [
        Waiting(
            place=Place(row.settled_at, "reaction", str(row.id)),
            vendor=row.vendor,
            environment=environment,
            reference=row.reference,
            event_id=None,
            status=row.status,
            why=row.answers[-1]["said"],
            reaction_id=row.id,
        )
        for row in connection.execute(query.limit(limit)).all()
    ]


def _order(one: Waiting) -> tuple[datetime, str, int | str]:
    return one.place.since, one.place.what, one.place.name if one.reaction_id is None else one.reaction_id


def _later(place: Columns, what: What, after: Place | None) -> list[ColumnElement[bool]]:
    """Return the condition for entries after a place. Of entries with the same time applicants come first."""
    if after is None:
        return []
    since, *_ = place
    if what != after.what:
        return [since >= after.since if what > after.what else since > after.since]
    # One row value, so that an index over the columns leads to it.
    last = (after.since, *_names(what, after.name))
    return [tuple_(*place) > tuple_(*(literal(value, column.type) for value, column in zip(last, place, strict=True)))]


def _narrowed(place: Columns, what: What, wanted: Narrowed) -> list[ColumnElement[bool]]:
    since, *names = place
    younger = [since >= wanted.since] if wanted.since else []
    older = [since <= wanted.until] if wanted.until else []
    named = zip(names, _names(what, wanted.name), strict=True) if wanted.name is not None else ()
    return [*younger, *older, *(column == value for column, value in named)]


def _names(what: What, name: str | int) -> tuple[str | int, ...]:
    """Return the columns' values of an entry's name."""
    if what == "applicant":
        vendor, _, reference = str(name).partition("/")
        return vendor, reference
    return (int(name),) if what == "reaction" else (name,)
