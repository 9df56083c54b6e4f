"""Databases as they really are: inherited settings, encodings, tables of another revision, poolers, deadlocks."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from handlers.worker import drain
from store import database
from store.database import transactions
from store.database.migrations import head
from store.database.sessions import Unfit
from store.database.transactions import _checked
from store.inbox import deliveries
from store.inbox import record as inbox
from tests.conftest import KEY, forget
from tests.support.servers import Postgres, _server_user
from tests.support.service import PROGRAMS, eventually, free_port

INHERITED = [
    "datestyle = 'SQL, MDY'", "datestyle = 'German'", "intervalstyle = 'sql_standard'", "timezone = 'Asia/Kathmandu'",
    "client_encoding = 'LATIN1'", "client_encoding = 'SQL_ASCII'", "standard_conforming_strings = off", "bytea_output = 'escape'",
    "extra_float_digits = -15", "statement_timeout = '1ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'",
    "idle_session_timeout = '100ms'", "default_transaction_isolation = 'serializable'",
    "default_transaction_isolation = 'repeatable read'", "default_transaction_deferrable = on", "synchronous_commit = off",
    "search_path = 'nowhere'", "row_security = off",
]  # fmt: skip

#: In the service's own order, so that the test itself is in no circle.
REOPENED = [
    "SELECT 1 FROM events ORDER BY subject FOR UPDATE",
    "UPDATE events SET status = 'pending', settled_at = NULL, claimed_by = NULL",
]


@pytest.fixture
def on_postgres(postgres: Postgres | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if postgres is None:
        pytest.skip("no PostgreSQL")
    with postgres.database() as url:
        monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
        monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
        monkeypatch.setenv("DATABASE_URL", url)
        # How long a delivery may wait is tried where it is promised: over HTTP.
        monkeypatch.setattr(inbox, "RECORD_SECONDS", 15.0)
        forget()
        yield url
        forget()


def _deliver(number: int, *, subject: str | None = None) -> inbox.Kept:
    body = f'{{"n": {number}, "name": "Жанна 東"}}'.encode()
    return inbox.record(
        deliveries.Delivery(
            vendor="idenfy", environment="live", headers={}, body=body, identity=body, subject=subject.encode() if subject else None
        )
    )


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(statement.encode())


@pytest.mark.parametrize("setting", INHERITED)
def test_what_a_database_sets_is_not_inherited(setting: str, on_postgres: str) -> None:
    name = make_url(on_postgres).database
    _run(on_postgres, f"ALTER DATABASE {name} SET {setting}")
    _handle_five()


def _handle_five() -> None:
    kept = [_deliver(number, subject="one" if number % 2 else None) for number in range(5)]
    assert all(one.first for one in kept)
    drain.drain()
    with database.reading() as connection:
        rows = connection.execute(text("SELECT status, received_at FROM events")).all()
        assert connection.execute(text("SELECT current_setting('synchronous_commit')")).scalar_one() == "on"
        assert connection.execute(text("SELECT current_setting('transaction_isolation')")).scalar_one() == "read committed"
    assert len(rows) == 5
    assert "pending" not in {row.status for row in rows}
    assert all(row.received_at.utcoffset().total_seconds() == 0 for row in rows)


def test_what_the_environment_sets_is_not_inherited(on_postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1 -c search_path=nowhere -c datestyle=German")
    monkeypatch.setenv("PGTZ", "Asia/Kathmandu")
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    _handle_five()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_an_encoding_that_cannot_hold_every_name_is_refused_in_words(
    encoding: str, on_postgres: str, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    name = f"narrow_{encoding.lower()}"
    postgres.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        monkeypatch.setenv("DATABASE_URL", postgres._url_of(name))
        forget()
        with pytest.raises(Unfit, match=encoding):
            database.read(lambda connection: connection.execute(text("SELECT 1")))
        for command, status in (("web", 2), ("worker", 2), ("doctor", 1), ("status", 1), ("migrate", 1)):
            ended = _standing(command)
            said = ended.stdout + ended.stderr
            assert (ended.returncode, encoding in said, "Traceback" in said) == (status, True, False), said
        served = subprocess.run(
            [PROGRAMS / "gunicorn", "--config", "python:receiver.gunicorn_config"], capture_output=True, text=True, timeout=240, check=False
        )
        assert (served.returncode, encoding in served.stderr) == (1, True)
    finally:
        forget()
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("damage", ["UPDATE alembic_version SET version_num = 'cafe1234'", "newer", "no tables", "another column"])
def test_tables_that_do_not_bear_this_code_are_told_in_words(damage: str, kept: str, tmp_path: Path) -> None:
    _deliver(1)
    statements = {
        "newer": ["UPDATE alembic_version SET version_num = '9999'", "INSERT INTO bearing VALUES ('9999', '9998')"],
        "no tables": ["ALTER TABLE events RENAME TO hidden"],
        "another column": ["ALTER TABLE alembic_version RENAME COLUMN version_num TO release"],
    }.get(damage, [damage])
    _as_another(kept, statements)
    _checked.clear()
    began = time.monotonic()
    with pytest.raises(inbox.Unavailable):
        _deliver(2)
    assert time.monotonic() - began < inbox.RECORD_SECONDS, "nobody waits for the deadline, which tests have put off"
    named = {"newer": "9999", "no tables": str(head()), "another column": "alembic_version"}.get(damage, "cafe1234")
    for command in ("doctor", "status", "migrate"):
        ended = _standing(command)
        said = ended.stdout + ended.stderr
        assert (ended.returncode, named in said, "Traceback" in said) == (1, True, False), said


def test_newer_tables_that_bear_this_code_are_no_trouble(kept: str) -> None:
    _as_another(kept, ["UPDATE alembic_version SET version_num = '9999'", "INSERT INTO bearing VALUES ('9999', '0008')"])
    _checked.clear()
    assert _deliver(1).first
    assert _standing("migrate").returncode == 0


def test_a_change_of_the_tables_is_noticed_while_the_process_lives(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "CHECKED_SECONDS", 0.1)
    monkeypatch.setattr(transactions, "REFUSED_SECONDS", 0.1)
    _deliver(1)
    _as_another(kept, ["UPDATE alembic_version SET version_num = 'cafe1234'"])
    time.sleep(0.2)
    with pytest.raises(inbox.Unavailable):
        _deliver(2)
    _as_another(kept, [f"UPDATE alembic_version SET version_num = '{head()}'"])
    time.sleep(0.2)
    assert _deliver(2).first


def _as_another(url: str, statements: list[str]) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _standing(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAMS / "standing", *arguments], capture_output=True, text=True, timeout=240, check=False)


def test_redeliveries_and_settling_of_the_same_events_never_deadlock(on_postgres: str) -> None:
    subjects = [f"{number * 7919 % 200:03d}" for number in range(200)]
    arrived = [_arrival(subject) for subject in subjects]
    for one in arrived:
        inbox._commit_group([one])
    ended = threading.Event()
    senders = [threading.Thread(target=_redeliver, args=(subjects, ended)) for _ in range(2)]
    for sender in senders:
        sender.start()
    for _ in range(15):
        _as_another(on_postgres, REOPENED)
        drain.drain()
    ended.set()
    for sender in senders:
        sender.join()
    time.sleep(1)  # PostgreSQL counts a deadlock a moment later.
    with psycopg.connect(on_postgres) as session:
        row = session.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row == (0,)


def _redeliver(subjects: list[str], ended: threading.Event) -> None:
    while not ended.is_set():
        assert all(isinstance(kept, str) for kept in inbox._commit_group([_arrival(subject) for subject in subjects]))


def _arrival(subject: str) -> deliveries.SealedDelivery:
    body = f'{{"scanRef": "{subject}"}}'.encode()
    delivery = deliveries.Delivery(vendor="idenfy", environment="live", headers={}, body=body, identity=body, subject=subject.encode())
    return deliveries.seal(delivery)


def test_a_deadlock_is_tried_once_more(on_postgres: str) -> None:
    tries = []

    def work() -> str:
        tries.append(1)
        with database.begin() as connection:
            if len(tries) == 1:
                connection.execute(text("DO $$ BEGIN RAISE deadlock_detected; END $$"))
        return "done"

    assert (database.again(work), len(tries)) == ("done", 2)


@pytest.mark.parametrize("setting", ["datestyle = 'German'", "default_transaction_isolation = 'serializable'", "search_path = 'nowhere'"])
def test_behind_pgbouncer_in_transaction_mode(
    setting: str, on_postgres: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(on_postgres, f"ALTER DATABASE {make_url(on_postgres).database} SET {setting}")
    with pgbouncer(on_postgres) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("DATABASE_POOLER", "transaction")
        monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1")
        forget()
        senders = [threading.Thread(target=_deliver, args=(100 + number,)) for number in range(40)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        drain.drain()
        with database.reading() as connection:
            counts = connection.execute(text("SELECT status, count(*) FROM events GROUP BY status")).all()
            assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0
        assert sum(row[1] for row in counts) == 40
        assert "pending" not in {row.status for row in counts}
        forget()


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """A PgBouncer of Debian's package in transaction mode, with two sessions of the server for all."""
    program, parsed = Path("/usr/sbin/pgbouncer"), make_url(url)
    if not program.exists():
        pytest.skip("no PgBouncer")
    folder = Path(str(parsed.query["host"]))
    port = free_port()
    configuration = folder / f"pgbouncer-{port}.ini"
    configuration.write_text(
        f"[databases]\n* = host={folder}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    configuration.write_text(configuration.read_text().replace("* = host", "* = user=standing host"))
    command = ["runuser", "-u", _server_user(), "--"] if Path("/proc/self").owner() == "root" else []
    process = subprocess.Popen([*command, str(program), str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    there = f"postgresql://standing@127.0.0.1:{port}/{parsed.database}"
    try:
        eventually(lambda: _answers(there), "PgBouncer to answer")
        yield there
    finally:
        subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False
