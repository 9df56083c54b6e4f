"""Mutations: whatever column of whatever row is changed that a leaf commits to, its row is named."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Integer, LargeBinary, String, Uuid, select, update

from store.database.columns import UtcDateTime
from store.proof.kinds import SOURCES, LeafKind
from store.system import clock
from tests.store.proof.verification import history

pytestmark = [pytest.mark.usefixtures("signing"), pytest.mark.one_database]


def test_nothing_is_wrong_with_a_history_that_nobody_touched() -> None:
    history.make()
    history.spooled()
    history.erased()
    assert history.faults() == []


@pytest.mark.parametrize("kind", SOURCES)
def test_a_change_of_any_column_is_found_by_the_rows_name(kind: LeafKind) -> None:
    history.make()
    history.erased()
    key = history.newest(kind)
    expected = (kind.value, history.name_of(kind, key))
    unnoticed = [column for column in SOURCES[kind].columns if not _is_noticed(kind, key, column, expected)]
    assert unnoticed == []
    assert history.faults() == []


def _is_noticed(kind: LeafKind, key: Any, column: str, expected: tuple[str, str]) -> bool:
    """Change a column of a row, look, and change it back."""
    source, table = SOURCES[kind], history.table_of(kind)
    with history.tampering() as connection:
        before = connection.execute(select(table.c[column]).where(table.c[source.key] == key)).scalar_one()
        after = _another(before, table.c[column].type)
        connection.execute(update(table).where(table.c[source.key] == key).values({column: after}))
    found = history.found()
    changed_key = after if column == source.key else key
    with history.tampering() as connection:
        connection.execute(update(table).where(table.c[source.key] == changed_key).values({column: before}))
    if column == "id" and kind == LeafKind.EVENT:
        expected = (kind.value, after)  # It has no other id now.
    return expected in found or (column == source.key and (kind.value, f"number {key}") in found)


def _another(value: Any, type_: Any) -> Any:
    """Another value for a column, of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1000
        case datetime():
            return value + timedelta(seconds=1)
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:]
        case str() if len(value) == 36:
            return str(uuid.uuid4())
        case str():
            return f"{value}x"
        case dict():
            return value | {"added": "x"}
        case list():
            return [*value, "x"]
    others = {JSON: {"by": "x"}, UtcDateTime: clock.now(), Uuid: str(uuid.uuid4()), LargeBinary: b"x" * 32, Integer: 1, String: "x"}
    return next(other for kind, other in others.items() if isinstance(type_, kind))
