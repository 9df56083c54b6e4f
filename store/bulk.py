"""Many rows in one statement. PostgreSQL is given them as one JSON text, which it takes apart by itself; SQLite takes them one by one.

Measured with batches of 200 events: as one statement a row, sent in a pipeline, PostgreSQL took 3 times as long over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, TextClause, bindparam, text, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase

from store import database

Rows = Sequence[Mapping[str, Any]]

#: In the place of columns: whatever is there stays as it is.
LEAVE = ("*",)

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert(connection: Connection, model: type[DeclarativeBase], rows: Rows, *, over: tuple[str, ...] = ()) -> None:
    """Insert rows, which have the same columns. Where a row with the same values in the columns `over` is there, it is replaced; with
    `LEAVE` it is left as it is."""
    if not rows:
        return
    columns = tuple(rows[0])
    if not database.is_sqlite():
        connection.execute(_insertion(_table(model), columns, over), {"given": _encode(rows)})
        return
    statement = database.insert(model)
    if over == LEAVE:
        statement = statement.on_conflict_do_nothing()
    elif over:
        replaced = {name: statement.excluded[name] for name in columns if name not in over}
        statement = statement.on_conflict_do_update(index_elements=list(over), set_=replaced)
    connection.execute(statement, rows)


def rewrite(connection: Connection, model: type[DeclarativeBase], rows: Rows, *, key: str, also: Mapping[str, Any]) -> None:
    """Update the row that each given row names by its key; in all of them, set `also` (values or SQL expressions)."""
    if not rows:
        return
    columns, table = tuple(rows[0]), _table(model)
    if not database.is_sqlite():
        given = text(f"SELECT * FROM {_given(table, columns)}").columns(*(table.c[name] for name in columns)).subquery("given")  # noqa: S608
        changed = update(table).where(table.c[key] == given.c[key])
        changed = changed.values({name: given.c[name] for name in columns if name != key} | dict(also))
        connection.execute(changed, {"given": _encode(rows)})
        return
    changed = update(table).where(table.c[key] == bindparam(f"given_{key}"))
    changed = changed.values({name: bindparam(f"given_{name}") for name in columns if name != key} | dict(also))
    connection.execute(changed, [{f"given_{name}": value for name, value in row.items()} for row in rows])


def among(model: type[DeclarativeBase], rows: Rows) -> ColumnElement[bool]:
    """The condition that a row is one of those that some given columns' values name."""
    columns, table = tuple(rows[0]), _table(model)
    mine = tuple_(*(table.c[name] for name in columns))
    if database.is_sqlite():
        return mine.in_([tuple(row.values()) for row in rows])
    return mine.in_(text(f"SELECT {', '.join(columns)} FROM {_given(table, columns)}").bindparams(given=_encode(rows)))  # noqa: S608


@cache
def _insertion(table: Table, columns: tuple[str, ...], over: tuple[str, ...]) -> TextClause:
    names = ", ".join(columns)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in over)
    conflict = " ON CONFLICT DO NOTHING" if over == LEAVE else f" ON CONFLICT ({', '.join(over)}) DO UPDATE SET {replaced}" if over else ""
    return text(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_given(table, columns)}{conflict}")  # noqa: S608


@cache
def _given(table: Table, columns: tuple[str, ...]) -> str:
    """The rows, with the columns' types as the database knows them."""
    types = ", ".join(f"{name} {table.c[name].type.compile(_POSTGRESQL)}" for name in columns)
    return f"json_to_recordset(CAST(:given AS json)) AS given ({types})"


def _table(model: type[DeclarativeBase]) -> Table:
    assert isinstance(model.__table__, Table)
    return model.__table__


def _encode(rows: Rows) -> str:
    return msgspec.json.encode(rows).decode()
