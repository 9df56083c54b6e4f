"""The tables"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
EVENT_ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    op.create_table(
        "acts",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("action", WORD, nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    op.create_table(
        "applicants",
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("external_user_id", NAME, nullable=True),
        sa.Column("status", WORD, nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("provisional", WORD, nullable=True),
        sa.Column("vendor_status", NAME, nullable=True),
        sa.Column("may_retry", sa.Boolean(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("hits", sa.JSON(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("user_message", sa.Text(), nullable=True),
        sa.Column("level", NAME, nullable=True),
        sa.Column("last_verdict", sa.JSON(), nullable=True),
        sa.Column("ever_approved", sa.Boolean(), nullable=False),
        sa.Column("as_of", MOMENT, nullable=True),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_event_id", EVENT_ID, nullable=True),
        sa.Column("grounds", sa.JSON(), nullable=False),
        sa.Column("registers", sa.JSON(), nullable=False),
        sa.Column("linked_user_id", NAME, nullable=True),
        sa.Column("first_sequence", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("vendor", "environment", "reference", name=op.f("pk_applicants")),
    )
    op.create_index("ix_applicants_environment_status_updated_at", "applicants", ["environment", "status", "updated_at"])
    op.create_index(
        "ix_applicants_environment_updated_at_vendor_reference", "applicants", ["environment", "updated_at", "vendor", "reference"]
    )
    op.create_index(
        "ix_applicants_user",
        "applicants",
        ["environment", "external_user_id"],
        postgresql_where=sa.text("external_user_id IS NOT NULL"),
        sqlite_where=sa.text("external_user_id IS NOT NULL"),
    )

    op.create_table(
        "events",
        sa.Column("sequence", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", EVENT_ID, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=True),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("key_id", WORD, nullable=False),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("event_type", NAME, nullable=True),
        sa.Column("reference", NAME, nullable=True),
        sa.Column("occurred_at", MOMENT, nullable=True),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("claimed_by", WORD, nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.Column("suspect", sa.Boolean(), nullable=False),
        sa.Column("replayed", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(status = 'pending') = (settled_at IS NULL)", name=op.f("ck_events_settled_unless_pending")),
        sa.CheckConstraint("status = 'pending' OR reason IS NOT NULL", name=op.f("ck_events_settled_with_a_reason")),
        sa.CheckConstraint("identity IS NOT NULL OR subject IS NOT NULL", name=op.f("ck_events_has_an_identity")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
        sa.UniqueConstraint("vendor", "environment", "identity", name=op.f("uq_events_vendor_environment_identity")),
    )
    op.create_index(
        "ix_events_pending",
        "events",
        ["due_at", "sequence"],
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_events_subject",
        "events",
        ["vendor", "environment", "subject", "body_sha256"],
        postgresql_where=sa.text("subject IS NOT NULL"),
        sqlite_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index(
        "ix_events_unhappy",
        "events",
        ["status", "sequence"],
        postgresql_where=sa.text("status IN ('failed', 'unreadable')"),
        sqlite_where=sa.text("status IN ('failed', 'unreadable')"),
    )

    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", WORD, nullable=False),
        sa.Column("last", NUMBER, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )
    op.create_table(
        "subjects",
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("latest_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("latest_event_id", EVENT_ID, nullable=False),
        sa.Column("latest_body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("latest_is_repeat", sa.Boolean(), nullable=False),
        sa.Column("previous_body_sha256", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("vendor", "environment", "subject", name=op.f("pk_subjects")),
    )
    op.create_table(
        "transitions",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_status", WORD, nullable=True),
        sa.Column("to_status", WORD, nullable=False),
        sa.Column("reversal", WORD, nullable=True),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("event_id", EVENT_ID, nullable=True),
        sa.Column("as_of", MOMENT, nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("applicant", sa.JSON(), nullable=False),
        sa.Column("code_version", WORD, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_transitions")),
        sa.UniqueConstraint(
            "vendor", "environment", "reference", "version", name=op.f("uq_transitions_vendor_environment_reference_version")
        ),
    )
    op.create_index("ix_transitions_environment_number", "transitions", ["environment", "number"])
    op.create_index(
        "ix_transitions_event",
        "transitions",
        ["event_id"],
        postgresql_where=sa.text("event_id IS NOT NULL"),
        sqlite_where=sa.text("event_id IS NOT NULL"),
    )

    op.create_table(
        "workers",
        sa.Column("name", NAME, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.create_table(
        "mentions",
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("event_sequence", NUMBER, nullable=False),
        sa.Column("place", NUMBER, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("meant", sa.Text(), nullable=False),
        sa.Column("outcome", WORD, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("superseded_by", EVENT_ID, nullable=True),
        sa.ForeignKeyConstraint(["event_sequence"], ["events.sequence"], name=op.f("fk_mentions_event_sequence")),
        sa.PrimaryKeyConstraint("vendor", "environment", "reference", "event_sequence", name=op.f("pk_mentions")),
    )
    op.create_index("ix_mentions_event_sequence", "mentions", ["event_sequence"])
    op.create_table(
        "quiet_moves",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("applicant", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quiet_moves")),
    )
    op.create_index("ix_quiet_moves_vendor_environment_reference_at", "quiet_moves", ["vendor", "environment", "reference", "at"])
    feed = sa.table("feed", sa.column("id"), sa.column("epoch"), sa.column("last"))
    op.execute(feed.insert().values(id=1, epoch=secrets.token_hex(4), last=0))
    if op.get_bind().dialect.name == "postgresql":
        # Bodies stay where they are when an event is claimed and settled; rows have room to be rewritten in place.
        op.execute("ALTER TABLE events ALTER COLUMN sealed_body SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE events SET (toast_tuple_target = 256, fillfactor = 80)")
        op.execute("ALTER TABLE applicants SET (fillfactor = 70)")
