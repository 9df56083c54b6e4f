"""What a replay repairs, events that were dismissed, and whose requests were refused"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: new columns have defaults.
bears = "0008"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    # The word for an unknown type holds the type.
    with op.batch_alter_table("tallies") as tallies:
        tallies.alter_column("answer", type_=NAME)
    op.add_column("events", sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("replays", sa.Column("unresolved", sa.Integer(), server_default="0", nullable=False))
    op.add_column("replays", sa.Column("repaired", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "refusals",
        sa.Column("peer", NAME, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("cause", WORD, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("peer", "vendor", "cause", "since", name=op.f("pk_refusals")),
    )
    op.create_index(op.f("ix_refusals_since"), "refusals", ["since"])


def downgrade() -> None:
    op.drop_table("refusals")
    op.drop_column("replays", "repaired")
    op.drop_column("replays", "unresolved")
    op.drop_column("events", "dismissed_at")
