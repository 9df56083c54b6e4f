"""Traces: of each event the trace of its first delivery, and of each started verification the trace of its request"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code writes rows without a trace.
bears = "0018"

TABLES = ("events", "verification_requests")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("trace", sa.String(35)))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "trace")
