"""Tables of what the vendors are asked: verifications that are started here, and reconciliations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, EventId, Name, partial


class VerificationRequest(Base):
    """A verification that somebody asked for, and how far it is. It is written before anything is sent to a vendor."""

    __tablename__ = "verification_requests"

    id: Mapped[str] = mapped_column(EventId, primary_key=True)
    vendor: Mapped[str]
    environment: Mapped[str]
    external_user_id: Mapped[str] = mapped_column(Name)
    #: `store.starts.requests.StartMode`.
    mode: Mapped[str]
    #: IDnGO's level, or IFCGATE's workflow.
    level: Mapped[str | None] = mapped_column(Name)
    #: `store.starts.requests.StartStatus`.
    status: Mapped[str]
    #: The vendor's id of the verification, once it is known.
    reference: Mapped[str | None] = mapped_column(Name)
    #: Which documents were asked for (type, side, country), without their addresses.
    documents: Mapped[list[Any]] = mapped_column(JSON)
    #: The images that were passed on: type, side, size, country, a salted digest, and the vendor's words.
    uploads: Mapped[list[Any]] = mapped_column(JSON)
    #: What names the person or opens the vendor's pages, with a data key of its own: `store.starts.sealed.Secrets`.
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)

    #: The digest of the caller and of the `Idempotency-Key`, while that key means this verification.
    key_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: Until when the first request with that key may still be under way.
    answering_until: Mapped[datetime | None]

    attempts: Mapped[int]
    #: When the next step is to be done; null: nothing is to be done here.
    due_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    #: The result of each attempt: when, and in a few words.
    answers: Mapped[list[Any]] = mapped_column(JSON)
    #: Why it failed (`kind`, `says`), and what the vendor still waits for (`missing`).
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    requested_by: Mapped[str] = mapped_column(Name)
    requested_at: Mapped[datetime]
    #: The trace of the request, as `store.text.traces` keeps it. The calls to the vendor belong to it.
    trace: Mapped[str | None] = mapped_column(String(35))
    #: When it was opened: asked for, tried again, or sent to the vendor again after a verdict.
    opened_at: Mapped[datetime]
    #: Why it was started although another was open.
    forced: Mapped[str | None] = mapped_column(Text)
    #: When the request that may cost something was first sent. Its answer may be lost.
    sent_at: Mapped[datetime | None]
    linked_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    #: When another may be started: after a verdict, a failure, a cancellation.
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("key_digest"),
        CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name="claimed_for_a_time"),
        Index(
            "uq_verification_requests_open", "vendor", "environment", "external_user_id", unique=True,
            postgresql_where=text("ended_at IS NULL"), sqlite_where=text("ended_at IS NULL"),
        ),
        partial("ix_verification_requests_due", "due_at", where="due_at IS NOT NULL"),
        partial("ix_verification_requests_failed", "id", where="status = 'failed'"),
        Index(None, "environment", "id"),
        Index(None, "environment", "external_user_id", "id"),
        Index(None, "vendor", "environment", "reference"),
    )  # fmt: skip


class Reconciliation(Base):
    """The last run of a vendor: which process asks, and the result; and the run that somebody asked for. One process at a time asks."""

    __tablename__ = "reconciliations"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    #: Empty: the vendor was never asked.
    runner: Mapped[str] = mapped_column(Name)
    begun_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    #: Null while it is asked.
    ended_at: Mapped[datetime | None]
    asked: Mapped[int]
    drifted: Mapped[int]
    repaired: Mapped[int]
    #: Why it ended before its end, if it did.
    said: Mapped[str | None] = mapped_column(Text)
    #: Who had the vendor asked, where that is known, and whether what drifts is repaired.
    actor: Mapped[str | None] = mapped_column(Name)
    repairs: Mapped[bool | None]
    #: When the last run began that was not about named applicants; null: as `begun_at`.
    round_at: Mapped[datetime | None]
    #: The run that somebody asked for over HTTP, as `store.operations.reconciliations.Wanted`; null once it has ended.
    wanted: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class ReconciliationFinding(Base):
    """An applicant of which the vendor's answer drifts from ours, or is not clear, as the last run of the vendor found."""

    __tablename__ = "reconciliation_findings"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(Name, primary_key=True)
    found_at: Mapped[datetime]
    ours: Mapped[str | None]
    ours_since: Mapped[datetime | None]
    theirs: Mapped[str | None]
    theirs_since: Mapped[datetime | None]
    drifts: Mapped[bool]
    #: Where repairing it would lead, or led; null: nowhere.
    repair: Mapped[str | None]
    #: The event that repaired it.
    event_id: Mapped[str | None] = mapped_column(EventId)
    says: Mapped[str] = mapped_column(Text)
