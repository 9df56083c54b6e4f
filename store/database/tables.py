"""The tables of events, applicants and changes. Constraints say what must hold; the code explains it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy import false as sql_false
from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import APPLICANT_PLACE, SANDBOX, WITHOUT_EFFECT, Base, EventId, Name, Number, applicant_lists, partial

#: Events without a known name. Only opening their bodies shows the applicants that they are about.
NAMELESS = "length(sealed_body) > 0 AND (status IN ('failed', 'unreadable') OR status = 'ignored' AND reference IS NULL)"


class EventRow(Base):
    """The inbox: one fact, however often it was delivered."""

    __tablename__ = "events"

    #: The order in which we received it: drawn by the database, for one subject under that subject's lock.
    sequence: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(EventId)
    vendor: Mapped[str]
    environment: Mapped[str]
    #: What makes two deliveries the same event for good; null where only the subject's latest event counts.
    identity: Mapped[bytes | None] = mapped_column(LargeBinary)
    subject: Mapped[bytes | None] = mapped_column(LargeBinary)
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    #: The headers that carry meaning or let a person check the signature's time, never the signature.
    headers: Mapped[dict[str, Any]]
    #: The master key that sealed the body itself (the old form). Empty: the body has a data key (`body_keys`), or was erased.
    key_id: Mapped[str]
    sealed_body: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime]
    repeat: Mapped[bool]
    #: Its body was kept before for its subject, under whatever type.
    seen_before: Mapped[bool] = mapped_column(default=False, server_default=sql_false())
    deliveries: Mapped[int] = mapped_column(default=1)
    #: It waited in a spool, so that it was written long after it was received.
    spooled: Mapped[bool] = mapped_column(default=False, server_default=sql_false())
    #: The trace of its first delivery, as `store.text.traces` keeps it; null: an older version kept it, or it was erased.
    trace: Mapped[str | None] = mapped_column(String(35))

    status: Mapped[str] = mapped_column(default="pending")
    reason: Mapped[str | None] = mapped_column(Text)
    event_type: Mapped[str | None] = mapped_column(Name)
    reference: Mapped[str | None] = mapped_column(Name)
    occurred_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]

    attempts: Mapped[int] = mapped_column(default=0)
    #: When it is tried again; null: it was not tried yet.
    retry_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    #: Claimed alone, because a process died (or hung) while it held this event.
    suspect: Mapped[bool] = mapped_column(default=False)
    #: When a person decided that nothing is to be done about it; the audit log has the reason. A replay undoes it.
    dismissed_at: Mapped[datetime | None]
    #: To be handled again by deriving its applicants from scratch.
    replayed: Mapped[bool] = mapped_column(default=False)
    #: When its body was erased, with all that identifies the erased. What its body said about others is kept as an internal event's.
    erased_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("vendor", "environment", "identity"),
        CheckConstraint("identity IS NOT NULL OR subject IS NOT NULL", name="has_an_identity"),
        CheckConstraint("(status = 'pending') = (settled_at IS NULL)", name="settled_unless_pending"),
        CheckConstraint("status = 'pending' OR reason IS NOT NULL", name="settled_with_a_reason"),
        partial("ix_events_pending", "sequence", where="status = 'pending'"),
        partial("ix_events_newest", "vendor", "sequence", where="status = 'pending'"),
        partial("ix_events_retries", "retry_at", where="status = 'pending' AND retry_at IS NOT NULL"),
        partial("ix_events_suspects", "sequence", where="status = 'pending' AND suspect IS TRUE"),
        partial("ix_events_without_effect", "vendor", "environment", "status", "sequence", where=WITHOUT_EFFECT),
        partial("ix_events_sandbox", "environment", "sequence", where=SANDBOX),
        partial("ix_events_unhappy", "status", "sequence", where="status IN ('failed', 'unreadable')"),
        partial("ix_events_old_form", "key_id", "sequence", where="key_id <> ''"),
        partial("ix_events_decisions", "environment", "sequence", where="event_type = 'standing.decision'"),
        partial("ix_events_nameless", "vendor", "environment", "sequence", where=NAMELESS),
        partial("ix_events_subject", "vendor", "environment", "subject", "body_sha256", where="subject IS NOT NULL"),
    )


class Alias(Base):
    """Ids of spooled deliveries whose event was kept under another id."""

    __tablename__ = "aliases"

    id: Mapped[str] = mapped_column(EventId, primary_key=True)
    event_id: Mapped[str] = mapped_column(EventId, ForeignKey("events.id"))


class Subject(Base):
    """The latest event of each subject, for a vendor that gives no lasting identity (iDenfy)."""

    __tablename__ = "subjects"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    latest_fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    latest_event_id: Mapped[str] = mapped_column(EventId)
    latest_body_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    latest_is_repeat: Mapped[bool]
    #: The body before the latest; null while there is but one event.
    previous_body_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: Some of its events were erased: the hashes of their bodies are keyed, here and in `events`.
    erased: Mapped[bool] = mapped_column(default=False, server_default=sql_false())


class MentionRow(Base):
    """Which applicants an event named, what it said of them, and what followed."""

    __tablename__ = "mentions"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(Name, primary_key=True)
    event_sequence: Mapped[int] = mapped_column(Number, ForeignKey("events.sequence"), primary_key=True)
    #: Its place among the vendor's news: microseconds of the vendor's clock, or the order of receipt.
    place: Mapped[int] = mapped_column(Number)
    rank: Mapped[int]
    said: Mapped[str] = mapped_column(Text)
    meant: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str]
    why: Mapped[str] = mapped_column(Text)
    superseded_by: Mapped[str | None] = mapped_column(EventId)

    __table_args__ = (Index(None, "event_sequence"),)


class ApplicantRow(Base):
    """The current state of every applicant. A row of version 0 is not shown yet: it holds a lock, a link, or news that shows nothing."""

    __tablename__ = "applicants"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(Name, primary_key=True)
    external_user_id: Mapped[str | None] = mapped_column(Name)
    status: Mapped[str]
    final: Mapped[bool]
    provisional: Mapped[str | None]
    vendor_status: Mapped[str | None] = mapped_column(Name)
    may_retry: Mapped[bool | None]
    reasons: Mapped[list[str]]
    hits: Mapped[list[str]]
    flags: Mapped[list[str]]
    checks: Mapped[dict[str, Any]]
    user_message: Mapped[str | None] = mapped_column(Text)
    problem_documents: Mapped[list[Any]] = mapped_column(JSON, server_default="[]")
    level: Mapped[str | None] = mapped_column(Name)
    last_verdict: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    decision: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    document_expires_on: Mapped[str | None]
    ever_approved: Mapped[bool]
    as_of: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    version: Mapped[int]
    last_event_id: Mapped[str | None] = mapped_column(EventId)
    #: Why it has its status: the base status and the overlays, each with its event and a sentence.
    grounds: Mapped[list[Any]] = mapped_column(JSON)
    #: What speaks against an approval, event by event: who decides for one must have seen it.
    objections: Mapped[list[Any]] = mapped_column(JSON, server_default="[]")
    #: What the rules remember of the events, register by register. Only they read it.
    registers: Mapped[dict[str, Any]]
    #: The user of the case, as a linker said.
    linked_user_id: Mapped[str | None] = mapped_column(Name)
    #: The first event received that named it: a verification's place among a person's verifications.
    first_sequence: Mapped[int | None] = mapped_column(Number)
    #: An erasure was refused, and until it is due only privacy officers may look.
    restricted: Mapped[bool] = mapped_column(default=False, server_default=sql_false())
    #: Since when it has its status; null: unknown. It holds for this version alone: workers of before 0027 leave both as they are.
    status_since: Mapped[datetime | None]
    status_since_version: Mapped[int | None]

    __table_args__ = (
        Index(None, *APPLICANT_PLACE),
        partial("ix_applicants_user", "environment", "external_user_id", where="external_user_id IS NOT NULL"),
        Index("ix_applicants_status", "environment", "status", "updated_at", "vendor", "reference"),
        partial("ix_applicants_restricted", "vendor", "environment", "reference", where="restricted IS TRUE"),
        *applicant_lists(),
    )


class TransitionRow(Base):
    """Every change of an applicant, once, numbered in commit order: the history and the feed."""

    __tablename__ = "transitions"

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    vendor: Mapped[str]
    environment: Mapped[str]
    reference: Mapped[str] = mapped_column(Name)
    version: Mapped[int]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    reversal: Mapped[str | None]
    changed: Mapped[list[str]]
    reasons: Mapped[list[str]]
    event_id: Mapped[str | None] = mapped_column(EventId)
    as_of: Mapped[datetime | None]
    at: Mapped[datetime]
    #: The applicant as it then was.
    applicant: Mapped[dict[str, Any]]
    code_version: Mapped[str]
    #: Who linked it, from which user to which; null for every other change.
    linked: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    #: When it was emptied, because its applicant was erased.
    erased_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("vendor", "environment", "reference", "version"),
        Index(None, "environment", "number"),
        partial("ix_transitions_event", "event_id", where="event_id IS NOT NULL"),
        partial("ix_transitions_reversals", "environment", "number", where="reversal IS NOT NULL"),
        partial("ix_transitions_reversals_of_a_kind", "environment", "reversal", "number", where="reversal IS NOT NULL"),
        partial("ix_transitions_reversals_by_time", "environment", "reversal", "at", where="reversal IS NOT NULL"),
    )


class QuietMove(Base):
    """What was shown of an applicant after a move that is no change, so that the state at any time can be shown."""

    __tablename__ = "quiet_moves"

    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    vendor: Mapped[str]
    environment: Mapped[str]
    reference: Mapped[str] = mapped_column(Name)
    version: Mapped[int]
    at: Mapped[datetime]
    applicant: Mapped[dict[str, Any]]

    __table_args__ = (Index(None, "vendor", "environment", "reference", "at"),)


class Feed(Base):
    """One row: the feed's epoch, and the number of its last change. The transaction that holds its lock commits next."""

    __tablename__ = "feed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str]
    last: Mapped[int] = mapped_column(Number)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
