"""Who acts may say why; reversals are found without reading every change; replays are remembered"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REVERSED = "reversal IS NOT NULL"
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("acts", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("acts", sa.Column("touched", sa.Integer(), nullable=True))
    columns = ["environment", "number"]
    op.create_index("ix_transitions_reversals", "transitions", columns, postgresql_where=sa.text(REVERSED), sqlite_where=sa.text(REVERSED))
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("last_sequence", NUMBER, nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("changes_max", sa.Integer(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("done_sequence", NUMBER, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
    )
