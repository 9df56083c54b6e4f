"""Operational tables: audit log, sessions of the console, replays, leases, heartbeats, subscribers, reactions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, EntryName, EventId, Name, Number, partial


class Act(Base):
    """An act of a person with a right: read a body, started a replay, linked a case. With the reason and the number, where known."""

    __tablename__ = "acts"

    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Name)
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(String(500))
    reason: Mapped[str | None] = mapped_column(Text)
    touched: Mapped[int | None]
    #: The account of the operating system, where a person acted on the command line with a token.
    os_user: Mapped[str | None] = mapped_column(Name)

    # No number of an act that was removed is given again.
    __table_args__ = (Index(None, "subject"), {"sqlite_autoincrement": True})


class ConsoleSession(Base):
    """A person who signed in to the console. The browser holds the secret, and this row its digest."""

    __tablename__ = "console_sessions"

    id: Mapped[str] = mapped_column(EventId, primary_key=True)
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    person: Mapped[str] = mapped_column(Name)
    #: `receiver.web.auth.Right`.
    right: Mapped[str]
    #: What proved the person: `token`, and a mark of the token that only the browser's secret can tell.
    proved_by: Mapped[str]
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    #: When the person last proved to be the one who signed in.
    proved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(Name)

    __table_args__ = (partial("ix_console_sessions_open", "person", where="ended_at IS NULL"),)


class ReviewClaim(Base):
    """Who has claimed an entry of the review queue, and when."""

    __tablename__ = "review_claims"

    environment: Mapped[str] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    #: The entry's name: `vendor/reference` of an applicant, or the id of an event or a reaction.
    name: Mapped[str] = mapped_column(EntryName, primary_key=True)
    claimed_by: Mapped[str] = mapped_column(Name)
    at: Mapped[datetime]


class Replay(Base):
    """Events that are to be handled again, and the progress."""

    __tablename__ = "replays"

    id: Mapped[str] = mapped_column(EventId, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Name)
    reason: Mapped[str] = mapped_column(Text)
    #: Which events, as `store.operations.replays.Wanted`; of those that were kept when it began.
    wanted: Mapped[dict[str, Any]]
    last_sequence: Mapped[int] = mapped_column(Number)
    events: Mapped[int]
    changes_max: Mapped[int]
    status: Mapped[str]
    #: Up to which event, in the order of receipt, and how many that were.
    done_sequence: Mapped[int] = mapped_column(Number)
    done: Mapped[int]
    changed: Mapped[int]
    #: Events that could not be handled this time either.
    failed: Mapped[int] = mapped_column(server_default="0")
    #: How many of the events were unreadable or dead letters before, and how many of those are no longer.
    unresolved: Mapped[int] = mapped_column(server_default="0")
    repaired: Mapped[int] = mapped_column(server_default="0")
    ended_at: Mapped[datetime | None]
    #: What is to be kept to when a worker runs it, which is asked to over HTTP; and what it would do, as that worker found.
    per_second: Mapped[float | None]
    forecast: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    #: Which worker looks after it, and when it last said so.
    runner: Mapped[str | None]
    runner_seen_at: Mapped[datetime | None]


class Lease(Base):
    """When the claims of each holder end. Apart from the events, so that a claim updates no index of theirs."""

    __tablename__ = "leases"

    holder: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


class Worker(Base):
    """Heartbeats of workers, every few seconds."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    seen_at: Mapped[datetime]


class Refusal(Base):
    """Refused requests by address, vendor and cause, in slices of an hour. Kept for a week: an address is personal data."""

    __tablename__ = "refusals"

    peer: Mapped[str] = mapped_column(Name, primary_key=True)
    #: The vendor that the request named; "" where it was refused before that was read.
    vendor: Mapped[str] = mapped_column(primary_key=True)
    cause: Mapped[str] = mapped_column(primary_key=True)
    #: When the hour began.
    since: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]

    __table_args__ = (Index(None, "since"),)


class SecretUse(Base):
    """When each signing secret last matched a delivery, by its fingerprint."""

    __tablename__ = "secret_uses"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    vendor: Mapped[str] = mapped_column(primary_key=True)
    last_at: Mapped[datetime]
    matches: Mapped[int] = mapped_column(Number)


class ConfiguredSecret(Base):
    """A signing secret that the web process which started last is configured with, by its fingerprint."""

    __tablename__ = "configured_secrets"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    vendor: Mapped[str]
    environment: Mapped[str]
    #: Its place among all secrets, in the order of the settings.
    position: Mapped[int]
    #: Whether it is the first of its list.
    newest: Mapped[bool]
    #: Every fingerprint under which its uses may be counted: one for each of ENCRYPTION_KEYS.
    names: Mapped[list[str]]


class WebProcess(Base):
    """Heartbeats of web processes, every few seconds, with what their host has spooled."""

    __tablename__ = "web_processes"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    seen_at: Mapped[datetime]
    spool_bytes: Mapped[int] = mapped_column(Number)


class Subscriber(Base):
    """A subscriber (an endpoint, a function), its position in the feed, and its pause."""

    __tablename__ = "subscribers"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    seen: Mapped[int] = mapped_column(Number)
    #: Failures in a row, of different reactions; after some it is left alone for a while.
    failures: Mapped[int] = mapped_column(default=0)
    paused_until: Mapped[datetime | None]
    #: It asked for nothing more (410).
    stopped_at: Mapped[datetime | None]
    #: How it is shown; null: by its name.
    title: Mapped[str | None] = mapped_column(Name)
    #: When a worker found it in no setting; null: it is configured.
    retired_at: Mapped[datetime | None]
    #: When an operator ended what was pending for it. If it is configured again, it begins at the end of the feed.
    forgotten_at: Mapped[datetime | None]


class Reaction(Base):
    """What must happen after a change, for one subscriber: the outbox."""

    __tablename__ = "reactions"

    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    subscriber: Mapped[str] = mapped_column(Name, ForeignKey("subscribers.name"))
    #: The change's number in the feed.
    number: Mapped[int] = mapped_column(Number, ForeignKey("transitions.number"))
    vendor: Mapped[str]
    environment: Mapped[str]
    reference: Mapped[str] = mapped_column(Name)
    #: An approval fell, or the same applicant's reaction to that waits behind this one.
    urgent: Mapped[bool]
    status: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    #: When it is tried again; null: it was not tried yet.
    due_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    #: The result of each attempt: when, and in a few words.
    answers: Mapped[list[Any]] = mapped_column(JSON, default=list)
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("subscriber", "number"),
        CheckConstraint("(status = 'pending') = (settled_at IS NULL)", name="settled_unless_pending"),
        partial("ix_reactions_pending", "subscriber", "urgent", "number", where="status = 'pending'"),
        partial("ix_reactions_turn", "subscriber", "vendor", "environment", "reference", "number", where="status = 'pending'"),
        partial("ix_reactions_failed", "id", where="status = 'failed'"),
        Index(None, "settled_at"),
    )


class Bearing(Base):
    """The oldest code that may use each revision of the tables."""

    __tablename__ = "bearing"

    revision: Mapped[str] = mapped_column(primary_key=True)
    oldest: Mapped[str]
