"""Bulk statements: many rows in one statement.

PostgreSQL gets them as one JSON text and unpacks it; SQLite gets them one by one. Measured with batches of 200 events on PostgreSQL:
one statement a row, sent in a pipeline, took twice as long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, LargeBinary, Row, Table, TextClause, bindparam, false, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase

from store import database
from store.text.states import ApplicantKey

T = TypeVar("T")

Rows = Sequence[Mapping[str, Any]]

#: How a row that is there already changes: SQL for each column that is set.
Change = Mapping[str, str]

#: It stays as it is.
LEAVE: Change = {}

#: As many applicants are written out in a condition.
FEW_KEYS = 20

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert(
    connection: Connection,
    model: type[DeclarativeBase],
    rows: Rows,
    *,
    over: tuple[str, ...] = (),
    change: Change | None = None,
    unless: str = "",
    derive: Change = LEAVE,
    returning: tuple[str, ...] = (),
) -> list[Row[Any]]:
    """Insert rows with the same columns; return the requested columns of those that were written.

    Where a row with the same values in the columns `over` exists, it is changed as `change` says (by default replaced), unless a
    condition forbids that. The columns of `derive` are written as its SQL says, which names given values as `{column}`."""
    if not rows:
        return []
    table, columns = _table(model), tuple(rows[0])
    if change is None:
        change = {name: f"excluded.{name}" for name in columns if name not in over}
    one_by_one = database.is_sqlite()
    statement = _insertion(table, columns, over, tuple(change.items()), unless, tuple(derive.items()), returning, one_by_one)
    return _execute(connection, statement, table, rows, returns=bool(returning))


def rewrite(connection: Connection, model: type[DeclarativeBase], rows: Rows, *, key: tuple[str, ...], change: Change = LEAVE) -> int:
    """Update the rows that the given rows name by their keys, and change more columns in all of them; return how many."""
    if not rows:
        return 0
    table, columns, one_by_one = _table(model), tuple(rows[0]), database.is_sqlite()
    statement = _rewriting(table, columns, key, tuple(change.items()), one_by_one)
    if one_by_one:
        return sum(connection.execute(statement, row).rowcount for row in rows)
    return connection.execute(statement, {"given": _encode(table, rows)}).rowcount


def parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield values so many at a time: both databases bound the parameters of a statement."""
    return (values[start : start + size] for start in range(0, len(values), size))


def among(model: type[DeclarativeBase], rows: Rows) -> ColumnElement[bool]:
    """Return the condition that a row is one of those that the given columns' values name.

    SQLite reads a whole table for rows that a condition writes out, `IN (VALUES …)`, and uses an index for those that a query gives."""
    columns, table = tuple(rows[0]), _table(model)
    mine = tuple_(*(table.c[name] for name in columns))
    if not database.is_sqlite():
        given = f"SELECT {', '.join(columns)} FROM {_given(table, columns)}"  # noqa: S608  Names of columns.
    elif _binary(table, columns):
        return mine.in_(_written_out(table, rows))
    else:
        values = ", ".join(f"json_extract(value, '$.{name}')" for name in columns)
        given = f"SELECT {values} FROM json_each(:given)"  # noqa: S608
    return mine.in_(text(given).bindparams(bindparam("given", _encode(table, rows), unique=True)))


def _written_out(table: Table, rows: Rows) -> TextClause:
    """Return the query that gives rows to SQLite where JSON cannot, because they hold bytes."""
    given = [
        bindparam(f"given_{number}_{name}", value, type_=table.c[name].type, unique=True)
        for number, row in enumerate(rows)
        for name, value in row.items()
    ]
    columns = ", ".join(f"column{place}" for place in range(1, len(rows[0]) + 1))
    written = ", ".join(f"({', '.join(f':given_{number}_{name}' for name in row)})" for number, row in enumerate(rows))
    return text(f"SELECT {columns} FROM (VALUES {written})").bindparams(*given)  # noqa: S608  Names of columns.


def of_applicants(model: type[Any], keys: Collection[ApplicantKey]) -> ColumnElement[bool]:
    """Return the condition that a row is of one of the applicants.

    Few keys are written out for PostgreSQL: it takes any JSON text for 100 rows, and may read a whole table in its order to find them."""
    if not keys:
        return false()
    if database.is_sqlite() or len(keys) > FEW_KEYS:
        return among(model, [key._asdict() for key in keys])
    return tuple_(model.vendor, model.environment, model.reference).in_(list(keys))


def _execute(connection: Connection, statement: TextClause, table: Table, rows: Rows, *, returns: bool = False) -> list[Row[Any]]:
    """Execute a statement that takes rows."""
    if not database.is_sqlite():
        result = connection.execute(statement, {"given": _encode(table, rows)})
        return list(result) if returns else []
    if returns:
        return [found for row in rows for found in connection.execute(statement, row)]
    connection.execute(statement, rows)
    return []


@cache
def _insertion(
    table: Table,
    columns: tuple[str, ...],
    over: tuple[str, ...],
    change: tuple[tuple[str, str], ...],
    unless: str,
    derive: tuple[tuple[str, str], ...],
    returning: tuple[str, ...],
    one_by_one: bool,
) -> TextClause:
    names = ", ".join(columns)
    given = {name: f":{name}" if one_by_one else f"given.{name}" for name in columns}
    values = ", ".join((given | {name: source.format(**given) for name, source in derive}).values())
    conflict = f"ON CONFLICT ({', '.join(over)}) DO " if over else ""
    if over:
        conflict += f"UPDATE SET {', '.join(f'{name} = {value}' for name, value in change)}" if change else "NOTHING"
    if unless:
        conflict += f" WHERE NOT ({unless})"
    if returning:
        conflict += f" RETURNING {', '.join(f'{table.name}.{name}' for name in returning)}"
    if one_by_one:
        written = text(f"INSERT INTO {table.name} ({names}) VALUES ({values}) {conflict}").bindparams(*_parameters(table, columns))  # noqa: S608
    else:
        written = text(f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {_given(table, columns)} {conflict}")  # noqa: S608
    return written.columns(*(table.c[name] for name in returning)) if returning else written  # type: ignore[return-value]


@cache
def _rewriting(
    table: Table, columns: tuple[str, ...], key: tuple[str, ...], change: tuple[tuple[str, str], ...], one_by_one: bool
) -> TextClause:
    source = ":{}" if one_by_one else "given.{}"
    given = "" if one_by_one else f"FROM {_given(table, columns)} "
    changes = {name: source.format(name) for name in columns if name not in key} | dict(change)
    mine = " AND ".join(f"{table.name}.{name} = {source.format(name)}" for name in key)
    sets = ", ".join(f"{name} = {value}" for name, value in changes.items())
    written = text(f"UPDATE {table.name} SET {sets} {given}WHERE {mine}")  # noqa: S608
    return written.bindparams(*_parameters(table, columns)) if one_by_one else written


def _parameters(table: Table, columns: tuple[str, ...]) -> list[Any]:
    return [bindparam(name, type_=table.c[name].type) for name in columns]


@cache
def _given(table: Table, columns: tuple[str, ...]) -> str:
    """Return the rows, with the columns' types as the database knows them."""
    types = ", ".join(f"{name} {table.c[name].type.compile(_POSTGRESQL)}" for name in columns)
    return f"json_to_recordset(CAST(:given AS json)) AS given ({types})"


def _binary(table: Table, columns: Iterable[str]) -> list[str]:
    return [name for name in columns if isinstance(table.c[name].type, LargeBinary)]


def _table(model: type[DeclarativeBase]) -> Table:
    assert isinstance(model.__table__, Table)
    return model.__table__


def _encode(table: Table, rows: Rows) -> str:
    """Return rows as JSON. Bytes are written as PostgreSQL reads them."""
    if binary := _binary(table, rows[0]):
        rows = [{**row, **{name: f"\\x{row[name].hex()}" for name in binary if row[name] is not None}} for row in rows]
    return msgspec.json.encode(rows).decode()
