"""Rows that a proof is asked for: which row an id names, who may see it, and which of its leaves is proved."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, exists, func, or_, select

from store.access import audit
from store.applicants import feed, visibility
from store.applicants.visibility import Restricted
from store.database import bulk
from store.database.log_tables import Leaf, Unlogged
from store.database.tables import Alias, EventRow, TransitionRow
from store.proof.kinds import SOURCES, LeafKind
from store.text.names import EVENT_ID
from store.text.states import ApplicantKey


class About(StrEnum):
    """What a proof may be asked for."""

    EVENT = "event"
    CHANGE = "change"
    ACT = "act"
    ERASURE = "erasure"
    HOLD = "hold"
    #: A leaf by its number, whatever it is about.
    LEAF = "leaf"


#: The kinds of leaves of each, the last stage first.
KINDS = {
    About.EVENT: (LeafKind.EVENT,),
    About.CHANGE: (LeafKind.CHANGE,),
    About.ACT: (LeafKind.ACT,),
    About.ERASURE: (LeafKind.ERASURE_DONE, LeafKind.ERASURE_DECIDED, LeafKind.ERASURE),
    About.HOLD: (LeafKind.HOLD_LIFTED, LeafKind.HOLD),
}

#: Rows that one query looks for.
KEYS_AT_ONCE = 1000

#: The greatest number that a column holds.
NUMBER_MAX = 2**63 - 1


class NotLogged(Exception):
    """It is kept, and no signed checkpoint has its leaf yet."""


class Sought(Struct, frozen=True, kw_only=True):
    """The row that a proof is asked for."""

    kinds: tuple[LeafKind, ...]
    #: Its number or id. None: a leaf about no row.
    key: int | str | None
    #: The leaf, if it was asked for by its number.
    leaf: Row[Any] | None = None

    @property
    def kind(self) -> LeafKind:
        """Return the kind of its last stage."""
        return self.kinds[0]


def find(connection: Connection, about: About, name: str) -> Sought | None:
    """Return the row that an id names: of a change its cursor, or its number in the feed; None if there never was one. Raises
    OutOfPlace for a cursor that this feed did not give."""
    if about == About.LEAF:
        return _of_leaf(connection, name)
    key = _key(connection, about, name)
    if key is None:
        return None
    kinds = KINDS[about]
    is_known = _is_kept(connection, kinds[0], key) or _newest(connection, kinds, key) is not None
    return Sought(kinds=kinds, key=key) if is_known else None


def leaf(connection: Connection, sought: Sought) -> Row[Any]:
    """Return the leaf to prove: the newest of a row's last stage. Raises NotLogged."""
    if sought.leaf is not None:
        return sought.leaf
    # The queue first: once a row is not there any more, its leaf is appended.
    found = None if is_queued(connection, sought) else _newest(connection, sought.kinds, sought.key)
    if found is None:
        raise NotLogged
    return found


def is_queued(connection: Connection, sought: Sought) -> bool:
    """Return whether a row waits to be logged, or was erased and its leaves wait to be emptied."""
    if sought.key is None:
        return False
    waits = exists().where(Unlogged.kind.in_(sought.kinds), _named(Unlogged, sought.kind, sought.key))
    return connection.execute(select(waits)).scalar_one()


def without_leaf(connection: Connection, kind: LeafKind, keys: Collection[int | str], *, size: int) -> set[int | str]:
    """Return those rows of a kind, by their numbers or ids, whose newest leaf is not among the first `size`, or that wait for one."""
    lacking = set(keys)
    for some in bulk.parts(list(keys), KEYS_AT_ONCE):
        logged, waiting = (table.row if SOURCES[kind].is_numbered else table.row_id for table in (Leaf, Unlogged))
        # The queue first: once a row is not there any more, its leaf is appended.
        queued = set(connection.execute(select(waiting).where(Unlogged.kind == kind, waiting.in_(some))).scalars())
        newest = select(logged).where(Leaf.kind == kind, logged.in_(some)).group_by(logged).having(func.max(Leaf.number) < size)
        lacking -= set(connection.execute(newest).scalars()) - queued
    return lacking


def leaf_key(leaf: Row[Any]) -> int | str | None:
    """Return the number or id of a leaf's row."""
    key: int | str | None = leaf.row if leaf.row_id is None else leaf.row_id
    return key


def by_number(connection: Connection, number: int) -> Row[Any] | None:
    """Return a leaf by its number."""
    return connection.execute(select(Leaf.__table__).where(Leaf.number == number)).one_or_none()


def check_visible(connection: Connection, sought: Sought, *, is_officer: bool, with_body: bool = False) -> None:
    """Check that the caller may see a row, as where the row itself is read. Raises Hidden, and Unopenable where a body must be searched.

    `with_body`: the body of an event is to be read."""
    if sought.kind == LeafKind.EVENT:
        event_id = connection.execute(select(EventRow.id).where(EventRow.sequence == sought.key)).scalar_one_or_none()
        if event_id is not None:
            visibility.find_event(connection, event_id, is_officer=is_officer, with_body=with_body)
    elif sought.kind == LeafKind.CHANGE and not is_officer:
        shown = connection.execute(feed.ENTRIES.where(TransitionRow.number == sought.key)).one_or_none()
        if shown is not None and shown.restricted:
            raise Restricted
    elif sought.kind == LeafKind.ACT and not is_officer and audit.is_restricted(connection, int(sought.key or 0)):
        raise Restricted


def subject(connection: Connection, sought: Sought) -> str | None:
    """Return how the audit log names what was looked at; None: it is neither an applicant nor an event."""
    if sought.kind == LeafKind.EVENT:
        event_id = connection.execute(select(EventRow.id).where(EventRow.sequence == sought.key)).scalar_one_or_none()
        return audit.event_subject(event_id) if event_id else None
    if sought.kind == LeafKind.CHANGE:
        change = connection.execute(feed.ENTRIES.where(TransitionRow.number == sought.key)).one_or_none()
        if change is not None and change.erased_at is None:
            return audit.applicant_subject(ApplicantKey(change.vendor, change.environment, change.reference))
    return None


def _of_leaf(connection: Connection, name: str) -> Sought | None:
    number = _number(name)
    found = by_number(connection, number) if number is not None else None
    if found is None:
        return None
    kind = LeafKind(found.kind)
    return Sought(kinds=(kind,), key=None if kind == LeafKind.EMPTIED else leaf_key(found), leaf=found)


def _key(connection: Connection, about: About, name: str) -> int | str | None:
    """Return the number or id by which a row is found; None if nothing can have this name."""
    if about == About.CHANGE:
        number = _number(name)
        return feed.number_of(connection, name) if number is None else number
    if about == About.ACT:
        return _number(name)
    if not EVENT_ID.fullmatch(name):
        return None
    return _sequence(connection, name) if about == About.EVENT else name


def _number(text: str) -> int | None:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    return found if 0 <= found <= NUMBER_MAX else None


def _sequence(connection: Connection, event_id: str) -> int | None:
    alias = select(Alias.event_id).where(Alias.id == event_id).scalar_subquery()
    query = select(EventRow.sequence).where(or_(EventRow.id == event_id, EventRow.id == alias))
    return connection.execute(query).scalar_one_or_none()


def _is_kept(connection: Connection, kind: LeafKind, key: int | str) -> bool:
    source = SOURCES[kind]
    return connection.execute(select(exists().where(getattr(source.table, source.key) == key))).scalar_one()


def _newest(connection: Connection, kinds: tuple[LeafKind, ...], key: int | str | None) -> Row[Any] | None:
    """Return the newest leaf of the last stage that has one."""
    for kind in kinds:
        query = select(Leaf.__table__).where(Leaf.kind == kind, _named(Leaf, kind, key)).order_by(Leaf.number.desc()).limit(1)
        found = connection.execute(query).one_or_none()
        if found is not None:
            return found
    return None


def _named(table: Any, kind: LeafKind, key: int | str | None) -> ColumnElement[bool]:
    named: ColumnElement[bool] = (table.row if SOURCES[kind].is_numbered else table.row_id) == key
    return named
