"""Reconciliations that somebody asks for over HTTP, and what the last run of each vendor found"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at the table, nor at the columns.
bears = "0018"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)

RUNS, FINDINGS = "reconciliations", "reconciliation_findings"


def upgrade() -> None:
    op.add_column(RUNS, sa.Column("actor", NAME))
    op.add_column(RUNS, sa.Column("repairs", sa.Boolean))
    op.add_column(RUNS, sa.Column("round_at", TIME))
    op.add_column(RUNS, sa.Column("wanted", sa.JSON))
    op.create_table(
        FINDINGS,
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("ours", WORD),
        sa.Column("ours_since", TIME),
        sa.Column("theirs", WORD),
        sa.Column("theirs_since", TIME),
        sa.Column("drifts", sa.Boolean, nullable=False),
        sa.Column("repair", WORD),
        sa.Column("event_id", sa.Uuid(as_uuid=False)),
        sa.Column("says", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vendor", "environment", "reference", name="pk_reconciliation_findings"),
    )


def downgrade() -> None:
    op.drop_table(FINDINGS)
    for column in ("wanted", "round_at", "repairs", "actor"):
        op.drop_column(RUNS, column)
