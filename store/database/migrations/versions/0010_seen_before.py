"""Whether a body was kept before for its subject"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: new columns have defaults.
bears = "0008"


def upgrade() -> None:
    op.add_column("events", sa.Column("seen_before", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(
        "UPDATE events SET seen_before = TRUE WHERE subject IS NOT NULL AND EXISTS (SELECT 1 FROM events AS earlier"
        " WHERE earlier.vendor = events.vendor AND earlier.environment = events.environment AND earlier.subject = events.subject"
        " AND earlier.body_sha256 = events.body_sha256 AND earlier.sequence < events.sequence)"
    )


def downgrade() -> None:
    op.drop_column("events", "seen_before")
