"""What a person decided of an applicant"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("applicants", sa.Column("decision", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("applicants", sa.Column("objections", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.drop_column("applicants", "objections")
    op.drop_column("applicants", "decision")
