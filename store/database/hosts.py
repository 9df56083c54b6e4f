"""Hosts of PostgreSQL: which one is in use, and what each of them is. After a failover another one is found."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from store.database.sessions import cause
from store.text import database_urls
from store.text.service_hosts import Host

log = structlog.get_logger()

#: Among several hosts the primary is meant. Unlike `read-write`, it may refuse writes for a while, as hosts do whose disk is full.
AMONG_SEVERAL = "primary"

#: What only one host can be, so that the order in which hosts are tried decides nothing.
_ONE_ALONE = ("primary", "read-write")

_READ_ONLY = "25006"

#: A connection that is in use for so long may hang.
LONG_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a host is: the primary or a standby; or why it cannot be reached."""

    host: Host
    is_primary: bool = False
    #: When the server began: two hosts with the same are two ways to one server, as through poolers.
    began: str = ""
    outage: str = ""


def prepare(engine: Engine, url: URL) -> None:
    """Have an engine look for the primary among its hosts, log the host in use, and leave a server that became a standby."""
    event.listen(engine, "handle_error", _leave_a_standby)
    named = database_urls.hosts(url)
    if len(named) > 1:
        use = _Use(engine, named, sticks="hostaddr" not in url.query and attributes(url) in _ONE_ALONE)
        event.listen(engine, "do_connect", use.order)
        event.listen(engine, "connect", use.note)
        if use.sticks:
            event.listen(engine, "checkout", use.take)
            event.listen(engine, "checkin", use.give_back)


def attributes(url: URL) -> str:
    """Return which of its hosts a URL means, in libpq's words (`target_session_attrs`)."""
    default = AMONG_SEVERAL if len(database_urls.hosts(url)) > 1 else "any"
    return str(url.query.get("target_session_attrs", default))


def look(url: URL, seconds: int) -> Iterator[Role]:
    """Connect to each host of a URL, and yield what it is. A host has `seconds` to answer."""
    for host in database_urls.hosts(url):
        alone = url.difference_update_query(["hostaddr", "options", "load_balance_hosts"]).set(host=None, port=None)
        here = {"host": host.name, "port": host.port, "target_session_attrs": "any", "connect_timeout": seconds}
        engine = create_engine(alone, connect_args=here, poolclass=NullPool, hide_parameters=True)
        try:
            with engine.connect() as connection:
                query = "SELECT pg_is_in_recovery(), pg_postmaster_start_time()::text"
                is_standby, began = connection.exec_driver_sql(query).one()
        except SQLAlchemyError as error:
            yield Role(host=host, outage=cause(error))
            continue
        yield Role(host=host, is_primary=not is_standby, began=began)


class _Use:
    """The host that an engine uses. It is tried first by the next connection: one that does not answer costs seconds each time.

    A former primary may hang with its connections open. Nothing tells its clients so: when a connection is in use for long, the next
    caller connects again, and so does a thread of its own, because all callers may wait already. If that leads to another host, what
    waits for the former one is ended."""

    def __init__(self, engine: Engine, named: list[Host], *, sticks: bool) -> None:
        self._engine, self._named, self.sticks = engine, named, sticks
        self._used: Host | None = None
        #: The connections in use, and since when.
        self._taken: dict[int, tuple[Any, Host, float]] = {}
        self._looked_at = 0.0
        self._taking = threading.Lock()
        self._watcher: threading.Thread | None = None

    def order(self, _dialect: object, _record: object, _arguments: object, options: dict[str, Any]) -> None:
        if self.sticks and self._used:
            hosts = sorted(self._named, key=lambda host: not self._is_used(host))
            options |= {"host": ",".join(host.name for host in hosts), "port": ",".join(host.port for host in hosts)}

    def note(self, connection: Any, record: ConnectionPoolEntry) -> None:
        used = record.info["host"] = Host(name=connection.info.host, port=str(connection.info.port))
        record.info["new"] = True
        if used != self._used:
            self._used = used
            log.info("the database's host", host=str(used))
            for other, host, _since in list(self._taken.values()):
                if self.sticks and host != used:
                    _end(other)

    def take(self, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        # A connection that was made just now is taken as it is: the pool gives up when two in a row are refused.
        is_new = record.info.pop("new", False)
        if not is_new and (record.info["host"] != self._used or self._should_look()):
            raise DisconnectionError("connect again")
        with self._taking:
            self._taken[id(record)] = connection, record.info["host"], time.monotonic()
            if not (self._watcher and self._watcher.is_alive()):  # A fork takes no thread along.
                self._watcher = threading.Thread(target=self._watch, name="database hosts", daemon=True)
                self._watcher.start()

    def give_back(self, _connection: object, record: ConnectionPoolEntry) -> None:
        self._taken.pop(id(record), None)

    def _watch(self) -> None:
        """Connect beside the pool while connections are in use for long. Ends once none is in use."""
        while True:
            time.sleep(LONG_SECONDS)
            with self._taking:
                if not self._taken:
                    self._watcher = None
                    return
            if self._should_look():
                beside = self._engine.pool.recreate()
                with suppress(self._engine.dialect.loaded_dbapi.Error):
                    beside.connect().close()
                beside.dispose()

    def _should_look(self) -> bool:
        """Return whether a connection is in use for long, once in a while."""
        long_ago = time.monotonic() - LONG_SECONDS
        if self._looked_at > long_ago or all(since > long_ago for _, _, since in list(self._taken.values())):
            return False
        self._looked_at = time.monotonic()
        return True

    def _is_used(self, host: Host) -> bool:
        return self._used is not None and host.name == self._used.name and host.port in ("", self._used.port)


def _end(connection: Any) -> None:
    """End a connection on which another thread waits: that thread gets an error, as of a server that closed it."""
    import psycopg  # An extra of the package, which SQLite does without.

    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as waiting:
        waiting.shutdown(socket.SHUT_RDWR)


def _leave_a_standby(context: ExceptionContext) -> None:
    """Drop all connections of the pool if the server refused a write because it is a standby: the next one looks for the primary."""
    if getattr(context.original_exception, "sqlstate", None) != _READ_ONLY or context.connection is None:
        return
    # A primary that is read-only, because its disk is full, reports that it is none. A pooler reports nothing.
    reported = context.connection.connection.dbapi_connection.pgconn.parameter_status(b"in_hot_standby")  # type: ignore[union-attr]
    context.is_disconnect = reported != b"off"
