"""Bulk statements: which rows of applicants a condition finds, and by which index."""

from __future__ import annotations

import pytest
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.dialects import sqlite

from store import database
from store.applicants import table
from store.database import bulk
from store.database.tables import ApplicantRow
from store.states import ApplicantKey

pytestmark = pytest.mark.usefixtures("kept")

KEYS = [ApplicantKey("idngo", "live", f'Zoë\'s "reference" {number} \\ 東') for number in range(60)]


@pytest.mark.parametrize("count", [0, 1, 2, 21, 50])
def test_the_condition_for_applicants_finds_those_that_are_named_and_no_others(count: int) -> None:
    database.write(lambda connection: table.save(connection, map(table.unknown, KEYS)))
    elsewhere = [key._replace(environment="sandbox") for key in KEYS]
    wanted = KEYS[:count] + elsewhere[:count]
    assert sorted(database.read(lambda connection: table.among(connection, wanted))) == sorted(KEYS[:count])


def test_no_number_of_keys_makes_sqlite_read_the_whole_table(kept: str) -> None:
    if not kept.startswith("sqlite"):
        pytest.skip("about SQLite")
    for count in (1, 2, 50):
        [*plan] = explained(bulk.of_applicants(ApplicantRow, KEYS[:count]))
        assert any(line.startswith("SEARCH applicants USING") for line in plan), plan


def explained(condition: ColumnElement[bool]) -> list[str]:
    query = select(ApplicantRow.reference).where(condition).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with database.reading() as connection:
        return [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}".replace(":", r"\:")))]
