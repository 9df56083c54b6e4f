"""Columns: their types, the names of constraints, partial indexes."""

from __future__ import annotations

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
    String,
    TypeDecorator,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase

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
