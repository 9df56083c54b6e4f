"""Sessions of the console"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at the table.
bears = "0018"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)

TABLE = "console_sessions"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary, nullable=False),
        sa.Column("person", NAME, nullable=False),
        sa.Column("right", WORD, nullable=False),
        sa.Column("proved_by", WORD, nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("proved_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", NAME),
        sa.PrimaryKeyConstraint("id", name="pk_console_sessions"),
        sa.UniqueConstraint("secret_digest", name="uq_console_sessions_secret_digest"),
    )
    is_open = sa.text("ended_at IS NULL")
    op.create_index("ix_console_sessions_open", TABLE, ["person"], postgresql_where=is_open, sqlite_where=is_open)


def downgrade() -> None:
    op.drop_table(TABLE)
