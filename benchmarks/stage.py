"""What a run stands on: a PostgreSQL cluster, a Valkey and a folder of its own, and the services that are measured on them."""

from __future__ import annotations

import base64
import itertools
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from sqlalchemy import Engine, NullPool, create_engine, event, text

from tests.support import servers
from tests.support.servers import Postgres
from tests.support.service import Service, end, eventually

ROOT = Path(__file__).resolve().parent.parent
KEY = b"a key of 32 bytes to measure by!"

POSTGRESQL, SQLITE = "postgresql", "sqlite"

#: A shared machine may be slow.
PATIENCE_SECONDS = 120

#: The databases of one Valkey.
QUEUES = 16


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The servers of a run, and a folder that goes with it."""

    folder: Path
    cluster: Postgres
    redis_url: str
    #: The process ids of the servers.
    postmaster: int
    valkey: int
    #: What a reader of the results should know.
    notes: list[str] = field(default_factory=list)
    #: What could not be measured, and why.
    failures: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _queues: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def database(self, kind: str) -> Iterator[Engine]:
        """A new database with Standing's tables."""
        with ExitStack() as stack:
            if kind == SQLITE:
                url = f"sqlite:///{self.new_folder()}/bench.sqlite3"
                servers.migrate(url)
            else:
                url = stack.enter_context(self.cluster.database())
            yield connect(url)

    @contextmanager
    def empty_database(self) -> Iterator[Engine]:
        """A new database on PostgreSQL, without tables."""
        with self.cluster.empty_database() as url:
            yield connect(url)

    @contextmanager
    def service(self, engine: Engine, *, web: str | None = None, workers: int = 0) -> Iterator[Service]:
        """Processes on a database: a web process under Standing's gunicorn settings, serving `web`, and workers of Standing's.

        Services that run at the same time have queues of their own."""
        url, queue = url_of(engine), f"{self.redis_url}?db={next(self._queues) % QUEUES}"
        Redis.from_url(queue).flushdb()
        keys = base64.b64encode(KEY).decode()
        settings = {"DATABASE_URL": url, "TEXTBOOK_DATABASE_URL": url, "REDIS_URL": queue, "ENCRYPTION_KEYS": keys}
        service = Service(self.new_folder(), settings, cwd=ROOT)
        try:
            if web:
                service.run("gunicorn", "--config", "python:receiver.gunicorn_config", web)
                eventually(service.is_up, f"{web} to answer", seconds=PATIENCE_SECONDS)
            for _ in range(workers):
                service.start_worker()
            if workers:
                counted = "SELECT count(*) FROM workers"
                eventually(lambda: scalar(engine, counted) == workers, "the workers to be up", seconds=PATIENCE_SECONDS)
            yield service
        finally:
            for process in service.processes:
                end(process)

    def new_folder(self) -> Path:
        folder = self.folder / f"{next(self._numbers):03d}"
        folder.mkdir()
        return folder


#: What serves whom, as gunicorn is told it.
EMPTY, TEXTBOOK, STANDING = "benchmarks.empty:app", "benchmarks.textbook:app", "receiver:create_app()"


@contextmanager
def stage() -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="standing-bench-") as folder,
        servers.valkey(Path(folder)) as valkey,
        servers.throwaway_cluster() as cluster,
    ):
        assert valkey._process
        assert cluster.data
        postmaster = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
        yield Stage(folder=Path(folder), cluster=cluster, redis_url=valkey.url, postmaster=postmaster, valkey=valkey._process.pid)


def connect(url: str) -> Engine:
    """An engine for the measurer's own looks; it holds no connection between them."""
    made = create_engine(url, poolclass=NullPool)
    if made.dialect.name == SQLITE:
        event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 10000"))
    return made


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def scalar(engine: Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(query)).scalar_one()


def number(engine: Engine, query: str) -> int:
    return int(str(scalar(engine, query)))


def some_wait(engine: Engine) -> bool:
    """Whether any event is pending."""
    return bool(scalar(engine, "SELECT EXISTS (SELECT 1 FROM events WHERE status = 'pending')"))


def wait_until_handled(engine: Engine, *, seconds: float = 300) -> bool:
    """Wait until nothing is pending; return whether that came to be."""
    deadline = time.monotonic() + seconds
    while some_wait(engine):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def tidy(engine: Engine) -> None:
    """What a database does by itself in the hours after much was written: done at once, so that it disturbs no measurement."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == SQLITE:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            return
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))


def git_commit() -> str:
    """The commit that is measured, and whether anything was changed since."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"
