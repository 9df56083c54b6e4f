"""A data key for each event, wrapped by a master key; and since when each master key is in use"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code cannot open a body that has a data key.
bears = "0017"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
ID = sa.Uuid(as_uuid=False)
TIME = sa.DateTime(timezone=True)

OLD_FORM = "key_id <> ''"


def upgrade() -> None:
    op.create_table(
        "body_keys",
        sa.Column("event_id", ID, nullable=False),
        sa.Column("key_id", WORD, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_body_keys"),
        sqlite_with_rowid=False,
    )
    keys = op.create_table(
        "master_keys",
        sa.Column("key_id", WORD, nullable=False),
        sa.Column("first_used_at", TIME, nullable=False),
        sa.Column("replaced_at", TIME),
        sa.Column("destroyed_at", TIME),
        sa.Column("destroyed_by", NAME),
        sa.PrimaryKeyConstraint("key_id", name="pk_master_keys"),
        sa.CheckConstraint("destroyed_at IS NULL OR destroyed_by IS NOT NULL", name="ck_master_keys_destroyed_by_somebody"),
    )
    # Events in the old form: none is added, and `standing keys rotate` empties the index.
    op.create_index(
        "ix_events_old_form", "events", ["key_id", "sequence"], postgresql_where=sa.text(OLD_FORM), sqlite_where=sa.text(OLD_FORM)
    )
    # Backups of before the upgrade need these keys. Since when is not known: they count from the upgrade on.
    used = op.get_bind().execute(sa.text(f"SELECT DISTINCT key_id FROM events WHERE {OLD_FORM}")).scalars().all()  # noqa: S608
    op.bulk_insert(keys, [{"key_id": key_id, "first_used_at": datetime.now(UTC)} for key_id in used])


def downgrade() -> None:
    op.drop_index("ix_events_old_form", "events")
    op.drop_table("master_keys")
    op.drop_table("body_keys")
