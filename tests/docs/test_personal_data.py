"""The page about personal data, held to the tables: each column is named under its table, and each that is named exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from store.database import count_tables, log_tables, operations_tables, privacy_tables, tables, vendor_tables
from store.database.columns import Base
from store.database.engine import engine

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "personal-data.md").read_text()
DECLARED = {table.name: {column.name for column in table.columns} for table in Base.metadata.tables.values()}

#: What a log line may tell beside its sentence: ids of our own, words of ours, counts, addresses of peers.
TOLD_IN_LOGS = {
    "again", "answer", "asked", "cause", "change", "count", "drifted", "environment", "erasure_id", "error", "event_id", "host", "kind",
    "origin", "ours", "peer", "place", "process", "reaction_id", "repaired", "replay_id", "reversal", "root", "signature", "size", "stage",
    "status", "subscriber", "theirs", "trace_id", "vendor", "verification_id", "version",
}  # fmt: skip

#: Whose modules declare the tables.
MODULES = (count_tables, log_tables, operations_tables, privacy_tables, tables, vendor_tables)


def named() -> dict[tuple[str, ...], set[str]]:
    """The columns that the page names, by the tables of each section."""
    in_the_database = PAGE.partition("## In the database")[2].partition("## In files")[0]
    found = {}
    for section in in_the_database.split("\n### ")[1:]:
        heading, _, rest = section.partition("\n")
        rows = [line.split("|")[1] for line in rest.splitlines() if line.startswith("| `")]
        found[tuple(re.findall(r"`(\w+)`", heading.partition(":")[0]))] = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    return found


SECTIONS = named()


def test_every_table_is_named_once() -> None:
    assert sorted(table for tables_named in SECTIONS for table in tables_named) == sorted(DECLARED)


@pytest.mark.usefixtures("kept")
def test_every_table_of_the_database_is_declared() -> None:
    assert set(inspect(engine()).get_table_names()) - {"alembic_version"} == set(DECLARED)


@pytest.mark.parametrize("section", SECTIONS, ids=" ".join)
def test_every_column_is_named_and_every_name_is_a_column(section: tuple[str, ...]) -> None:
    assert SECTIONS[section] == {column for table in section for column in DECLARED.get(table, ())}


@pytest.mark.parametrize("section", SECTIONS, ids=" ".join)
def test_every_row_says_what_is_in_it_and_what_an_erasure_does(section: tuple[str, ...]) -> None:
    heading = ", ".join(f"`{table}`" for table in section)
    rows = [line for line in PAGE.partition(f"### {heading}:")[2].partition("\n#")[0].splitlines() if line.startswith("| `")]
    assert rows
    assert all(len(row.split("|")) == 5 and all(cell.strip() for cell in row.split("|")[1:4]) for row in rows)


def logged() -> Iterator[tuple[str, str | None]]:
    """What each log line of the packages tells beside its sentence: the place, and the name; None: what cannot be seen there."""
    for path in (path for package in ("receiver", "handlers", "store") for path in (ROOT / package).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in {f"log.{level}" for level in ("debug", "info", "warning", "error")}:
                for keyword in call.keywords:
                    yield f"{path.relative_to(ROOT)}:{call.lineno}", keyword.arg


def test_log_lines_hold_our_own_ids_and_no_reference_or_user() -> None:
    assert [(place, name) for place, name in logged() if name not in TOLD_IN_LOGS] == []
