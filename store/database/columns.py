"""Columns: their types, the names of constraints, partial indexes, and the pages of a list that is in their order."""

from __future__ import annotations

from collections.abc import Sequence
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
