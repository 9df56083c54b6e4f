"""Backups of the embedded database: what is refused changes nothing, and what is restored begins its life anew."""

from __future__ import annotations

import base64
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from store import database
from store.access import audit, operators
from store.applicants import feed
from store.applicants.feed import OutOfPlace
from store.cli import maintenance
from store.cli.root import standing as standing_command
from store.database.operations_tables import Act
from store.database.tables import EventRow
from store.inbox import claims, events
from store.inbox import record as inbox
from store.inbox.deliveries import Delivery
from store.operations import backup, backup_contents, health
from tests.conftest import KEY, forget
from tests.support.service import PROGRAMS


@pytest.fixture
def path(migrated_sqlite: Path, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The database's file, of an embedded database that this process is configured for."""
    path = tmp_path / "var" / "standing.sqlite3"
    path.parent.mkdir()
    path.write_bytes(migrated_sqlite.read_bytes())
    settings = {"VAR_DIR": str(path.parent), "DATABASE_URL": f"sqlite:///{path}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    forget()
    yield path
    forget()


def standing(*arguments: str) -> Result:
    """Run the command line to its end, as a process that starts afresh does."""
    forget()
    try:
        return CliRunner().invoke(
            click.Group(commands=maintenance.commands, context_settings=standing_command.context_settings), list(arguments)
        )
    finally:
        forget()


def keep(text: str) -> str:
    """Keep an event; give its id."""
    body = text.encode()
    return inbox.record(Delivery(vendor="idngo", environment="live", headers={}, body=body, identity=body)).event_id


def take(file: Path) -> Path:
    backup.take(file, overwrite=False, progress=lambda *_: None)
    return file


def kept_ids() -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(EventRow.id).order_by(EventRow.sequence)).scalars())


def everything_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".turn"}


# taking -------------------------------------------------------------------------------------------------------


def test_a_backup_is_one_private_file_and_says_what_it_holds_and_what_it_does_not(path: Path, tmp_path: Path) -> None:
    keep("one"), keep("two")
    said = standing("backup", str(tmp_path / "b.sqlite3"))
    assert said.exit_code == 0, said.stderr
    assert "2 events" in said.stdout
    assert "0 applicants" in said.stdout
    assert "keys are NOT in it" in said.stderr
    assert "environment" in said.stderr
    assert KEY not in said.stdout + said.stderr
    assert (tmp_path / "b.sqlite3").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("b.")] == ["b.sqlite3"]
    with database.reading() as connection:
        [act] = audit.listing(connection, limit=5)
    assert (act.actor, act.action, act.subject, act.touched) == (operators.account(), "backup", "file b.sqlite3", 2)


def test_a_backup_is_of_one_instant_however_much_is_kept_while_it_is_copied(path: Path, tmp_path: Path) -> None:
    # SQLite begins a copy in steps again whenever somebody else writes between two: beside steady traffic it would never end.
    before = [keep(f"{number}" * 1_000_000) for number in range(10)]
    meanwhile, told = [], []

    def keep_another(done: int, total: int) -> None:
        told.append(done)
        assert len(told) < 100, "it begins again and again"
        meanwhile.append(keep(f"meanwhile {len(told)}"))

    contents = backup.take(tmp_path / "b.sqlite3", overwrite=False, progress=keep_another)
    assert len(told) > 2
    assert told == sorted(told)
    assert contents.events == len(before)
    assert kept_ids() == before + meanwhile


def test_a_file_that_exists_is_replaced_only_by_force(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    refused = standing("backup", str(file))
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert file.read_text() == "precious"
    assert standing("backup", "--force", str(file)).exit_code == 0
    assert backup_contents.examine(file).events == 0


def test_the_database_itself_is_never_taken_for_a_backup(path: Path) -> None:
    event_id = keep("one")
    for command in (("backup", "--force"), ("restore", "--yes")):
        assert standing(*command, str(path)).exit_code == 2
    assert kept_ids() == [event_id]


def test_a_damaged_database_gives_no_backup_that_looks_like_one(path: Path, tmp_path: Path) -> None:
    for number in range(40):
        keep(f"{number}" * 1000)
    forget()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 8192)
    with pytest.raises(backup_contents.Failed):
        take(tmp_path / "b.sqlite3")
    assert [file.name for file in tmp_path.iterdir()] == ["var"]


# refusing to restore ------------------------------------------------------------------------------------------


def garbage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 1000)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8192])


def without_tables(file: Path) -> None:
    file.unlink()
    sqlite3.connect(file).executescript("CREATE TABLE events (id); CREATE TABLE alembic_version (version_num); ").close()


def of_newer_code(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "status", "word"),
    [(garbage, 1, "damaged"), (cut_short, 1, "damaged"), (without_tables, 1, "not a database of Standing's"), (of_newer_code, 2, "newer")],
)
def test_what_is_no_backup_of_ours_is_refused_and_changes_nothing(
    spoil: Callable[[Path], None], status: int, word: str, path: Path, tmp_path: Path
) -> None:
    keep("one")
    file = take(tmp_path / "b.sqlite3")
    spoil(file)
    keep("two")
    forget()
    before = everything_in(path.parent)
    said = standing("restore", "--yes", str(file))
    assert (said.exit_code, word in said.stderr) == (status, True), said.stderr
    assert everything_in(path.parent) == before


def test_without_a_yes_nothing_changes(path: Path, tmp_path: Path) -> None:
    file = take(tmp_path / "b.sqlite3")
    event_id = keep("one")
    said = standing("restore", str(file))
    assert said.exit_code == 1
    assert "1 event," in said.stderr
    assert kept_ids() == [event_id]


def test_it_is_refused_while_standing_up_holds_the_folder(path: Path, tmp_path: Path) -> None:
    file = take(tmp_path / "b.sqlite3")
    forget()
    lock = path.parent / "run" / "up.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = standing("restore", "--yes", str(file))
    assert said.exit_code == 2
    assert "standing up" in said.stderr
    assert standing("restore", "--yes", str(file)).exit_code == 0


@pytest.mark.parametrize("database_is", ["whole", "damaged"])
def test_it_is_refused_while_another_process_has_the_database_open_and_idle(database_is: str, path: Path, tmp_path: Path) -> None:
    file = take(tmp_path / "b.sqlite3")
    keep("one")
    forget()
    held = "import sys; from store.operations import health; health.backlog(); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin
    assert other.stdout
    assert other.stdout.readline() == b"open\n"
    if database_is == "damaged":
        with path.open("r+b") as damaged:
            damaged.write(b"\xff" * 4096)
    before = path.read_bytes()
    refused = standing("restore", "--yes", str(file))
    assert refused.exit_code == 2, refused.stderr
    assert "has" in refused.stderr
    assert "open" in refused.stderr
    assert path.read_bytes() == before
    other.communicate()
    assert standing("restore", "--yes", str(file)).exit_code == 0
    assert kept_ids() == []
    assert len(list(path.parent.glob("*.before-restore-*Z"))) == 1


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_on_postgresql_one_is_told_what_to_do_instead(command: str, monkeypatch: pytest.MonkeyPatch, path: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@localhost:1/nothing")
    said = standing(command, str(tmp_path / "b.sqlite3"))
    assert said.exit_code == 2
    assert "pg_dump" in said.stderr
    assert "standing new-epoch" in said.stderr


# restoring ----------------------------------------------------------------------------------------------------


def test_a_restore_brings_back_what_was_and_keeps_what_is_beside_it(path: Path, tmp_path: Path) -> None:
    first = keep("one")
    file = take(tmp_path / "b.sqlite3")
    second = keep("two")
    forget()
    said = standing("restore", "--yes", str(file))
    assert said.exit_code == 0, said.stderr
    assert kept_ids() == [first]
    with database.reading() as connection:
        assert events.body(connection, first) == b"one"
        assert [act.action for act in connection.execute(select(Act.action))] == ["restore"]
    (beside,) = path.parent.glob("*.before-restore-*")
    assert str(beside) in said.stdout
    assert backup_contents.examine(beside).events == 2
    forget()
    assert standing("restore", "--yes", str(beside)).exit_code == 0
    assert kept_ids() == [first, second]


def test_what_was_claimed_when_the_backup_was_taken_is_handled(path: Path, tmp_path: Path) -> None:
    # A lease lasts 30 seconds, and whoever holds an event for longer is taken for dead, and it for suspect. Nobody of that time lives.
    event_id = keep("claimed")
    health.heartbeat("of that time")
    assert [event.id for event in claims.claim_oldest("of that time", most=10)] == [event_id]
    file = take(tmp_path / "b.sqlite3")
    forget()
    assert standing("restore", "--yes", str(file)).exit_code == 0
    assert health.workers() == 0
    assert [event.id for event in claims.claim_oldest("of today", most=10)] == [event_id]


def test_a_restore_that_is_killed_before_its_last_step_has_changed_nothing(path: Path, tmp_path: Path) -> None:
    file = take(tmp_path / "b.sqlite3")
    event_id = keep("one")
    forget()
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "restored").write_text("kill")
    killed = subprocess.run(
        [PROGRAMS / "standing", "restore", "--yes", str(file)], env=os.environ | {"FAULTS_DIR": str(faults)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert kept_ids() == [event_id]
    forget()
    assert standing("restore", "--yes", str(file)).exit_code == 0
    assert kept_ids() == []
    assert not list(path.parent.glob("*.new*"))


def test_whoever_opens_the_database_during_a_restore_cannot_write_into_the_wrong_one(path: Path, tmp_path: Path) -> None:
    # A process starts during a restore. It has opened the file that is about to lose its name, and waits for its lock. Once it gets that,
    # it would begin a write-ahead log under the name that another database has meanwhile: both would be spoilt.
    keep("one")
    file = take(tmp_path / "b.sqlite3")
    forget()
    late = sqlite3.connect(path, timeout=0, isolation_level=None)

    def open_meanwhile(*_: int) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            late.execute("PRAGMA journal_mode = WAL")

    backup.restore(file, actor=operators.at_this_terminal(), progress=open_meanwhile)
    for statement in ("PRAGMA journal_mode = WAL", "DELETE FROM events"):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            late.execute(statement)
    assert not Path(f"{path}-wal").exists()
    late.close()
    assert len(kept_ids()) == 1


OTHER_KEY = base64.b64encode(b"some other key of 32 bytes, this").decode()


def test_a_restore_is_refused_when_no_configured_key_opens_a_body_unless_told(
    monkeypatch: pytest.MonkeyPatch, path: Path, tmp_path: Path
) -> None:
    event_id = keep("one")
    file = take(tmp_path / "b.sqlite3")
    keep("two")
    forget()
    before = everything_in(path.parent)
    monkeypatch.setenv("ENCRYPTION_KEYS", OTHER_KEY)
    refused = standing("restore", "--yes", str(file))
    assert (refused.exit_code, everything_in(path.parent)) == (2, before)
    assert "open 0 of its 1 bodies. Nothing was changed." in refused.stderr
    told = standing("restore", "--yes", "--without-keys", str(file))
    assert told.exit_code == 0, told.stderr
    assert "open 0 of its 1 bodies." in told.stderr
    assert kept_ids() == [event_id]


def test_a_backup_can_be_tried_with_the_configured_keys(monkeypatch: pytest.MonkeyPatch, path: Path, tmp_path: Path) -> None:
    keep("one")
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{OTHER_KEY},{KEY}")
    forget()
    keep("two"), keep("three")
    file = take(tmp_path / "b.sqlite3")
    before = file.read_bytes()
    whole = standing("verify-backup", str(file))
    assert whole.exit_code == 0, whole.stderr
    assert "3 events" in whole.stdout
    assert whole.stdout.count("opens them") == 2
    monkeypatch.setenv("ENCRYPTION_KEYS", OTHER_KEY)
    part = standing("verify-backup", str(file))
    assert part.exit_code == 1
    assert "1 bodies: the key" in part.stdout
    assert "open 2 of its 3 bodies." in part.stderr
    assert "Restored" in standing("restore", "--yes", str(file)).stdout
    file.write_bytes(before[: len(before) // 2])
    assert standing("verify-backup", str(file)).exit_code == 1


def test_a_backup_comes_back_where_there_is_no_database_yet(path: Path, tmp_path: Path) -> None:
    event_id = keep("one")
    file = take(tmp_path / "b.sqlite3")
    forget()
    for left in path.parent.glob("*"):
        left.unlink()
    assert standing("restore", "--yes", str(file)).exit_code == 0
    assert kept_ids() == [event_id]


# the feed -----------------------------------------------------------------------------------------------------


def test_a_new_epoch_puts_every_cursor_out_of_place_and_is_recorded(kept: str) -> None:
    with database.reading() as connection:
        cursor = feed.cursor_of(*feed.position(connection, "latest"))
    assert standing("new-epoch").exit_code == 1
    with database.reading() as connection:
        feed.position(connection, cursor)
    assert standing("new-epoch", "--yes").exit_code == 0
    with database.reading() as connection:
        with pytest.raises(OutOfPlace):
            feed.position(connection, cursor)
        assert [act.action for act in connection.execute(select(Act.action))] == ["new-epoch"]
