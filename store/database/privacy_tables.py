"""The tables about personal data: relationships, holds, erasures, the fences around what was erased, and the keys of bodies.

What remains after an erasure names no person: digests are keyed (`store.privacy.digests`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, EventId, Name, Number, partial


class Relationship(Base):
    """The business relationship with a user: when it ended, which is where the clock of retention begins."""

    __tablename__ = "relationships"

    environment: Mapped[str] = mapped_column(primary_key=True)
    external_user_id: Mapped[str] = mapped_column(Name, primary_key=True)
    #: Null: it goes on.
    ended_at: Mapped[datetime | None]
    basis: Mapped[str | None] = mapped_column(Text)
    said_by: Mapped[str] = mapped_column(Name)
    said_at: Mapped[datetime]

    __table_args__ = (Index(None, "said_at"),)


class Hold(Base):
    """Nothing of a user, or of an applicant, is erased while a hold is on it."""

    __tablename__ = "holds"

    id: Mapped[str] = mapped_column(EventId, primary_key=True)
    environment: Mapped[str]
    #: The data subject: a user, or one applicant. Null once they are erased.
    external_user_id: Mapped[str | None] = mapped_column(Name)
    vendor: Mapped[str | None]
    reference: Mapped[str | None] = mapped_column(Name)
    reason: Mapped[str | None] = mapped_column(Text)
    review_at: Mapped[datetime | None]
    placed_by: Mapped[str] = mapped_column(Name)
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None] = mapped_column(Name)
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted_by_somebody"),
        partial("ix_holds_open", "environment", "external_user_id", "reference", where="lifted_at IS NULL"),
    )


class Erasure(Base):
    """One erasure: who asked for it, who decided, and its outcome."""

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(EventId, primary_key=True)
    environment: Mapped[str]
    #: `store.privacy.erasing.erasures.Stage`.
    status: Mapped[str]
    #: `store.privacy.erasing.erasures.Cause`.
    cause: Mapped[str]
    #: The data subject: a user, or one applicant. Null once it is done.
    external_user_id: Mapped[str | None] = mapped_column(Name)
    vendor: Mapped[str | None]
    reference: Mapped[str | None] = mapped_column(Name)
    #: The keyed digest of the applicant, which stays.
    subject: Mapped[bytes] = mapped_column(LargeBinary)
    #: Which applicants are erased, as `[vendor, reference]`, while it is carried out. Null before and after.
    targets: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    reason: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime]
    #: When the person must have an answer.
    deadline: Mapped[datetime]
    requested_by: Mapped[str] = mapped_column(Name)
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(Name)
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None] = mapped_column(Text)
    #: The legal basis of a refusal, or of an erasure before its time.
    basis: Mapped[str | None] = mapped_column(Text)
    #: Until when it is refused.
    until: Mapped[datetime | None]
    #: Until then only privacy officers may look.
    restricted: Mapped[bool] = mapped_column(default=False)
    early: Mapped[bool]
    with_vendor: Mapped[bool]
    #: The vendors that a person is to ask to erase, too.
    vendor_tasks: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    #: Why the vendor's own deletion waits: `store.privacy.erasing.vendor_wait.Answer`.
    vendor_answer: Mapped[str | None]
    #: When the vendor is asked again. All is erased here by then but the names of this row. Null: it is not waited for.
    vendor_again_at: Mapped[datetime | None]
    #: When the vendor was first asked to erase.
    vendor_asked_at: Mapped[datetime | None]
    #: Who confirmed the vendor's deletion in the vendor's place. Null: no person had to.
    vendor_confirmed_by: Mapped[str | None] = mapped_column(Name)
    #: When its deletions ended.
    done_at: Mapped[datetime | None]
    applicants: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index(None, "environment", "id"),
        Index(None, "subject"),
        partial("ix_erasures_open", "status", "until", where="status <> 'done'"),
    )


class Fence(Base):
    """An applicant that was erased. What comes later about it is erased once it is read."""

    __tablename__ = "fences"

    #: The keyed digest of vendor, environment and reference.
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    #: Null: it is known from the ledger alone.
    vendor: Mapped[str | None]
    erasure_id: Mapped[str] = mapped_column(EventId)
    erased_at: Mapped[datetime]
    #: News whose time of the vendor's clock is later counts again. Null: none does.
    readmitted_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "erasure_id"),)


class PrivacyState(Base):
    """One row: what shows that INDEX_KEY is the right one, how many lines of the ledger the database has, and who carries erasures out."""

    __tablename__ = "privacy_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index_key_check: Mapped[bytes | None] = mapped_column(LargeBinary)
    ledger_lines: Mapped[int] = mapped_column(Number)
    #: The process that carries erasures out, and when it last said so. Null: none does.
    runner: Mapped[str | None] = mapped_column(Name)
    runner_seen_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class BodyKey(Base):
    """The data key of one event's body. It is deleted when the event is erased.

    Narrow, and apart from the events: wrapping every key again writes no body. Its rows are written and deleted with the event's body,
    in one transaction; a foreign key would look up each event a second time while it is kept."""

    __tablename__ = "body_keys"

    event_id: Mapped[str] = mapped_column(EventId, primary_key=True)
    #: The master key that wraps it.
    key_id: Mapped[str]
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = ({"sqlite_with_rowid": False},)


class MasterKey(Base):
    """A master key, by its public id: since when backups may need it, and since when none can be opened with it."""

    __tablename__ = "master_keys"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    #: Not later than the first body that it protects in a backup.
    first_used_at: Mapped[datetime]
    #: Since when nothing in the database needs it. Null: it is in use.
    replaced_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]
    #: Who destroyed it. Set before `destroyed_at` while Standing removes a key of its own from the file.
    destroyed_by: Mapped[str | None] = mapped_column(Name)

    __table_args__ = (CheckConstraint("destroyed_at IS NULL OR destroyed_by IS NOT NULL", name="destroyed_by_somebody"),)
