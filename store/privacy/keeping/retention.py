"""Retention: what is due by the rules of RETENTION, and runs that erase it.

A run writes down an erasure for each due applicant, or one for a user if all applicants of the user are due, and removes events and acts
itself. It does so in slices, each in a transaction. The next run finds what it left. Nothing that a hold is on is due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import dropwhile, islice
from math import inf
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, exists, select, true, tuple_

from store import config, database
from store.access import digests
from store.access.operators import Actor
from store.applicants.table import Applicant
from store.config.privacy_settings import Kept
from store.database import bulk
from store.database.privacy_tables import Erasure
from store.database.tables import ApplicantRow
from store.privacy import acts, holds
from store.privacy.acts import Action, DataSubject
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.erasing.waiting import IS_OPEN
from store.privacy.keeping import expiry, periods
from store.system import clock
from store.text.states import ApplicantKey

#: Applicants that are read at a time, and what one transaction of a run writes down: deliveries wait for it on SQLite.
SLICE = 200

#: Applicants that a preview names of each rule.
NAMED = 100

_KEY = (ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference)

#: What a period is computed from; the rest of an applicant takes long to read.
_NAMES = (*ApplicantKey._fields, "external_user_id", "ever_approved", "last_verdict", "updated_at")
_COLUMNS = tuple(getattr(ApplicantRow, name) for name in _NAMES)


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
    """What a run, or a slice of one, wrote down, and what it removed."""

    #: The erasures that are to be carried out.
    erasures: list[str]
    applicants: int
    events: int
    acts: int

    @property
    def count(self) -> int:
        return self.applicants + self.events + self.acts


def due(connection: Connection, *, limit: int | None = None, environment: str | None = None, after: Due | None = None) -> list[Due]:
    """Return what is due, in one environment or in all: applicants, in the order of their keys, then events, then acts.

    `after`: only what comes after that one in this order."""
    return list(islice(_all_due(connection, environment, after), limit))


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
    *,
    by: Actor,
    reason: str | None,
    max: int | None = None,  # noqa: A002  The contract's word.
    environment: str | None = None,
) -> Iterator[Ran]:
    """Write down the erasures of applicants that are due, and remove events and acts that are, at most `max` in all if it is given.

    Yield what each slice did, once it is committed with an act of its own in the audit log. A run that ends between two slices has left
    the rest, and nothing else. `environment`: in that one alone. The caller, or a worker, carries the erasures out. Raises NoIndexKey."""
    left, after = inf if max is None else max, None
    while left > 0:
        look = partial(due, limit=int(min(SLICE, left)), environment=environment, after=after)
        if not (found := database.read(look)):
            return
        write = partial(_write, found=found, spare=left - len(found), by=by, reason=reason, environment=environment)
        yield (ran := database.write(write))
        left, after = left - ran.count, found[-1]


def total(parts: Iterable[Ran]) -> Ran:
    """Return what slices did together."""
    all_parts = list(parts)
    counts = {name: sum(getattr(one, name) for one in all_parts) for name in ("applicants", "events", "acts")}
    return Ran(erasures=[erasure_id for one in all_parts for erasure_id in one.erasures], **counts)


# what is due --------------------------------------------------------------------------------------------------


def _all_due(connection: Connection, environment: str | None, after: Due | None = None) -> Iterator[Due]:
    now, rules = clock.now(), config.settings().privacy.retention
    place = after if after and after.key is None else None  # It is among events or acts.
    if not place and rules.keys() & {Kept.APPROVED, Kept.REJECTED, Kept.OTHER, Kept.SANDBOX}:
        for applicants in _pages(connection, environment, after.key if after else None):
            yield from _due_of(connection, applicants, now)
    for rule, period in dropwhile(lambda item: place and item[0] != place.rule, rules.items()):
        last = place.number if place and rule == place.rule else None
        for number, since in expiry.expired(connection, rule, period, now, environment=environment, after=last or 0):
            yield Due(rule=rule, since=since, number=number)


def _pages(connection: Connection, environment: str | None, last: ApplicantKey | None) -> Iterator[list[Applicant]]:
    """Yield applicants in the order of their keys, after a key."""
    query = select(*_COLUMNS).where(ApplicantRow.environment == environment if environment else true()).order_by(*_KEY).limit(SLICE)
    while applicants := _read(connection.execute(query.where(tuple_(*_KEY) > tuple_(*(last or ("", "", "")))))):
        last = applicants[-1].key
        yield applicants


def _read(rows: Iterable[Row[Any]]) -> list[Applicant]:
    return [Applicant(**dict(zip(_NAMES, row, strict=True))) for row in rows]


def _due_of(connection: Connection, applicants: Sequence[Applicant], now: datetime) -> Iterator[Due]:
    """Yield those of the applicants that are due, and that no hold and no erasure that is not done is about: those decide."""
    keeping = periods.keeping(connection, applicants)
    over = [
        Due(rule=kept.rule, since=kept.until, key=key, external_user_id=one.external_user_id)
        for one, (key, kept) in zip(applicants, keeping.items(), strict=True)
        if kept.until and kept.is_over(now)
    ]
    left_out = holds.held(connection, [one.key for one in over if one.key]) | _in_open_erasures(connection, over, IS_OPEN)
    yield from (one for one in over if one.key not in left_out)


def _in_open_erasures(connection: Connection, applicants: Sequence[Due | Applicant], is_open: ColumnElement[bool]) -> set[ApplicantKey]:
    """Return those of the applicants that an erasure is about that is not done, by their names or their users'."""
    if not connection.execute(select(exists().where(is_open))).scalar_one():
        return set()
    subjects = {one.key: _subjects(one.key, one.external_user_id) for one in applicants if one.key}
    asked = {subject for theirs in subjects.values() for subject in theirs}
    found = set(connection.execute(select(Erasure.subject).where(Erasure.subject.in_(asked), is_open)).scalars())
    return {key for key, theirs in subjects.items() if found.intersection(theirs)}


def _subjects(key: ApplicantKey, user: str | None) -> list[bytes]:
    """Return the digests by which an erasure names an applicant."""
    return [digests.of_applicant(key), *([digests.of_user(key.environment, user)] if user else [])]


# how it is written down ---------------------------------------------------------------------------------------


def _write(connection: Connection, *, found: Sequence[Due], spare: float, by: Actor, reason: str | None, environment: str | None) -> Ran:
    """Write down a slice. What was found a moment ago is looked at again, now that no other process decides."""
    acts.take_turn(connection)
    groups = _groups(connection, [one.key for one in found if one.key], spare)
    wanted = [(subject, _decided(group, by=by, reason=reason)) for subject, group in groups]
    ran = Ran(
        erasures=erasures.create_all(connection, wanted, stage=Stage.APPROVED, cause=Cause.RETENTION, by=by.name),
        applicants=sum(len(group) for _, group in groups),
        events=expiry.erase_events(connection, _numbers(found, Kept.UNREADABLE, Kept.SANDBOX)),
        acts=expiry.remove_acts(connection, _numbers(found, Kept.AUDIT)),
    )
    subject = " ".join(filter(None, ("retention", ", ".join(sorted({one.rule for one in found})), environment and f"in {environment}")))
    acts.record_other(connection, Action.RUN_RETENTION, subject, by=by, reason=reason, touched=ran.count)
    return ran


def _numbers(found: Sequence[Due], *rules: Kept) -> list[int]:
    return sorted({one.number for one in found if one.rule in rules and one.number is not None})


def _groups(connection: Connection, keys: Sequence[ApplicantKey], spare: float) -> list[tuple[DataSubject, list[Due]]]:
    """Return what is erased together: all applicants of a user if all are due, or are erased by a run before, so that the user's own traces
    go too; or one applicant.

    `spare`: how many applicants beside the given ones may be among them."""
    applicants = _with_others_of_their_users(connection, keys)
    still_due = {one.key: one for one in _due_of(connection, applicants, clock.now()) if one.key}
    theirs: dict[tuple[str, str], list[ApplicantKey]] = {}
    for one in applicants:
        if one.external_user_id:
            theirs.setdefault((one.environment, one.external_user_id), []).append(one.key)
    before = _in_open_erasures(connection, applicants, IS_OPEN & (Erasure.cause == Cause.RETENTION))
    asked, groups = set(keys), list[tuple[DataSubject, list[Due]]]()
    for key in keys:
        if (found := still_due.get(key)) is None:
            continue
        whole = [each for each in theirs.get((key.environment, found.external_user_id or ""), []) if each not in before]
        more = sum(each not in asked for each in whole)
        if whole and more <= spare and all(each in still_due for each in whole):
            spare -= more
            subject = DataSubject(environment=key.environment, external_user_id=found.external_user_id)
            groups.append((subject, [still_due.pop(each) for each in whole]))
        else:
            groups.append((DataSubject(**key._asdict()), [still_due.pop(key)]))
    return groups


def _with_others_of_their_users(connection: Connection, keys: Sequence[ApplicantKey]) -> list[Applicant]:
    """Return applicants, and all others of their users."""
    found = _read(connection.execute(select(*_COLUMNS).where(bulk.of_applicants(ApplicantRow, keys))))
    for environment in {one.environment for one in found}:
        users = {one.external_user_id for one in found if one.environment == environment and one.external_user_id}
        mine = (ApplicantRow.environment == environment, ApplicantRow.external_user_id.in_(users))
        found += _read(connection.execute(select(*_COLUMNS).where(*mine)))
    return list({one.key: one for one in found}.values())


def _decided(group: Sequence[Due], *, by: Actor, reason: str | None) -> dict[str, Any]:
    """Return the columns that say who decided, and by which rules."""
    rules = config.settings().privacy.retention
    basis = ", ".join(sorted({f"RETENTION {one.rule}:{rules[one.rule]}" for one in group}))
    return {"decided_by": by.name, "decided_at": clock.now(), "decision_reason": reason, "basis": basis, "reason": reason}
