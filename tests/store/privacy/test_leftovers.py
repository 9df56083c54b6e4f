"""What is deleted is gone from SQLite's files: from the free pages, from the log, and, once, from what an older version left."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from store import database
from store.privacy.erasing import leftovers

MARK = "a-mark-that-was-deleted"


@pytest.fixture
def files(kept: str) -> list[Path]:
    url = make_url(kept)
    if url.get_backend_name() != "sqlite":
        assert leftovers.truncate_log()
        assert not leftovers.clear_once()
        pytest.skip("PostgreSQL's vacuum does it")
    return [Path(f"{url.database}{suffix}") for suffix in ("", "-wal")]


def is_left(files: list[Path]) -> bool:
    return any(MARK.encode() in file.read_bytes() for file in files if file.exists())


def test_what_is_deleted_is_overwritten_and_the_log_is_cut(files: list[Path]) -> None:
    with database.begin() as connection:
        connection.execute(text("INSERT INTO workers (name, seen_at) VALUES (:mark, '2026-01-01 00:00:00')"), {"mark": MARK})
    assert is_left(files)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM workers"))
    assert is_left(files), "the log has it still, so that the test can fail"
    assert leftovers.truncate_log()
    assert not is_left(files)


def test_a_file_of_an_older_version_is_rewritten_once(files: list[Path]) -> None:
    with sqlite3.connect(files[0]) as old:
        old.execute("PRAGMA secure_delete = OFF")
        old.execute("CREATE TABLE old (mark TEXT)")
        old.executemany("INSERT INTO old VALUES (?)", [(f"{MARK} {number} {'x' * 500}",) for number in range(50)])
        old.commit()
        old.execute("DELETE FROM old")
        old.commit()
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old.close()
    assert is_left(files)
    assert leftovers.clear_once()
    assert not is_left(files)
    assert not leftovers.clear_once()
