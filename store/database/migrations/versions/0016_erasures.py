"""Relationships, holds, erasures, and the fences around what was erased"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code would handle what comes later about an erased applicant.
bears = "0016"

WORD = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID = sa.Uuid(as_uuid=False)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("events", sa.Column("erased_at", TIME, nullable=True))
    op.add_column("transitions", sa.Column("erased_at", TIME, nullable=True))
    op.add_column("applicants", sa.Column("restricted", sa.Boolean, nullable=False, server_default=sa.false()))
    _partial("ix_applicants_restricted", "applicants", ["vendor", "environment", "reference"], "restricted IS TRUE")
    op.create_table(
        "relationships",
        sa.Column("environment", WORD, nullable=False),
        sa.Column("external_user_id", NAME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("basis", sa.Text),
        sa.Column("said_by", NAME, nullable=False),
        sa.Column("said_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("environment", "external_user_id", name="pk_relationships"),
    )
    op.create_table(
        "holds",
        sa.Column("id", ID, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("external_user_id", NAME),
        sa.Column("vendor", WORD),
        sa.Column("reference", NAME),
        sa.Column("reason", sa.Text),
        sa.Column("review_at", TIME),
        sa.Column("placed_by", NAME, nullable=False),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("lifted_by", NAME),
        sa.Column("lifted_at", TIME),
        sa.Column("lift_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="ck_holds_lifted_by_somebody"),
    )
    _partial("ix_holds_open", "holds", ["environment", "external_user_id", "reference"], "lifted_at IS NULL")
    _create_erasures()
    op.create_table(
        "fences",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("vendor", WORD),
        sa.Column("erasure_id", ID, nullable=False),
        sa.Column("erased_at", TIME, nullable=False),
        sa.Column("readmitted_at", TIME),
        sa.PrimaryKeyConstraint("digest", name="pk_fences"),
    )
    op.create_index("ix_fences_erasure_id", "fences", ["erasure_id"])
    state = op.create_table(
        "privacy_state",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("index_key_check", sa.LargeBinary),
        sa.Column("ledger_lines", NUMBER, nullable=False),
        sa.Column("runner", NAME),
        sa.Column("runner_seen_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_privacy_state"),
        sa.CheckConstraint("id = 1", name="ck_privacy_state_one_row"),
    )
    op.bulk_insert(state, [{"id": 1, "index_key_check": None, "ledger_lines": 0}])


def _create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", ID, nullable=False),
        sa.Column("environment", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("cause", WORD, nullable=False),
        sa.Column("external_user_id", NAME),
        sa.Column("vendor", WORD),
        sa.Column("reference", NAME),
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("targets", sa.JSON),
        sa.Column("reason", sa.Text),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("requested_by", NAME, nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("decided_by", NAME),
        sa.Column("decided_at", TIME),
        sa.Column("decision_reason", sa.Text),
        sa.Column("basis", sa.Text),
        sa.Column("until", TIME),
        sa.Column("restricted", sa.Boolean, nullable=False),
        sa.Column("early", sa.Boolean, nullable=False),
        sa.Column("with_vendor", sa.Boolean, nullable=False),
        sa.Column("vendor_tasks", sa.JSON),
        sa.Column("vendor_answer", WORD),
        sa.Column("vendor_again_at", TIME),
        sa.Column("done_at", TIME),
        sa.Column("applicants", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_environment_id", "erasures", ["environment", "id"])
    op.create_index("ix_erasures_subject", "erasures", ["subject"])
    _partial("ix_erasures_open", "erasures", ["status", "until"], "status <> 'done'")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def downgrade() -> None:
    for table in ("privacy_state", "fences", "erasures", "holds", "relationships"):
        op.drop_table(table)
    op.drop_index("ix_applicants_restricted", "applicants")
    op.drop_column("applicants", "restricted")
    op.drop_column("transitions", "erased_at")
    op.drop_column("events", "erased_at")
