"""Kinds of leaves: which row a leaf commits to, and to which of its columns."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from store.database.columns import Base
from store.database.log_tables import Epoch, Leaf, LogStop, Unlogged
from store.database.operations_tables import Act
from store.database.privacy_tables import Erasure, Hold
from store.database.tables import EventRow, TransitionRow


class LeafKind(StrEnum):
    """What a leaf is about."""

    EVENT = "event"
    CHANGE = "change"
    ACT = "act"
    HOLD = "hold"
    HOLD_LIFTED = "hold-lifted"
    ERASURE = "erasure"
    ERASURE_DECIDED = "erasure-decided"
    ERASURE_DONE = "erasure-done"
    #: Leaves that an erasure, or a rule of RETENTION, emptied.
    EMPTIED = "emptied"
    #: A time in which nothing was logged.
    STOP = "stop"
    #: A new epoch of the log, and where the one before ended.
    EPOCH = "epoch"


class Source(Struct, frozen=True):
    """The rows of one kind."""

    table: type[Base]
    #: What is committed to; the first is what the rows are found by. Each is there when the row is logged, and changed by an erasure alone.
    columns: tuple[str, ...]
    #: When it happened, by the row's own account. Empty: the row has no time of its own.
    own_time: str = ""
    #: Whether its rows are found by a number, which shows that they are new; else by an id.
    is_numbered: bool = True

    @property
    def key(self) -> str:
        """Return what the rows are found by."""
        return self.columns[0]


def _source(table: type[Base], columns: str, *, own_time: str = "", is_numbered: bool = True) -> Source:
    return Source(table, tuple(columns.split()), own_time, is_numbered)


#: An event's body is committed to besides, by a digest that is keyed by the event's own secret.
SOURCES = {
    LeafKind.EVENT: _source(EventRow, "sequence id vendor environment received_at headers spooled erased_at", own_time="received_at"),
    LeafKind.CHANGE: _source(
        TransitionRow,
        "number vendor environment reference version from_status to_status reversal changed reasons event_id as_of at applicant"
        " code_version linked erased_at",
        own_time="at",
    ),
    LeafKind.ACT: _source(Act, "id at actor action subject reason touched os_user", own_time="at"),
    LeafKind.HOLD: _source(
        Hold,
        "id environment external_user_id vendor reference reason review_at placed_by placed_at",
        own_time="placed_at",
        is_numbered=False,
    ),
    LeafKind.HOLD_LIFTED: _source(Hold, "id lifted_by lifted_at lift_reason", own_time="lifted_at", is_numbered=False),
    LeafKind.ERASURE: _source(
        Erasure,
        "id environment cause external_user_id vendor reference subject reason received_at requested_by requested_at",
        own_time="requested_at",
        is_numbered=False,
    ),
    LeafKind.ERASURE_DECIDED: _source(
        Erasure,
        "id decided_by decided_at decision_reason basis until early with_vendor",
        own_time="decided_at",
        is_numbered=False,
    ),
    LeafKind.ERASURE_DONE: _source(Erasure, "id done_at applicants events", own_time="done_at", is_numbered=False),
    LeafKind.STOP: _source(LogStop, "id since until"),
    LeafKind.EPOCH: _source(Epoch, "number origin vkey began_at old_origin old_size old_root", own_time="began_at"),
}


def key_column(kind: LeafKind) -> Any:
    """Return the column by which the rows of a kind are found."""
    return getattr(SOURCES[kind].table, SOURCES[kind].key)


def row_column(table: type[Leaf | Unlogged], kind: LeafKind) -> Any:
    """Return the column of the leaves, or of the queue, that leads to the rows of a kind."""
    return table.row if SOURCES[kind].is_numbered else table.row_id


def key_of(row: Any) -> int | str:
    """Return the number of the row that a leaf, or an entry of the queue, leads to; its id where it has no number."""
    key: int | str = row.row if row.row_id is None else row.row_id
    return key
