"""Which secrets are configured; counts by day; verifications in the order in which they were asked for, by an index"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at the tables and the index, and counts nothing by day.
bears = "0018"

#: The day of a moment that is stored in UTC, on each database.
DAYS = {"sqlite": "substr({}, 1, 10)", "postgresql": "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"}

#: What was kept before: events that vendors sent, changes of status, and reversals.
KEPT = (
    "SELECT environment, {received_at} AS day, vendor, 'accepted' AS word, count(*) FROM events "
    "WHERE coalesce(event_type, '') NOT LIKE 'standing.%' GROUP BY 1, 2, 3",
    "SELECT environment, {at} AS day, vendor, to_status AS word, count(*) FROM transitions "
    "WHERE erased_at IS NULL AND to_status <> 'erased' AND (from_status IS NULL OR from_status <> to_status) GROUP BY 1, 2, 3, 4",
    "SELECT environment, {at} AS day, vendor, reversal AS word, count(*) FROM transitions "
    "WHERE erased_at IS NULL AND reversal IS NOT NULL GROUP BY 1, 2, 3, 4",
)

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "configured_secrets",
        sa.Column("fingerprint", WORD, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("newest", sa.Boolean, nullable=False),
        sa.Column("names", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_configured_secrets"),
    )
    op.create_table(
        "daily_counts",
        sa.Column("environment", WORD, nullable=False),
        sa.Column("day", WORD, nullable=False),
        sa.Column("vendor", WORD, nullable=False),
        sa.Column("word", WORD, nullable=False),
        sa.Column("count", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("environment", "day", "vendor", "word", name="pk_daily_counts"),
    )
    day = DAYS[op.get_bind().dialect.name]
    for kept in KEPT:
        op.execute(f"INSERT INTO daily_counts {kept.format(received_at=day.format('received_at'), at=day.format('at'))}")
    op.create_index("ix_verification_requests_environment_id", "verification_requests", ["environment", "id"])


def downgrade() -> None:
    op.drop_index("ix_verification_requests_environment_id", "verification_requests")
    op.drop_table("daily_counts")
    op.drop_table("configured_secrets")
