"""Only what is tried again has a time for that; leases are their holders'; ids given by a spool are remembered"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PENDING = "status = 'pending'"
WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
EVENT_ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    op.add_column("events", sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE events SET retry_at = due_at WHERE status = 'pending' AND (attempts > 0 OR replayed)")
    op.drop_index("ix_events_pending", "events")
    op.drop_column("events", "due_at")
    _index("ix_events_pending", ["sequence"], PENDING)
    _index("ix_events_newest", ["vendor", "sequence"], PENDING)
    _index("ix_events_retries", ["retry_at"], f"{PENDING} AND retry_at IS NOT NULL")
    _index("ix_events_suspects", ["sequence"], f"{PENDING} AND suspect IS TRUE")
    # What is claimed while the tables change is claimed again.
    op.execute("UPDATE events SET claimed_by = NULL WHERE claimed_by IS NOT NULL")
    op.drop_column("events", "claimed_until")
    op.create_table(
        "leases",
        sa.Column("holder", WORD, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_leases")),
    )
    op.create_table(
        "aliases",
        sa.Column("id", EVENT_ID, nullable=False),
        sa.Column("event_id", EVENT_ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aliases")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_aliases_event_id")),
    )


def _index(name: str, columns: list[str], condition: str) -> None:
    op.create_index(name, "events", columns, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))
