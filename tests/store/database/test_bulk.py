"""Bulk statements: which rows of applicants a condition finds, and by which index."""

from __future__ import annotations

import pytest
from sqlalchemy import ColumnElement, insert, select, text
from sqlalchemy.dialects import sqlite

from store import database
from store.applicants import table
from store.database import bulk
from store.database.tables import ApplicantRow, Subject
from store.inbox.deliveries import new_event_id
from store.text.states import ApplicantKey

pytestmark = pytest.mark.usefixtures("kept")

KEYS = [ApplicantKey("idngo", "live", f'Zoë\'s "reference" {number} \\ 東') for number in range(60)]


@pytest.mark.parametrize("count", [0, 1, 2, 21, 50])
def test_the_condition_for_applicants_finds_those_that_are_named_and_no_others(count: int) -> None:
    database.write(lambda connection: table.save(connection, map(table.unknown, KEYS)))
    elsewhere = [key._replace(environment="sandbox") for key in KEYS]
    wanted = KEYS[:count] + elsewhere[:count]
    assert sorted(database.read(lambda connection: table.among(connection, wanted))) == sorted(KEYS[:count])


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_condition_for_rows_takes_bytes_and_names_each_row_whole(count: int) -> None:
    subjects = [{"vendor": "idenfy", "environment": "live", "subject": bytes([number, 0, 255])} for number in range(60)]
    rest = dict.fromkeys(("latest_fingerprint", "latest_body_sha256"), b"\x00" * 32) | {
        "latest_event_id": new_event_id(),
        "latest_is_repeat": False,
    }
    database.write(lambda connection: connection.execute(insert(Subject), [one | rest | {"erased": False} for one in subjects]))
    query = select(Subject.subject).where(bulk.among(Subject, subjects[:count] + [one | {"environment": "sandbox"} for one in subjects]))
    with database.reading() as connection:
        assert sorted(connection.execute(query).scalars()) == [one["subject"] for one in subjects[:count]]


def test_no_number_of_keys_makes_sqlite_read_the_whole_table(kept: str) -> None:
    if not kept.startswith("sqlite"):
        pytest.skip("about SQLite")
    for count in (1, 2, 50):
        for condition in (
            bulk.of_applicants(ApplicantRow, KEYS[:count]),
            bulk.among(ApplicantRow, [key._asdict() for key in KEYS[:count]]),
        ):
            [*plan] = explained(condition)
            assert any(line.startswith("SEARCH applicants USING") for line in plan), plan


def explained(condition: ColumnElement[bool]) -> list[str]:
    query = select(ApplicantRow.reference).where(condition).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with database.reading() as connection:
        return [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}".replace(":", r"\:")))]
