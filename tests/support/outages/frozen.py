"""A worker that does not move, and holds nothing that others wait for."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.faults.processes import tell
from tests.support.service import Service, children, eventually

#: Asks PostgreSQL whether everybody is between two transactions.
_NONE_IS_OPEN = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %')"


@contextmanager
def frozen(service: Service, workers: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """A time in which no worker moves: neither the processes that were started, nor their children, which work."""
    pids = [pid for process in workers for pid in (process.pid, *children(process.pid))]

    def freeze() -> bool:
        tell(pids, signal.SIGSTOP)
        if _is_free(service.environment["DATABASE_URL"]):
            return True
        tell(pids, signal.SIGCONT)
        return False

    eventually(freeze, "the workers to be stopped between two transactions")
    try:
        yield
    finally:
        tell(pids, signal.SIGCONT)


def _is_free(database_url: str) -> bool:
    """Whether others can write at once: SQLite has one lock, which a writer that is stopped keeps."""
    engine = create_engine(database_url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                return bool(connection.execute(text(_NONE_IS_OPEN)).scalar_one())
            connection.execute(text("PRAGMA busy_timeout = 0"))
            connection.execute(text("BEGIN IMMEDIATE"))
            connection.execute(text("ROLLBACK"))
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()
