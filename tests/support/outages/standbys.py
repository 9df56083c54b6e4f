"""A PostgreSQL and its streaming standby, each on a port of its own, to be failed over."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from sqlalchemy import make_url

from tests.support import servers
from tests.support.servers import NoPostgres, Postgres
from tests.support.service import eventually, free_port


@dataclass
class Standby(Postgres):
    """A server that follows another one."""

    def promote(self) -> None:
        """Make it a primary."""
        self._pg_ctl("promote")


@dataclass
class Pair:
    """A primary and its standby."""

    primary: Postgres
    standby: Standby

    def url(self, database: str, **options: str) -> str:
        """The URL of a database that names both, as libpq writes it."""
        hosts = ",".join(f"127.0.0.1:{make_url(server.url).port}" for server in (self.primary, self.standby))
        return f"postgresql://standing@{hosts}/{database}?{urlencode({'target_session_attrs': 'read-write'} | options)}"

    def fail_over(self) -> None:
        """Stop the primary as a power cut would, and promote the standby."""
        self.primary.stop()
        self.standby.promote()


@contextmanager
def pair(*, synchronous: bool = True) -> Iterator[Pair]:
    """A primary and a standby that has all that was committed; a synchronous one has it before the commit returns. Raises NoPostgres."""
    with servers.throwaway_cluster(durable=False) as primary:
        listen(primary, free_port())
        with standby_of(primary, synchronous=synchronous) as standby:
            yield Pair(primary, standby)


@contextmanager
def standby_of(primary: Postgres, *, synchronous: bool = True, name: str = "standby") -> Iterator[Standby]:
    """A standby that streams from a server; that server waits for it, if it is synchronous."""
    programs = servers._programs()
    if programs is None or not (programs / "pg_basebackup").exists():
        raise NoPostgres("no pg_basebackup on this machine")
    folder, user = Path(tempfile.mkdtemp(prefix="standing-pg-")), servers._server_user()
    if user != getpass.getuser():
        shutil.chown(folder, user)
    as_user = [] if user == getpass.getuser() else ["runuser", "-u", user, "--"]
    source = f"{primary.url}?application_name={name}"
    subprocess.run(
        [*as_user, programs / "pg_basebackup", "-d", source, "-D", folder / "data", "-R", "-c", "fast", "--no-sync"],
        check=True,
        capture_output=True,
    )
    port = free_port()
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write(f"unix_socket_directories = '{folder}'\nport = {port}\n")
    made = Standby(f"postgresql://standing@127.0.0.1:{port}/postgres", folder / "data", primary.control)
    made.start()
    try:
        if synchronous:
            primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            primary.execute("SELECT pg_reload_conf()")
        eventually(lambda: _follows(primary, name, "sync" if synchronous else "async"), "the standby to stream")
        yield made
    finally:
        # A test may have left it stopped.
        with suppress(subprocess.SubprocessError, FileNotFoundError):
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def listen(server: Postgres, port: int) -> None:
    """Have a server listen on a port of this machine, and no longer on the usual one."""
    assert server.data
    with (server.data / "postgresql.conf").open("a") as configuration:
        configuration.write(f"listen_addresses = '127.0.0.1'\nport = {port}\n")
    server.restart()
    server.url = f"postgresql://standing@127.0.0.1:{port}/postgres"


def _follows(primary: Postgres, name: str, state: str) -> bool:
    with psycopg.connect(primary.url, autocommit=True) as session:
        query = "SELECT 1 FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming' AND sync_state = %s"
        return session.execute(query, [name, state]).fetchone() is not None
