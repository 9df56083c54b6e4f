"""Indexes for lists that few rows of a large table are in; since when each applicant has its status, for the review queue"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: older code leaves the columns as they are, which the version tells.
bears = "0018"

TIME = sa.DateTime(timezone=True)
PLACE = ["environment", "updated_at", "vendor", "reference"]


def holds(column: str, word: str) -> str:
    return f"""CAST({column} AS VARCHAR) LIKE '%"{word}"%'"""


WORDS = {
    "hits": ("blacklist", "sanctions", "pep", "adverse_media", "criminal", "aml"),
    "flags": (
        "DEACTIVATED", "DOCUMENT_EXPIRED", "DOCUMENT_EXPIRING", "MONITORING_ALERT", "ARCHIVED", "REPEATED_BODY", "TIME_UNKNOWN",
        "NOT_UNDERSTOOD",
    ),
}  # fmt: skip
WAITS = holds("decision", "waits_for_confirmation")
ALERT = holds("flags", "MONITORING_ALERT")
#: As one condition: SQLite would look for each part of an OR along another index.
IN_REVIEW = f"CASE WHEN status = 'needs_review' THEN 1 WHEN {ALERT} THEN 1 WHEN {WAITS} THEN 1 ELSE 0 END = 1"

REVERSAL, EFFECT = "reversal IS NOT NULL", "status IN ('unchanged', 'superseded', 'ignored')"

#: Each index: its table, its columns, and its condition.
INDEXES = {
    f"ix_applicants_{column}_{word.lower()}": ("applicants", [*PLACE, "status"], holds(column, word))
    for column, words in WORDS.items() for word in words
} | {
    "ix_applicants_decision_waits": ("applicants", PLACE, WAITS),
    "ix_applicants_expiry": ("applicants", [*PLACE, "document_expires_on"], "document_expires_on IS NOT NULL"),
    "ix_applicants_status": ("applicants", ["environment", "status", "updated_at", "vendor", "reference"], None),
    "ix_applicants_in_review": (
        "applicants", ["environment", "status_since", "vendor", "reference"], f"{IN_REVIEW} AND status_since_version = version"
    ),
    "ix_applicants_in_review_since_unknown": (
        "applicants", ["environment"], f"(status_since_version IS NULL OR status_since_version <> version) AND {IN_REVIEW}"
    ),
    "ix_transitions_reversals_of_a_kind": ("transitions", ["environment", "reversal", "number"], REVERSAL),
    "ix_transitions_reversals_by_time": ("transitions", ["environment", "reversal", "at"], REVERSAL),
    "ix_events_sandbox": ("events", ["environment", "sequence"], "environment <> 'live'"),
    "ix_events_without_effect": ("events", ["vendor", "environment", "status", "sequence"], EFFECT),
}  # fmt: skip

#: What `ix_applicants_status` begins with.
REPLACED = "ix_applicants_environment_status_updated_at"

#: Of those that wait for a review. The others get it with their next change of status.
SINCE = f"""
UPDATE applicants SET status_since_version = version, status_since = coalesce(
    (SELECT max(at) FROM transitions WHERE transitions.vendor = applicants.vendor AND transitions.environment = applicants.environment
        AND transitions.reference = applicants.reference AND (from_status IS NULL OR from_status <> to_status)), updated_at)
WHERE {IN_REVIEW}
"""  # noqa: S608


def upgrade() -> None:
    op.add_column("applicants", sa.Column("status_since", TIME))
    op.add_column("applicants", sa.Column("status_since_version", sa.Integer))
    op.execute(SINCE)
    for name, (table, columns, condition) in INDEXES.items():
        where = sa.text(condition) if condition else None
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where, if_not_exists=True)
    op.drop_index(REPLACED, "applicants")


def downgrade() -> None:
    op.create_index(REPLACED, "applicants", ["environment", "status", "updated_at"])
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table)
    for column in ("status_since_version", "status_since"):
        op.drop_column("applicants", column)
