"""Snapshots: each applicant must be as its newest change shows it, which is logged, or as a later move that is no change left it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, exists, func, select

from store.applicants import erased, feed
from store.applicants import table as applicants
from store.applicants.table import Applicant, describe, from_row
from store.database import bulk
from store.database.tables import ApplicantRow, QuietMove, TransitionRow
from store.proof.verification.faults import Fault
from store.proof.verification.pages import readable
from store.text.states import ApplicantKey

#: What a fault about an applicant is about.
APPLICANT = "applicant"

#: Applicants that are compared together.
APPLICANTS_AT_ONCE = 500

#: Applicants without a row that are named.
MISSING_MAX = 1000

#: What a move that is no change may alter.
_QUIET = {"as_of", "ever_approved", "last_verdict", "updated_at", "last_event_id"}

_KEY = ("vendor", "environment", "reference")


class _Newest(NamedTuple):
    """The newest change of an applicant."""

    number: int
    version: int
    snapshot: Mapping[str, Any]


def compare(connection: Connection, after: ApplicantKey | None) -> tuple[list[ApplicantKey], list[tuple[ApplicantKey, Fault]]]:
    """Compare the next applicants after a key; return which those are, and the faults."""
    keys = applicants.keys_after(connection, after, limit=APPLICANTS_AT_ONCE)
    return keys, again(connection, keys)


def again(connection: Connection, keys: Sequence[ApplicantKey]) -> list[tuple[ApplicantKey, Fault]]:
    """Compare some applicants; return the faults."""
    if not keys:
        return []
    shown = select(*(getattr(ApplicantRow, name) for name in _KEY)).where(ApplicantRow.version > 0)
    kept = [ApplicantKey(*row) for row in connection.execute(shown.where(bulk.of_applicants(ApplicantRow, keys)))]
    found, newest = readable(partial(_read, connection), kept), _newest(connection, keys)
    unread = [(key, Fault(APPLICANT, _of_change(newest.get(key)), "its row cannot be read")) for key in kept if key not in found]
    wrong = {key: why for key, one in found.items() if (why := _wrong(connection, one, newest.get(key)))}
    return [*unread, *((key, Fault(APPLICANT, _name(found[key], newest.get(key)), why)) for key, why in wrong.items())]


def _read(connection: Connection, keys: Sequence[ApplicantKey]) -> dict[ApplicantKey, Applicant]:
    found = connection.execute(select(*applicants.SHOWN).where(bulk.of_applicants(ApplicantRow, keys)))
    by_key = {one.key: one for one in map(from_row, found)}
    for one in by_key.values():
        describe(one)
    return by_key


def missing(connection: Connection) -> Iterator[tuple[ApplicantKey, Fault]]:
    """Yield the applicants that have changes, and no row."""
    row = exists().where(*(getattr(ApplicantRow, name) == getattr(TransitionRow, name) for name in _KEY), ApplicantRow.version > 0)
    columns = (getattr(TransitionRow, name) for name in _KEY)
    first = (TransitionRow.version == 1, TransitionRow.erased_at.is_(None), TransitionRow.to_status != feed.ERASED)
    found = connection.execute(select(*columns, TransitionRow.number).where(*first, ~row).order_by(TransitionRow.number).limit(MISSING_MAX))
    changes = {ApplicantKey(*key): number for *key, number in found}
    for key in erased.not_erased(connection, changes):
        yield key, Fault(APPLICANT, f"of change {changes[key]}", "its row is missing, and it is not erased")


def names(connection: Connection, found: Sequence[Applicant]) -> dict[ApplicantKey, str]:
    """Return how faults name applicants."""
    newest = _newest(connection, [one.key for one in found if one.restricted])
    return {one.key: _name(one, newest.get(one.key)) for one in found}


def _name(one: Applicant, newest: _Newest | None) -> str:
    """Return how a fault names an applicant: one that is restricted by its newest change."""
    return _of_change(newest) if one.restricted else " ".join(one.key)


def _of_change(newest: _Newest | None) -> str:
    return f"of change {newest.number if newest else '?'}"


def _newest(connection: Connection, keys: Sequence[ApplicantKey]) -> dict[ApplicantKey, _Newest]:
    if not keys:
        return {}
    columns = [getattr(TransitionRow, name) for name in _KEY]
    last = select(*columns, func.max(TransitionRow.version).label("version")).where(
        bulk.of_applicants(TransitionRow, keys), TransitionRow.version > 0, TransitionRow.to_status != feed.ERASED
    )
    found = last.group_by(*columns).subquery()
    mine = and_(*(getattr(TransitionRow, name) == found.c[name] for name in (*_KEY, "version")))
    query = select(*columns, TransitionRow.number, TransitionRow.version, TransitionRow.applicant).join(found, mine)
    return {ApplicantKey(*row[:3]): _Newest(row.number, row.version, row.applicant) for row in connection.execute(query)}


def _wrong(connection: Connection, one: Applicant, newest: _Newest | None) -> str | None:
    """Return what is wrong with an applicant; None if nothing is."""
    if newest is None:
        return "no change led to it"
    if newest.version != one.version:
        return f"it is of version {one.version}, and its newest change, {newest.number}, of version {newest.version}"
    shown = describe(one)
    differing = _differing(shown, newest.snapshot)
    if loud := sorted(differing - _QUIET):
        return f"{', '.join(loud)} not as in its newest change, {newest.number}"
    if not differing:
        return None
    if _without_time(shown["last_verdict"]) != _without_time(newest.snapshot.get("last_verdict")):
        return f"last_verdict not as in its newest change, {newest.number}"
    moved = _quiet_move(connection, one)
    if moved is None or (differing := _differing(shown, moved)):
        return f"{', '.join(sorted(differing))} not as in its newest change, {newest.number}, nor as a later move left it"
    return None


def _differing(shown: Mapping[str, Any], snapshot: Any) -> set[str]:
    """Return the fields that differ. A field that is younger than the snapshot must be empty."""
    if not isinstance(snapshot, Mapping):
        return set(shown)
    return {field for field, value in shown.items() if (value != snapshot[field] if field in snapshot else value)}


def _without_time(verdict: Any) -> Any:
    return {field: value for field, value in verdict.items() if field != "as_of"} if isinstance(verdict, Mapping) else verdict


def _quiet_move(connection: Connection, one: Applicant) -> Mapping[str, Any] | None:
    query = select(QuietMove.applicant).filter_by(**one.key._asdict(), version=one.version).order_by(QuietMove.id.desc()).limit(1)
    found: Mapping[str, Any] | None = connection.execute(query).scalar_one_or_none()
    return found
