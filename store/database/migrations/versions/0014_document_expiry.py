"""The date on which an applicant's document runs out, where it is kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: the new column is null for it.
bears = "0008"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("applicants", sa.Column("document_expires_on", WORD, nullable=True))


def downgrade() -> None:
    op.drop_column("applicants", "document_expires_on")
