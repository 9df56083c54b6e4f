"""A connection that only looks: how far the work is, and how much log was written. Its backend is left out of what is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from benchmarks.stage import SQLITE

#: How often it looks. Each look takes a few microseconds of the server's time.
LOOK_SECONDS = 0.05

PENDING = "EXISTS (SELECT 1 FROM events WHERE status = 'pending')"

#: Some event is not handled, some change not followed by a subscriber, some reaction not done, or some row not logged.
BEHIND = f"""{PENDING}
    OR EXISTS (SELECT 1 FROM subscribers, feed WHERE seen < last AND retired_at IS NULL AND stopped_at IS NULL)
    OR EXISTS (SELECT 1 FROM reactions WHERE status = 'pending')
    OR EXISTS (SELECT 1 FROM log_queue)
    OR (SELECT events_to FROM log_state) < (SELECT coalesce(max(sequence), 0) FROM events)"""


class Late(Exception):
    """What was waited for did not come in time. The message says what."""


class Reader:
    """Looks at a database over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == SQLITE
        #: The server's process that serves it.
        self.backends: tuple[int, ...] = () if self._is_sqlite else (int(self.scalar("SELECT pg_backend_pid()")),)  # type: ignore[call-overload]

    def scalar(self, query: str) -> object:
        return self._connection.execute(text(query)).scalar_one()

    def written(self) -> int:
        """The bytes of write-ahead log so far, of the whole server. On SQLite 0."""
        return 0 if self._is_sqlite else int(str(self.scalar("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")))

    def wait_until_handled(self, *, seconds: float = 300) -> None:
        """Wait until no event is pending. Raises Late."""
        self.wait(PENDING, "all events to be handled", seconds=seconds)

    def wait_until_done(self, *, seconds: float = 300) -> None:
        """Wait until every event is handled, every change followed and every row logged. Raises Late."""
        self.wait(BEHIND, "all events to be handled, followed and logged", seconds=seconds)

    def wait(self, condition: str, what: str, *, seconds: float) -> None:
        """Wait until a condition no longer holds. Raises Late."""
        deadline = time.monotonic() + seconds
        while self.scalar(f"SELECT {condition}"):
            if time.monotonic() > deadline:
                raise Late(f"waited {seconds:g} s in vain for {what}")
            time.sleep(LOOK_SECONDS)


@contextmanager
def reading(engine: Engine) -> Iterator[Reader]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield Reader(connection)
