"""Logs: one JSON object a line, whoever logs; of an exception its kind, its cause and its place, and never its message."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, text

from store.system.logs import describe_error
from tests.support.servers import Postgres

MARK = "Zzpassportzz"

#: Who may log what nobody should see, each as a program: what it is, and a part of what is logged instead.
LOGGING = {
    "an exception of the program": (f"raise ValueError('{MARK}')", {"error": "ValueError at <string>:1", "level": "critical"}),
    "an exception of a thread": (
        f"import threading\ndef fail(): raise ValueError('{MARK}')\nt = threading.Thread(target=fail)\nt.start()\nt.join()",
        {"error": "ValueError at <string>:2"},
    ),
    "an exception that cannot be raised": (
        f"class Gone:\n    def __del__(self): raise ValueError('{MARK}')\nGone()",
        {"error": "ValueError at <string>:2"},
    ),
    "a warning": (f"import warnings\nwarnings.warn('{MARK}')", {"error": "UserWarning", "level": "warning", "place": "<string>:2"}),
    "a library's sentence": (
        f"import logging\nlogging.getLogger('lib').warning('passport {MARK}')",
        {"logger": "lib", "place": "<string>:2"},
    ),
    "a library's argument": (f"import logging\nlogging.getLogger('lib').info('passport %s', '{MARK}')", {"logger": "lib", "level": "info"}),
    "a library's exception": (
        f"import logging\ntry: raise ValueError('{MARK}')\nexcept ValueError: logging.getLogger('lib').exception('{MARK}')",
        {"logger": "lib", "error": "ValueError at <string>:2", "level": "error"},
    ),
    "a library's own mistake": (f"import logging\nlogging.getLogger('lib').error('%d', '{MARK}')", {"logger": "lib", "level": "error"}),
    "a level of a library's own": ("import logging\nlogging.getLogger('lib').log(25, 'x')", {"logger": "lib", "level": "info"}),
    "the web server's traceback": (
        f"import logging, traceback\ntry: raise ValueError('{MARK}')\n"
        "except ValueError: logging.getLogger('gunicorn.error').error(traceback.format_exc())",
        {"logger": "gunicorn.error"},
    ),
    "the web server's exception as its sentence": (
        f"import logging\ntry: raise ValueError('{MARK}')\nexcept ValueError as e: logging.getLogger('gunicorn.error').exception(e)",
        {"logger": "gunicorn.error", "error": "ValueError at <string>:2"},
    ),
    "the web server's address of a request": (
        f"import logging\nlogging.getLogger('gunicorn.error').error('Error handling request %s', '{MARK}')",
        {"logger": "gunicorn.error"},
    ),
    "a function of the owner": (
        f"import structlog\ntry: raise ValueError('{MARK}')\nexcept ValueError: structlog.get_logger().exception('blocked', name='{MARK}')",
        {"event": "blocked", "error": "ValueError at <string>:2"},
    ),
}


def logged_by(program: str) -> list[dict[str, Any]]:
    begun = "from store.system import processes; processes.begin()"
    done = subprocess.run([sys.executable, "-c", f"{begun}; exec({program!r})"], capture_output=True, text=True, check=False)
    assert MARK not in done.stderr + done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize("what", LOGGING)
def test_whoever_logs_the_line_is_json_with_kind_and_place_alone(what: str) -> None:
    program, part = LOGGING[what]
    [line] = logged_by(program)
    assert part.items() <= line.items(), line


def test_the_web_servers_news_of_its_own_processes_are_kept() -> None:
    [line] = logged_by("import logging\nlogging.getLogger('gunicorn.error').critical('WORKER TIMEOUT (pid:%s)', 7)")
    assert line["event"] == "WORKER TIMEOUT (pid:7)"


# causes ----------------------------------------------------------------------------------------------------------


def described(fail: Callable[[], object]) -> str:
    try:
        fail()
    except Exception as error:
        return describe_error(error)
    raise AssertionError("nothing failed")


def executing(url: str, *statements: str) -> Callable[[], None]:
    def fail() -> None:
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.execute(text(statement))
        finally:
            engine.dispose()

    return fail


def test_a_full_database_is_named(tmp_path: Path) -> None:
    fail = executing(f"sqlite:///{tmp_path / 'x'}", "PRAGMA max_page_count = 2", "CREATE TABLE a (b)", "CREATE TABLE c (d)")
    assert described(fail).startswith("OperationalError (database or disk is full) at ")


def test_a_read_only_database_is_named(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x").execute("CREATE TABLE a (b)").connection.close()
    fail = executing(f"sqlite:///file:{tmp_path / 'x'}?mode=ro&uri=true", "INSERT INTO a VALUES (1)")
    assert described(fail).startswith("OperationalError (attempt to write a readonly database) at ")


def test_a_missing_database_file_is_named(tmp_path: Path) -> None:
    fail = executing(f"sqlite:///{tmp_path / 'missing' / 'x'}", "SELECT 1")
    assert described(fail).startswith("OperationalError (unable to open database file) at ")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"SELECT CAST('{MARK}' AS integer)", "DataError from InvalidTextRepresentation (22P02 invalid_text_representation) at "),
        ("SET TRANSACTION READ ONLY; CREATE TABLE a (b int)", "(25006 read_only_sql_transaction) at "),
        (f"SELECT * FROM {MARK}", "ProgrammingError from UndefinedTable (42P01 undefined_table) at "),
    ],
)
def test_postgresql_is_named_by_its_code(statement: str, expected: str, postgres: Postgres | None) -> None:
    if postgres is None:
        pytest.skip("no PostgreSQL")
    with postgres.database() as url:
        told = described(executing(url.replace("postgresql://", "postgresql+psycopg://"), statement))
    assert expected in told
    assert MARK not in told


def test_a_postgresql_that_is_away_is_named() -> None:
    told = described(lambda: psycopg.connect(f"host=127.0.0.1 port=1 dbname={MARK}"))
    assert told.startswith("OperationalError (connection refused)")
    assert MARK not in told


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://127.0.0.1:1", "ConnectionError (connection refused) from ConnectionRefusedError (connection refused)"),
        (f"unix:///tmp/{MARK}", "ConnectionError (no such socket) from FileNotFoundError (no such file or directory)"),
    ],
)
def test_a_valkey_that_is_away_is_named(url: str, expected: str) -> None:
    told = described(redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)).ping)
    assert told.startswith(expected)
    assert MARK not in told


def test_a_full_disk_is_named() -> None:
    def fail() -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    assert described(fail).startswith("OSError (no space left on device) at ")


def test_what_has_no_known_cause_is_named_by_its_kind_alone() -> None:
    assert described(lambda: int(MARK)).startswith("ValueError at ")


# files -----------------------------------------------------------------------------------------------------------


def test_what_a_process_creates_is_for_its_owner_alone(tmp_path: Path) -> None:
    program = f"from pathlib import Path\nPath({str(tmp_path / 'file')!r}).touch()\nPath({str(tmp_path / 'folder')!r}).mkdir()"
    before = os.umask(0o022)
    try:
        logged_by(program)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file", "folder")] == [0o600, 0o700]
