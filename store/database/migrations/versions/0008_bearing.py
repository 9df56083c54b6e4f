"""Which code each revision of the tables bears"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables. Older code cannot read what this migration makes.
bears = "0008"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "bearing",
        sa.Column("revision", WORD, nullable=False),
        sa.Column("oldest", WORD, nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_bearing")),
    )


def downgrade() -> None:
    op.drop_table("bearing")
