"""Sessions of PostgreSQL set everything that they depend on. Nothing is inherited from the role, the database or the environment."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from store.system import causes

#: What every session sets. Whether a transaction is read-only stays with the database: hosts set it when a disk is full.
SETTINGS = {
    "client_encoding": "'UTF8'",
    "datestyle": "'ISO, YMD'",
    "intervalstyle": "'postgres'",
    "timezone": "'UTC'",
    "standard_conforming_strings": "on",
    "bytea_output": "'hex'",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_isolation": "'read committed'",
    "default_transaction_deferrable": "off",
}

#: Settings that only newer servers have, each with the first version that has it.
NEWER = {"idle_session_timeout": ("0", 140000), "transaction_timeout": ("0", 170000)}

#: A commit waits for the disk. A stricter setting (`remote_apply`) is kept.
DURABLE = "SELECT set_config('synchronous_commit', 'on', {local}) WHERE current_setting('synchronous_commit') = 'off'"

#: The isolation of the transaction that runs already. It must come before any query.
READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE"

DEFAULT_SCHEMA = "public"


class Unfit(SQLAlchemyError):
    """The database answers and cannot be used as it is. The message says why, for an operator."""


class OthersWrite(PoolExhausted):
    """Other threads or processes wrote to SQLite for so long that this one's turn did not come."""


def prepare(engine: Engine, url: URL, *, pooled: bool) -> None:
    """Make every session of an engine set what it depends on: once, or in each transaction behind a pooler."""
    schema = schema_of(url)

    def connected(connection: Any, _record: object) -> None:
        _refuse_encoding(connection)
        if not pooled:
            # Outside a transaction: an inherited limit on idle transactions could end the session before it is lifted.
            connection.autocommit = True
            connection.execute(statements(schema, version=connection.info.server_version, local=False))
            connection.autocommit = False

    def begun(connection: Connection) -> None:
        version = connection.connection.dbapi_connection.info.server_version  # type: ignore[union-attr]
        connection.exec_driver_sql(statements(schema, version=version, local=True))

    # First of all, because SQLAlchemy itself asks a new connection for its schema.
    event.listen(engine, "connect", connected, insert=True)
    if pooled:
        event.listen(engine, "begin", begun)


def statements(schema: str, *, version: int, local: bool) -> str:
    """Return the statements that set everything, for a session or for one transaction."""
    newer = {name: value for name, (value, since) in NEWER.items() if version >= since}
    wanted = SETTINGS | newer | {"search_path": schema}
    word = "SET LOCAL" if local else "SET"
    lines = [f"{word} {name} = {value}" for name, value in wanted.items()]
    return "; ".join([*([READ_COMMITTED] if local else []), *lines, DURABLE.format(local=str(local).lower())])


def schema_of(url: URL) -> str:
    """Return the search path that a URL names in its `options`; else `public`."""
    options = url.query.get("options", "")
    found = re.search(r"search_path=([\w,\"$]+)", options if isinstance(options, str) else " ".join(options))
    return found[1] if found else DEFAULT_SCHEMA


def connect_arguments(*, pooled: bool) -> dict[str, Any]:
    """Return arguments for connecting. Behind a pooler in transaction mode there are no prepared statements and no startup settings."""
    return {"client_encoding": "utf8"} | ({"prepare_threshold": None, "options": ""} if pooled else {})


def _refuse_encoding(connection: Any) -> None:
    encoding = (connection.pgconn.parameter_status(b"server_encoding") or b"UTF8").decode()
    if encoding != "UTF8":
        connection.close()
        raise WrongEncoding(f"the database's encoding is {encoding}: names would be lost. Make one with ENCODING 'UTF8'")


class WrongEncoding(Unfit):
    """The database cannot hold every name."""


def cause(error: BaseException) -> str:
    """Return in words for an operator why the database failed; the exception's type where it is not known. It quotes nothing of what was
    read or written."""
    if isinstance(error, Unfit):
        return str(error)
    if isinstance(error, OthersWrite):
        return "others write to it, and this one's turn did not come in time"
    if isinstance(error, PoolExhausted):
        return "all connections of this process are in use"
    driver = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return causes.of(driver) or ("it cannot be reached" if isinstance(error, DBAPIError) else type(error).__name__)
