"""The review queue: applicants in doubt, with an open alert or a decision to confirm; failed and unreadable events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, SQLColumnExpression, String, case, cast, func, or_, select

from store.applicants import decisions
from store.database.operations_tables import Reaction, ReviewClaim
from store.database.restriction import only_restricted
from store.database.tables import ApplicantRow, EventRow, TransitionRow
from store.inbox.events import IS_UNRESOLVED
from store.outbox import dispatch
from store.system import clock
from store.text.states import Flag, Outcome, Stand, Status

What = Literal["applicant", "event", "reaction"]


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
    mine = (ApplicantRow.environment == environment, ApplicantRow.restricted.is_(False))
    query = select(func.count()).where(*mine, ApplicantRow.status == Status.NEEDS_REVIEW)
    return connection.execute(query).scalar_one()


def _applicants(connection: Connection, environment: str, wanted: Narrowed, after: Place | None, limit: int) -> list[Waiting]:
    # The words are ours and none contains another, so a look into the JSON text is exact on both databases.
    alert = cast(ApplicantRow.flags, String).contains(f'"{Flag.MONITORING_ALERT}"')
    doubtful = or_(ApplicantRow.status == Status.NEEDS_REVIEW, alert, decisions.WAITS)
    mine = (TransitionRow.vendor == ApplicantRow.vendor) & (TransitionRow.environment == ApplicantRow.environment)
    came = (
        select(func.max(TransitionRow.at))
        .where(mine, TransitionRow.reference == ApplicantRow.reference, TransitionRow.from_status.is_distinct_from(TransitionRow.to_status))
        .scalar_subquery()
    )
    since = func.coalesce(came, ApplicantRow.updated_at, type_=ApplicantRow.updated_at.type)
    name = ApplicantRow.vendor + "/" + ApplicantRow.reference
    query = select(ApplicantRow.__table__, since.label("since"), name.label("name")).where(
        ApplicantRow.environment == environment, ApplicantRow.restricted.is_(False), doubtful
    )
    query = query.where(*_later(since, name, "applicant", after), *_narrowed(since, name, wanted)).order_by(since, name).limit(limit)
    return [
        Waiting(
            place=Place(row.since, "applicant", row.name),
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
    query = (
        query.where(*_later(EventRow.received_at, EventRow.id, "event", after), *_narrowed(EventRow.received_at, EventRow.id, wanted))
        .order_by(EventRow.received_at, EventRow.id)
        .limit(limit)
    )
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
    query = query.where(
        *_later(Reaction.settled_at, Reaction.id, "reaction", after), *_narrowed(Reaction.settled_at, Reaction.id, wanted)
    ).order_by(Reaction.settled_at, Reaction.id)
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


def _later(since: SQLColumnExpression[Any], name: SQLColumnExpression[Any], what: What, after: Place | None) -> list[ColumnElement[bool]]:
    """Return the condition for entries after a place. Of entries with the same time applicants come first."""
    if after is None:
        return []
    if what != after.what:
        return [since >= after.since if what > after.what else since > after.since]
    last = int(after.name) if what == "reaction" else after.name
    return [or_(since > after.since, (since == after.since) & (name > last))]


def _narrowed(since: SQLColumnExpression[Any], name: SQLColumnExpression[Any], wanted: Narrowed) -> list[ColumnElement[bool]]:
    younger = [since >= wanted.since] if wanted.since else []
    older = [since <= wanted.until] if wanted.until else []
    return [*younger, *older, *([name == wanted.name] if wanted.name is not None else [])]
