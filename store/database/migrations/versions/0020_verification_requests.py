"""Verifications that are started here"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at the table.
bears = "0018"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
ID = sa.Uuid(as_uuid=False)
TIME = sa.DateTime(timezone=True)

TABLE = "verification_requests"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ID, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("external_user_id", NAME, nullable=False),
        sa.Column("mode", WORD, nullable=False),
        sa.Column("level", NAME),
        sa.Column("status", WORD, nullable=False),
        sa.Column("reference", NAME),
        sa.Column("documents", sa.JSON, nullable=False),
        sa.Column("uploads", sa.JSON, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("key_digest", sa.LargeBinary),
        sa.Column("answering_until", TIME),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", TIME),
        sa.Column("claimed_by", WORD),
        sa.Column("claimed_until", TIME),
        sa.Column("answers", sa.JSON, nullable=False),
        sa.Column("failure", sa.JSON),
        sa.Column("requested_by", NAME, nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("forced", sa.Text),
        sa.Column("sent_at", TIME),
        sa.Column("linked_at", TIME),
        sa.Column("submitted_at", TIME),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_verification_requests"),
        sa.UniqueConstraint("key_digest", name="uq_verification_requests_key_digest"),
        sa.CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name="ck_verification_requests_claimed_for_a_time"),
    )
    _index("uq_verification_requests_open", ["vendor", "environment", "external_user_id"], where="ended_at IS NULL", unique=True)
    _index("ix_verification_requests_due", ["due_at"], where="due_at IS NOT NULL")
    _index("ix_verification_requests_failed", ["id"], where="status = 'failed'")
    op.create_index("ix_verification_requests_environment_external_user_id_id", TABLE, ["environment", "external_user_id", "id"])
    op.create_index("ix_verification_requests_vendor_environment_reference", TABLE, ["vendor", "environment", "reference"])


def _index(name: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(name, TABLE, columns, unique=unique, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def downgrade() -> None:
    op.drop_table(TABLE)
