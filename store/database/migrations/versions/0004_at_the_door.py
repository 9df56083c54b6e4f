"""Delivery counts; replays that are requested over HTTP"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("answer", WORD, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vendor", "environment", "answer", "since", name=op.f("pk_tallies")),
    )
    op.create_table(
        "secret_uses",
        sa.Column("fingerprint", WORD, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("matches", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "vendor", name=op.f("pk_secret_uses")),
    )
    op.create_table(
        "web_processes",
        sa.Column("name", NAME, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spool_bytes", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_web_processes")),
    )
    op.add_column("replays", sa.Column("failed", sa.Integer(), server_default="0", nullable=False))
    op.add_column("replays", sa.Column("per_second", sa.Double(), nullable=True))
    op.add_column("replays", sa.Column("forecast", sa.JSON(), nullable=True))
    op.add_column("replays", sa.Column("runner", WORD, nullable=True))
    op.add_column("replays", sa.Column("runner_seen_at", sa.DateTime(timezone=True), nullable=True))
