"""Since when an erasure waits for its vendor, and who ended the wait; and when a relationship was last recorded, by an index"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at the columns.
bears = "0018"

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("erasures", sa.Column("vendor_asked_at", sa.DateTime(timezone=True)))
    op.add_column("erasures", sa.Column("vendor_confirmed_by", NAME))
    op.create_index("ix_relationships_said_at", "relationships", ["said_at"])


def downgrade() -> None:
    op.drop_index("ix_relationships_said_at", "relationships")
    op.drop_column("erasures", "vendor_confirmed_by")
    op.drop_column("erasures", "vendor_asked_at")
