"""How a subscriber is shown, and since when it is configured no more"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: new columns may be null.
bears = "0008"

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("subscribers", sa.Column("title", NAME, nullable=True))
    op.add_column("subscribers", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscribers", sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("forgotten_at", "retired_at", "title"):
        op.drop_column("subscribers", column)
