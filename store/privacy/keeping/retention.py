"""Retention: what is due by the rules of RETENTION, and runs that erase it.

A run writes down an erasure for each due applicant, or one for a user if all applicants of the user are due, and removes events and acts
itself. What it left is found by the next run. Nothing that a hold is on is due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select, true, tuple_

from store import config
from store.access.operators import Actor
from store.applicants.table import Applicant
from store.config.privacy_settings import Kept
from store.database import bulk
from store.database.privacy_tables import Erasure, Hold
from store.database.tables import ApplicantRow, EventRow, MentionRow
from store.privacy import acts
from store.privacy.acts import Action, DataSubject
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.keeping import expiry, periods
from store.privacy.keeping.periods import keep_until as keep_until
from store.states import ApplicantKey
from store.system import clock

#: Applicants that are read at a time.
PAGE = 500

#: Applicants that a preview names of each rule.
NAMED = 100

_KEY = (ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference)

#: What a period is computed from; the rest of an applicant takes long to read.
_NAMES = (*ApplicantKey._fields, "external_user_id", "ever_approved", "last_verdict", "updated_at")
_COLUMNS = tuple(getattr(ApplicantRow, name) for name in _NAMES)


EVERYBODY = true()


class Due(Struct, frozen=True, kw_only=True):
    """One thing that is due, by a rule."""

    rule: Kept
    #: Since when.
    since: datetime
    #: An applicant; None: it is an event or an act.
    key: ApplicantKey | None = None
    external_user_id: str | None = None
    #: The sequence of an event, or the number of an act.
    number: int | None = None


class Ran(Struct, frozen=True, kw_only=True):
    """What a run wrote down, and what it removed."""

    #: The erasures that are to be carried out.
    erasures: list[str]
    applicants: int
    events: int
    acts: int
    #: The environment that was asked for; None: all.
    environment: str | None = None


def due(connection: Connection, *, limit: int | None = None, environment: str | None = None) -> list[Due]:
    """Return what is due, in one environment or in all: applicants, in the order of their keys, then events, then acts."""
    return list(islice(_all_due(connection, environment), limit))


def preview(connection: Connection, *, environment: str | None = None) -> list[dict[str, Any]]:
    """Return each rule with its period, how much is due by it, since when the oldest is, and the first applicants that are due."""
    counts: Counter[Kept] = Counter()
    oldest: dict[Kept, datetime] = {}
    named: dict[Kept, list[dict[str, Any]]] = {rule: [] for rule in Kept}
    for one in _all_due(connection, environment):
        counts[one.rule] += 1
        oldest[one.rule] = min(one.since, oldest.get(one.rule, one.since))
        if one.key and len(named[one.rule]) < NAMED:
            named[one.rule].append(_described(one.key, one))
    return [
        {"rule": rule.value, "period": str(period), "due": counts[rule], "oldest": clock.rfc3339(oldest.get(rule))}
        | {"applicants": named[rule]}
        for rule, period in config.settings().privacy.retention.items()
    ]


def _described(key: ApplicantKey, one: Due) -> dict[str, Any]:
    return key._asdict() | {"external_user_id": one.external_user_id, "since": clock.rfc3339(one.since)}


def run(
    connection: Connection,
    *,
    by: Actor,
    reason: str | None,
    max: int | None,  # noqa: A002  The contract's word.
    environment: str | None = None,
    found: Sequence[Due] | None = None,
) -> Ran:
    """Write down the erasures of applicants that are due, and remove events and acts that are, at most `max` in all if it is given.

    `environment`: in that one alone. `found`: what `due` returned shortly before, so that the transaction that writes need not look for it.
    The erasures are carried out by whoever works them off. Raises NoIndexKey."""
    found = list(due(connection, limit=max, environment=environment) if found is None else found[:max])
    acts.take_turn(connection)
    groups = _groups(connection, _still_due(connection, [one for one in found if one.key]))
    wanted = [(subject, _decided(group, by=by, reason=reason)) for subject, group in groups]
    ran = Ran(
        erasures=erasures.create_all(connection, wanted, stage=Stage.APPROVED, cause=Cause.RETENTION, by=by.name),
        applicants=sum(len(group) for _, group in groups),
        events=expiry.erase_events(connection, _numbers(found, Kept.UNREADABLE, Kept.SANDBOX)),
        acts=expiry.remove_acts(connection, _numbers(found, Kept.AUDIT)),
        environment=environment,
    )
    subject = " ".join(filter(None, ("retention", ", ".join(sorted({one.rule for one in found})), environment and f"in {environment}")))
    touched = ran.applicants + ran.events + ran.acts
    acts.record_other(connection, Action.RUN_RETENTION, subject, by=by, reason=reason, touched=touched)
    return ran


def _numbers(found: Sequence[Due], *rules: Kept) -> list[int]:
    return sorted({one.number for one in found if one.rule in rules and one.number is not None})


# what is due --------------------------------------------------------------------------------------------------


def _all_due(connection: Connection, environment: str | None) -> Iterator[Due]:
    now, rules = clock.now(), config.settings().privacy.retention
    if rules.keys() & {Kept.APPROVED, Kept.REJECTED, Kept.OTHER, Kept.SANDBOX}:
        left_out = _LeftOut(connection)
        among = ApplicantRow.environment == environment if environment else EVERYBODY
        for applicants, last in _pages(connection, among):
            yield from _due_of(connection, applicants, last, left_out, now)
    for rule, period in rules.items():
        for number, since in expiry.expired(connection, rule, period, now, environment):
            yield Due(rule=rule, since=since, number=number)


class _LeftOut:
    """Those on hold, and those of an erasure that is not done: it decides about them."""

    def __init__(self, connection: Connection) -> None:
        self._keys: set[tuple[Any, ...]] = set()
        self._users: set[tuple[Any, ...]] = set()
        is_open = Erasure.status.in_([stage for stage in Stage if stage != Stage.DONE])
        for model, condition in ((Hold, Hold.lifted_at.is_(None)), (Erasure, is_open)):
            query = select(model.vendor, model.environment, model.reference, model.external_user_id)
            for *key, user in connection.execute(query.where(condition)):
                self._users.add((key[1], user)) if user else self._keys.add(tuple(key))

    def has(self, applicant: Applicant) -> bool:
        return applicant.key in self._keys or (applicant.environment, applicant.external_user_id) in self._users


def _pages(
    connection: Connection, among: ColumnElement[bool] = EVERYBODY
) -> Iterator[tuple[list[Applicant], dict[ApplicantKey, datetime]]]:
    """Yield applicants, and when the newest event that names each was received, in the order of their keys."""
    last: tuple[str, ...] = ("", "", "")
    query = select(*_COLUMNS, _last_event()).where(among).order_by(*_KEY).limit(PAGE)
    while rows := connection.execute(query.where(tuple_(*_KEY) > tuple_(*last))).all():
        last = tuple(rows[-1][:3])
        applicants = [Applicant(**dict(zip(_NAMES, row, strict=False))) for row in rows]
        yield applicants, {one.key: row[-1] for one, row in zip(applicants, rows, strict=True) if row[-1]}


def _last_event() -> ColumnElement[Any]:
    mine = [getattr(MentionRow, column.key) == column for column in _KEY]
    query = select(func.max(EventRow.received_at)).join(MentionRow, MentionRow.event_sequence == EventRow.sequence).where(*mine)
    return query.correlate(ApplicantRow).scalar_subquery()


def _due_of(
    connection: Connection, applicants: Sequence[Applicant], last: Mapping[ApplicantKey, datetime], left_out: _LeftOut, now: datetime
) -> Iterator[Due]:
    """Yield those of the applicants that are due and not left out."""
    keeping = periods.keeping(connection, applicants, last)
    for applicant in applicants:
        one = keeping[applicant.key]
        if one.until and one.is_over(now) and not left_out.has(applicant):
            yield Due(rule=one.rule, since=one.until, key=applicant.key, external_user_id=applicant.external_user_id)


# how it is written down ---------------------------------------------------------------------------------------


def _still_due(connection: Connection, found: Sequence[Due]) -> list[Due]:
    """Return those of the applicants that are due still, now that no other process decides."""
    keys, left_out, now = [one.key for one in found if one.key], _LeftOut(connection), clock.now()
    parts = [bulk.of_applicants(ApplicantRow, keys[start : start + PAGE]) for start in range(0, len(keys), PAGE)]
    pages = [page for part in parts for page in _pages(connection, part)]
    return [one for applicants, last in pages for one in _due_of(connection, applicants, last, left_out, now)]


def _groups(connection: Connection, found: Sequence[Due]) -> list[tuple[DataSubject, list[Due]]]:
    """Return what is erased together: all applicants of a user if all are due, so that the user's own traces go too, or one applicant."""
    by_user: dict[tuple[str, str], list[Due]] = {}
    for one in found:
        if one.key and one.external_user_id:
            by_user.setdefault((one.key.environment, one.external_user_id), []).append(one)
    counts = _counts(connection, by_user)
    whole = {user: theirs for user, theirs in by_user.items() if counts[user] == len(theirs)}
    users = [(DataSubject(environment=environment, external_user_id=user), theirs) for (environment, user), theirs in whole.items()]
    alone = [(one.key, one) for one in found if one.key and (one.key.environment, one.external_user_id) not in whole]
    return [*users, *((DataSubject(**key._asdict()), [one]) for key, one in alone)]


def _counts(connection: Connection, users: Collection[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Return how many applicants each user has."""
    counts: Counter[tuple[str, str]] = Counter()
    listed = sorted(users)
    columns: tuple[Any, ...] = (ApplicantRow.environment, ApplicantRow.external_user_id)
    for start in range(0, len(listed), PAGE):
        mine = tuple_(*columns).in_(listed[start : start + PAGE])
        query = select(*columns, func.count()).where(mine).group_by(*columns)
        counts.update({(row[0], row[1]): row[2] for row in connection.execute(query)})
    return counts


def _decided(group: Sequence[Due], *, by: Actor, reason: str | None) -> dict[str, Any]:
    """Return the columns that say who decided, and by which rules."""
    rules = config.settings().privacy.retention
    basis = ", ".join(sorted({f"RETENTION {one.rule}:{rules[one.rule]}" for one in group}))
    return {"decided_by": by.name, "decided_at": clock.now(), "decision_reason": reason, "basis": basis, "reason": reason}
