"""Only what is tried again has a time for that: a clock that is wrong cannot delay a first try"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PENDING = "status = 'pending'"


def upgrade() -> None:
    op.add_column("events", sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE events SET retry_at = due_at WHERE status = 'pending' AND (attempts > 0 OR replayed)")
    op.drop_index("ix_events_pending", "events")
    op.drop_column("events", "due_at")
    _index("ix_events_pending", "sequence", PENDING)
    _index("ix_events_retries", "retry_at", f"{PENDING} AND retry_at IS NOT NULL")
    _index("ix_events_suspects", "sequence", f"{PENDING} AND suspect IS TRUE")
    _index("ix_events_claimed", "claimed_until", f"{PENDING} AND claimed_until IS NOT NULL")


def _index(name: str, column: str, condition: str) -> None:
    op.create_index(name, "events", [column], postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))
