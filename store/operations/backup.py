"""Backups of the embedded database: a copy taken while the service runs, and its restore."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from store import config, database
from store.access import audit
from store.access.operators import Actor
from store.applicants import feed
from store.database import migrations
from store.inbox import settling
from store.inbox.sealing import body_keys
from store.operations import backup_contents, health
from store.operations.backup_contents import Contents, Failed, Refused, examine
from store.operations.exclusive_access import connect, no_service
from store.system import clock, durable_files, fault_points

#: Pages that are copied at a time: after each the progress is reported.
PAGES_AT_ONCE = 1000

#: What SQLite keeps beside a database while it is open, and leaves there when its process dies.
LOGS = ("-wal", "-journal")
SHARED_MEMORY = "-shm"


#: Called after each part: how much is done, and of how much.
OnProgress = Callable[[int, int], None]


def take(file: Path, *, overwrite: bool, progress: OnProgress) -> Contents:
    """Copy the database into a file, as of one instant. The file appears once it is complete, checked and durable."""
    path = database_file()
    _refuse_the_database_itself(file, path)
    if file.exists() and not overwrite:
        raise Refused(f"{file} exists: name another file, or give --force to replace it")
    if not path.exists():
        raise Refused(f"there is no database yet at {path}")
    with _failures_told(), _unfinished(file) as unfinished:
        with closing(connect(path, mode="rw")) as source:
            _copy(source, unfinished, progress)
        contents = examine(unfinished)
        unfinished.replace(file)
        durable_files.sync(file.absolute().parent)
    return contents


def restore(file: Path, *, actor: Actor, progress: OnProgress) -> Path | None:
    """Put a backup in the database's place; return where the previous database is kept, if there was one.

    The restored database begins a new epoch of the feed, without claims and workers. Nothing changes before the last step, which is
    one rename."""
    path = database_file()
    _refuse_the_database_itself(file, path)
    # A backup does not know which keys were made and destroyed since.
    keys = backup_contents.master_keys(path)
    with _failures_told(), no_service(path), _unfinished(path) as unfinished:
        with closing(connect(file, mode="ro")) as source:
            _copy(source, unfinished, progress)
        _begin_anew(unfinished, file, actor, keys)
        _own_as(path, unfinished)
        durable_files.sync(unfinished)
        fault_points.reach("restored")
        return _exchange(path, unfinished)


def database_file() -> Path:
    """Return the embedded database's file. Raises Refused on PostgreSQL."""
    url = make_url(config.settings().database_url)
    if url.get_backend_name() != "sqlite":
        raise Refused(
            "This is for the embedded SQLite, and DATABASE_URL names PostgreSQL. Back that up with pg_dump or by archiving its log"
            " for point-in-time recovery; after restoring it by its own means, and before readers come back, run `standing new-epoch`."
            " docs/backups.md says more."
        )
    return Path(str(url.database)).resolve()


def _refuse_the_database_itself(file: Path, path: Path) -> None:
    if file.resolve() in (path, *(Path(f"{path}{suffix}") for suffix in (*LOGS, SHARED_MEMORY))):
        raise Refused(f"{file} is the database itself")


# copying ------------------------------------------------------------------------------------------------------


def _copy(source: sqlite3.Connection, target: Path, progress: OnProgress) -> None:
    """Copy a database, as of one instant, into an empty file."""
    # Steps alone would begin again whenever another process writes. Inside one read transaction they all see its instant, and with
    # write-ahead logging no writer waits for a reader: what is kept meanwhile only makes the log longer.
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()
    with closing(connect(target, mode="rw")) as copy:
        # It is synced as a whole, once it is whole.
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=PAGES_AT_ONCE, progress=lambda _status, remaining, total: progress(total - remaining, total))
        # One file, which can also be read where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE")
    durable_files.sync(target)


def _begin_anew(copy: Path, file: Path, actor: Actor, keys: list[dict[str, Any]]) -> None:
    """Migrate a copy, and remove what was valid only when it was made."""
    engine = database.engine_of(make_url(config.settings().database_url).set(database=str(copy)))
    try:
        migrations.upgrade(engine)
        with engine.begin() as connection:
            settling.release_all(connection)
            health.forget_workers(connection)
            body_keys.remember(connection, keys)
            subject = f"backup {os.fsencode(file.name).decode(errors='replace')}"
            audit.write(connection, actor=actor.name, action="restore", subject=subject, os_user=actor.os_user)
            feed.begin_epoch(connection)
    finally:
        engine.dispose()


def _own_as(path: Path, copy: Path) -> None:
    """Give the copy the owner and mode of the database, because the service may run as another user."""
    like = (path if path.exists() else path.parent).stat()
    if path.exists():
        copy.chmod(stat.S_IMODE(like.st_mode))
    if os.getuid() == 0:
        os.chown(copy, like.st_uid, like.st_gid)


def _exchange(path: Path, copy: Path) -> Path | None:
    """Put a copy in the database's place while no process holds that file; return where the previous one is kept."""
    kept = path.with_name(f"{path.name}.before-restore-{clock.now():%Y%m%dT%H%M%S.%fZ}")
    existed = path.exists()
    if existed:
        _keep(path, kept)
    # SQLite would take them for the copy's. They are there only if the database was too damaged to fold them in.
    for log in LOGS:
        if (left := Path(f"{path}{log}")).exists():
            left.rename(f"{kept}{log}")
    Path(f"{path}{SHARED_MEMORY}").unlink(missing_ok=True)
    copy.replace(path)
    durable_files.sync(path.parent)
    return kept if existed else None


def _keep(path: Path, kept: Path) -> None:
    """Give a file a second name, so that the first name never disappears."""
    try:
        kept.hardlink_to(path)
    except OSError:  # On purpose: a few file systems have no links; there it is renamed.
        path.rename(kept)


# files --------------------------------------------------------------------------------------------------------


@contextmanager
def _unfinished(file: Path) -> Iterator[Path]:
    """Yield an empty file beside another, for its owner alone. It is removed in the end unless it was renamed."""
    unfinished = file.with_name(f"{file.name}.new")
    _discard(unfinished)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield unfinished
    finally:
        _discard(unfinished)


def _discard(file: Path) -> None:
    for suffix in ("", *LOGS, SHARED_MEMORY):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        raise Failed(f"it could not be done: {getattr(error, 'orig', None) or error}") from error
