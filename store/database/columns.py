"""Columns: their types, the names of constraints, partial indexes, and the pages of a list that is in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    TypeDecorator,
    Uuid,
    literal,
    text,
    tuple_,
)
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

from store.text.names import NAME_CHARS_MAX
from store.text.states import HITS, Flag, Stand, Status


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no zones: it stores the time in UTC and gets the zone back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


# SQLite numbers rows automatically only in a column of type INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")
# Names and words are compared byte by byte on both databases, so that both agree on an order.
Name = String(NAME_CHARS_MAX).with_variant(String(NAME_CHARS_MAX, collation="C"), "postgresql")
Word = String(40).with_variant(String(40, collation="C"), "postgresql")
EntryName = String(300).with_variant(String(300, collation="C"), "postgresql")
EventId = Uuid(as_uuid=False)


def partial(name: str, *columns: str, where: str) -> Index:
    """Return an index over the rows that match a condition."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


def holds_word(column: str, word: str) -> str:
    """Return the condition that a column's list of words, kept as JSON, holds one, as the partial indexes over it have it.

    The words are ours and none contains another, so a look into the JSON text is exact on both databases."""
    return f"""CAST({column} AS VARCHAR) LIKE '%"{word}"%'"""


#: Conditions of events, as the partial indexes have them: settled, and nothing was changed; not of the environment that most are of.
WITHOUT_EFFECT, SANDBOX = "status IN ('unchanged', 'superseded', 'ignored')", "environment <> 'live'"

#: The columns of an applicant's place in its lists.
APPLICANT_PLACE = ("environment", "updated_at", "vendor", "reference")

#: Conditions of applicants, as the partial indexes have them: an open alert; a decision that waits for a second operator, with perhaps a
#: few others; a wait for a person's review, with perhaps these few. CASE, because SQLite would look for parts of an OR along other indexes.
HAS_ALERT, MAY_WAIT = holds_word("flags", Flag.MONITORING_ALERT), holds_word("decision", Stand.WAITS)
IN_REVIEW = f"CASE WHEN status = '{Status.NEEDS_REVIEW}' THEN 1 WHEN {HAS_ALERT} THEN 1 WHEN {MAY_WAIT} THEN 1 ELSE 0 END = 1"

#: Whether it is known since when an applicant has its status.
SINCE_KNOWN = "status_since_version = version"
SINCE_UNKNOWN = "(status_since_version IS NULL OR status_since_version <> version)"


def applicant_lists() -> Iterator[Index]:
    """Yield the indexes of the lists of applicants that few are in: with a hit, with a flag, waiting for a person, with a document's date.

    Beside the place they hold what else a list may be narrowed by, so that no row is read in vain."""
    for column, words in (("hits", HITS), ("flags", tuple(Flag))):
        for word in words:
            yield partial(f"ix_applicants_{column}_{word.lower()}", *APPLICANT_PLACE, "status", where=holds_word(column, word))
    yield partial("ix_applicants_decision_waits", *APPLICANT_PLACE, where=MAY_WAIT)
    yield partial("ix_applicants_expiry", *APPLICANT_PLACE, "document_expires_on", where="document_expires_on IS NOT NULL")
    place = ("environment", "status_since", "vendor", "reference")
    yield partial("ix_applicants_in_review", *place, where=f"{IN_REVIEW} AND {SINCE_KNOWN}")
    # As narrow as can be: SQLite takes the narrowest index of those that begin with the environment.
    yield partial("ix_applicants_in_review_since_unknown", "environment", where=f"{SINCE_UNKNOWN} AND {IN_REVIEW}")


def page(
    query: Select[Any], *columns: InstrumentedAttribute[Any], after: Sequence[Any] | None, newest_first: bool = False, limit: int
) -> Select[Any]:
    """Return a query in the order of columns, or in the reverse order: what follows a place in that order, if one is given.

    The place is compared as one row value, so that an index over the columns leads to it, however far along it is."""
    if after is not None:
        place = [literal(value, column.type) for value, column in zip(after, columns, strict=True)]
        reached, here = (tuple_(*columns), tuple_(*place)) if len(columns) > 1 else (columns[0], place[0])
        query = query.where(reached < here if newest_first else reached > here)
    return query.order_by(*(column.desc() if newest_first else column for column in columns)).limit(limit)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: UtcDateTime, str: Word, dict[str, Any]: JSON, list[str]: JSON}
