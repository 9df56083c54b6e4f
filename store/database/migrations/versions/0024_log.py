"""The log: leaves, tiles, queue, epochs, checkpoints, publications, stops, its state, and which events were spooled"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code does not look at them. What it erases and holds is found by `log verify`.
bears = "0018"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid(as_uuid=False)

#: What is kept already and has no number: the kind of its leaf, the table, and which rows have come so far.
WITHOUT_NUMBERS = (
    ("hold", "holds", "TRUE"),
    ("hold-lifted", "holds", "lifted_at IS NOT NULL"),
    ("erasure", "erasures", "TRUE"),
    ("erasure-decided", "erasures", "decided_at IS NOT NULL"),
    ("erasure-done", "erasures", "done_at IS NOT NULL"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # So that the number of an act that was removed is never given again: the log would take the new act for the old one.
        with op.batch_alter_table("acts", recreate="always", table_kwargs={"sqlite_autoincrement": True}):
            pass
    op.add_column("events", sa.Column("spooled", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "log_leaves",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.Column("secret", sa.LargeBinary),
        sa.Column("row", NUMBER),
        sa.Column("row_id", UUID),
        sa.Column("emptied_by", NUMBER),
        sa.PrimaryKeyConstraint("number", name="pk_log_leaves"),
    )
    op.create_index("ix_log_leaves_kind_row", "log_leaves", ["kind", "row"])
    for column, columns in (("row_id", ["row_id", "kind"]), ("emptied_by", ["emptied_by"])):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_log_leaves_{column}", "log_leaves", columns, postgresql_where=where, sqlite_where=where)
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("place", NUMBER, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "place", name="pk_log_tiles"),
    )
    op.create_table(
        "log_queue",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("row", NUMBER),
        sa.Column("row_id", UUID),
        sa.Column("erased", sa.Boolean, nullable=False),
        sa.Column("erasure_id", UUID),
        sa.PrimaryKeyConstraint("id", name="pk_log_queue"),
    )
    op.create_table(
        "log_epochs",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("origin", NAME, nullable=False),
        sa.Column("vkey", sa.Text, nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("old_origin", NAME),
        sa.Column("old_size", NUMBER),
        sa.Column("old_root", sa.LargeBinary),
        sa.PrimaryKeyConstraint("number", name="pk_log_epochs"),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("epoch", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("epoch", "size", name="pk_log_checkpoints"),
    )
    op.create_table(
        "log_publications",
        sa.Column("key", WORD, nullable=False),
        sa.Column("epoch", sa.Integer),
        sa.Column("size", NUMBER),
        sa.Column("published_at", TIME),
        sa.Column("failed_at", TIME),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("key", name="pk_log_publications"),
    )
    op.create_table(
        "log_stops",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_stops"),
    )
    state = op.create_table(
        "log_state",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("runner", NAME),
        sa.Column("runner_seen_at", TIME),
        sa.Column("events_to", NUMBER, nullable=False),
        sa.Column("acts_to", NUMBER, nullable=False),
        sa.Column("stopped_because", sa.Text),
        sa.Column("stopped_for_good", sa.Boolean, nullable=False),
        sa.Column("verified_size", NUMBER, nullable=False),
        sa.Column("verified_at", TIME),
        sa.Column("faults", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_state"),
        sa.CheckConstraint("id = 1", name="ck_log_state_one_row"),
    )
    op.bulk_insert(state, [{"id": 1, "events_to": 0, "acts_to": 0, "stopped_for_good": False, "verified_size": 0, "faults": 0}])
    for kind, table, is_so in WITHOUT_NUMBERS:
        queued = f"INSERT INTO log_queue (kind, row_id, erased) SELECT '{kind}', id, {{}} FROM {table} WHERE {is_so} ORDER BY id"  # noqa: S608
        op.execute(queued.format("FALSE" if op.get_bind().dialect.name == "postgresql" else "0"))


def downgrade() -> None:
    for table in ("state", "stops", "publications", "checkpoints", "epochs", "queue", "tiles", "leaves"):
        op.drop_table(f"log_{table}")
    op.drop_column("events", "spooled")
