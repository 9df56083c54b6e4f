"""Subscribers and their reactions: the outbox; what an applicant is to send again"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("applicants", sa.Column("problem_documents", sa.JSON(), server_default="[]", nullable=False))
    op.create_table(
        "subscribers",
        sa.Column("name", NAME, nullable=False),
        sa.Column("seen", NUMBER, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_subscribers")),
    )
    op.create_table(
        "reactions",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("subscriber", NAME, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", WORD, nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reactions")),
        sa.UniqueConstraint("subscriber", "number", name=op.f("uq_reactions_subscriber_number")),
        sa.ForeignKeyConstraint(["subscriber"], ["subscribers.name"], name=op.f("fk_reactions_subscriber")),
        sa.ForeignKeyConstraint(["number"], ["transitions.number"], name=op.f("fk_reactions_number")),
        sa.CheckConstraint("(status = 'pending') = (settled_at IS NULL)", name=op.f("ck_reactions_settled_unless_pending")),
    )
    _partial("ix_reactions_pending", ["subscriber", "urgent", "number"], where="status = 'pending'")
    _partial("ix_reactions_turn", ["subscriber", "vendor", "environment", "reference", "number"], where="status = 'pending'")
    _partial("ix_reactions_failed", ["id"], where="status = 'failed'")
    op.create_index(op.f("ix_reactions_settled_at"), "reactions", ["settled_at"])


def _partial(name: str, columns: list[str], *, where: str) -> None:
    op.create_index(name, "reactions", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
