"""Who acts may say why; reversals are found without reading every change"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REVERSED = "reversal IS NOT NULL"


def upgrade() -> None:
    op.add_column("acts", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("acts", sa.Column("touched", sa.Integer(), nullable=True))
    columns = ["environment", "number"]
    op.create_index("ix_transitions_reversals", "transitions", columns, postgresql_where=sa.text(REVERSED), sqlite_where=sa.text(REVERSED))
