"""Times to visible: how long events waited from their receipt until they were settled, as a histogram"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at this one, and its workers do not count.
bears = "0018"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "times_to_visible",
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("le", WORD, nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("vendor", "environment", "le", name="pk_times_to_visible"),
    )


def downgrade() -> None:
    op.drop_table("times_to_visible")
