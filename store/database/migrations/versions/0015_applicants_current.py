"""A view for analysts: the live applicants that are known, in plain columns

A later migration that changes a column of it drops the view first, and creates it again.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

#: The oldest code that can run on these tables: none reads the view.
bears = "0008"

PLAIN = (
    "vendor", "reference", "external_user_id", "status", "final", "provisional", "vendor_status", "may_retry", "level",
    "document_expires_on", "ever_approved", "as_of", "updated_at", "version",
)  # fmt: skip

#: How each database reads the words of a list, a field of an object, and an event's id as the API shows it.
POSTGRESQL = {
    "words": "(SELECT string_agg(word, ', ' ORDER BY place) FROM json_array_elements_text({0}) WITH ORDINALITY AS words (word, place))",
    "field": "{0} ->> '{1}'",
    "time": "CAST({0} ->> '{1}' AS timestamptz)",
    "event": "CAST({0} AS text)",
}
SQLITE = {
    "words": "(SELECT group_concat(value, ', ') FROM (SELECT value FROM json_each({0}) ORDER BY key))",
    "field": "json_extract({0}, '$.{1}')",
    "time": "strftime('%Y-%m-%d %H:%M:%f', json_extract({0}, '$.{1}'))",
    "event": "substr({0}, 1, 8) || '-' || substr({0}, 9, 4) || '-' || substr({0}, 13, 4) || '-' || substr({0}, 17, 4) || '-'"
    " || substr({0}, 21)",
}


def upgrade() -> None:
    forms = POSTGRESQL if op.get_bind().dialect.name == "postgresql" else SQLITE
    columns = [
        *PLAIN,
        *(f"{forms['words'].format(name)} AS {name}" for name in ("reasons", "hits", "flags")),
        *(f"{forms['field'].format('checks', name)} AS check_{name}" for name in ("document", "face", "additional_steps")),
        *(f"{forms['field'].format('last_verdict', name)} AS last_verdict_{name}" for name in ("status", "level")),
        f"{forms['time'].format('last_verdict', 'as_of')} AS last_verdict_as_of",
        f"{forms['event'].format('last_event_id')} AS last_event_id",
    ]
    known = "environment = 'live' AND version > 0"
    op.execute(f"CREATE VIEW applicants_current AS SELECT {', '.join(columns)} FROM applicants WHERE {known}")  # noqa: S608


def downgrade() -> None:
    op.execute("DROP VIEW applicants_current")
