"""Which subjects have erased events; and an index of the events that name no applicant, which an erasure opens"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code would take a repetition of an erased body for news.
bears = "0018"

NAMELESS = "length(sealed_body) > 0 AND (status IN ('failed', 'unreadable') OR status = 'ignored' AND reference IS NULL)"


def upgrade() -> None:
    op.add_column("subjects", sa.Column("erased", sa.Boolean, nullable=False, server_default=sa.false()))
    where = sa.text(NAMELESS)
    op.create_index("ix_events_nameless", "events", ["vendor", "environment", "sequence"], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index("ix_events_nameless", "events")
    op.drop_column("subjects", "erased")
