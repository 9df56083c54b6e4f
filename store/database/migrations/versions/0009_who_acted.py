"""The account of the operating system beside an act, and the users before and after a link"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: new columns have defaults.
bears = "0008"

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("acts", sa.Column("os_user", NAME, nullable=True))
    op.add_column("transitions", sa.Column("linked", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("transitions", "linked")
    op.drop_column("acts", "os_user")
