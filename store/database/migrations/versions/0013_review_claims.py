"""Who has claimed an entry of the review queue; indexes for decisions and for acts about somebody"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: a table and two indexes are new.
bears = "0008"

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
ENTRY = sa.String(300).with_variant(sa.String(300, collation="C"), "postgresql")
WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
DECISIONS = "event_type = 'standing.decision'"


def upgrade() -> None:
    op.create_table(
        "review_claims",
        sa.Column("environment", WORD, nullable=False),
        sa.Column("what", WORD, nullable=False),
        sa.Column("name", ENTRY, nullable=False),
        sa.Column("claimed_by", NAME, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", "what", "name", name=op.f("pk_review_claims")),
    )
    decisions = sa.text(DECISIONS)
    op.create_index(
        "ix_events_decisions", "events", ["environment", "sequence"], postgresql_where=decisions, sqlite_where=decisions, if_not_exists=True
    )
    op.create_index(op.f("ix_acts_subject"), "acts", ["subject"], if_not_exists=True)


def downgrade() -> None:
    op.drop_index(op.f("ix_acts_subject"), "acts")
    op.drop_index("ix_events_decisions", "events")
    op.drop_table("review_claims")
