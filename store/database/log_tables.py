"""The tables of the log: its leaves, the hashes of its tree, its epochs and checkpoints, and what waits to be logged.

`store/proof/` is the only package that reads them and writes them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, EventId, Name, Number, partial


class Leaf(Base):
    """One leaf of the Merkle tree. Version, kind, time and commitment are hashed; the rest leads to the row that it commits to."""

    __tablename__ = "log_leaves"

    #: Its place in the tree, from 0, without a gap.
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    #: `store.proof.kinds.LeafKind`.
    kind: Mapped[str]
    #: When it was appended. Never earlier than the leaf before.
    at: Mapped[datetime]
    commitment: Mapped[bytes] = mapped_column(LargeBinary)
    #: The secret of the commitment. Null: it is derived from the data key of the event, or the leaf was emptied.
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: The row: its number, or its id where it has no number.
    row: Mapped[int | None] = mapped_column(Number)
    row_id: Mapped[str | None] = mapped_column(EventId)
    #: The leaf of the erasure, or of the retention run, that emptied it.
    emptied_by: Mapped[int | None] = mapped_column(Number)

    __table_args__ = (
        Index(None, "kind", "row"),
        partial("ix_log_leaves_row_id", "row_id", "kind", where="row_id IS NOT NULL"),
        partial("ix_log_leaves_emptied_by", "emptied_by", where="emptied_by IS NOT NULL"),
    )


class Tile(Base):
    """Up to 256 hashes of one level of the tree, side by side, of 32 bytes each. Level 0 are the leaves; each hash of the level above is
    the root of a full tile."""

    __tablename__ = "log_tiles"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class Unlogged(Base):
    """A row that waits to be logged: it has no number that shows that it is new, or it was logged and then erased.

    It is written in the transaction that writes or erases the row."""

    __tablename__ = "log_queue"

    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    kind: Mapped[str]
    row: Mapped[int | None] = mapped_column(Number)
    row_id: Mapped[str | None] = mapped_column(EventId)
    #: It was erased: the leaves that it had are emptied.
    erased: Mapped[bool]
    #: The erasure that erased it. Null: a rule of RETENTION about events or acts did.
    erasure_id: Mapped[str | None] = mapped_column(EventId)


class Epoch(Base):
    """One life of the log, under one origin and one key."""

    __tablename__ = "log_epochs"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: `<LOG_ORIGIN>/<number>`, which is also the name of the key.
    origin: Mapped[str] = mapped_column(Name)
    #: The public key, as a C2SP vkey.
    vkey: Mapped[str] = mapped_column(Text)
    began_at: Mapped[datetime]
    #: The log before it, as far as it was signed: its origin, size and root. Null: there was none.
    old_origin: Mapped[str | None] = mapped_column(Name)
    old_size: Mapped[int | None] = mapped_column(Number)
    old_root: Mapped[bytes | None] = mapped_column(LargeBinary)


class Checkpoint(Base):
    """A signed checkpoint: the newest of each epoch, and those that were published."""

    __tablename__ = "log_checkpoints"

    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    #: The signed note.
    note: Mapped[str] = mapped_column(Text)
    published: Mapped[bool] = mapped_column(default=False)


class Publication(Base):
    """Where checkpoints are published, and how that went last."""

    __tablename__ = "log_publications"

    #: A digest of the place as the setting names it: an address may hold a password.
    key: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int | None]
    size: Mapped[int | None] = mapped_column(Number)
    published_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


class LogStop(Base):
    """A time in which nothing was logged: the sequencer did not run. Its leaf says so."""

    __tablename__ = "log_stops"

    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    since: Mapped[datetime]
    until: Mapped[datetime]


class LogState(Base):
    """One row: the sequencer that has the lease, up to which rows all are logged, why nothing is signed, and the last verification."""

    __tablename__ = "log_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    runner: Mapped[str | None] = mapped_column(Name)
    runner_seen_at: Mapped[datetime | None]
    #: Every event, and every act, up to these numbers is logged, or will never be there.
    events_to: Mapped[int] = mapped_column(Number)
    acts_to: Mapped[int] = mapped_column(Number)
    #: Why nothing is signed. Null: it is signed.
    stopped_because: Mapped[str | None] = mapped_column(Text)
    #: Nothing is signed until `standing log new-epoch`.
    stopped_for_good: Mapped[bool] = mapped_column(default=False)
    #: Up to which leaf the tables were compared with the log, when, and how many faults were found.
    verified_size: Mapped[int] = mapped_column(Number)
    verified_at: Mapped[datetime | None]
    faults: Mapped[int]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
