"""INDEX_KEY: whether it is the key that the database's digests were made with. A process with another one does not start."""

from __future__ import annotations

import structlog
from sqlalchemy import Connection, select, update

from store import database
from store.access import digests
from store.access.digests import NoIndexKey, WrongIndexKey
from store.database.engine import engine
from store.database.privacy_tables import PrivacyState
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor
from store.system.environment import Misconfigured
from store.system.logs import describe_error

log = structlog.get_logger()

LOOK_SECONDS = 3.0

_lookers = DeadlineExecutor("index key", 1)


def keep_check(connection: Connection) -> None:
    """Record which key digests are made with, the first time that one is kept. Raises NoIndexKey and WrongIndexKey."""
    first = update(PrivacyState).where(PrivacyState.index_key_check.is_(None))
    connection.execute(first.values(index_key_check=digests.check()))
    prove(connection)


def prove(connection: Connection) -> None:
    """Raise NoIndexKey or WrongIndexKey if digests are kept that were made with another key than this process has."""
    digests.prove(connection.execute(select(PrivacyState.index_key_check)).scalar_one())


def look() -> None:
    """Check the key where a process starts. A database that is unavailable is left to later checks. Raises Misconfigured."""
    try:
        _lookers.run(LOOK_SECONDS, lambda: database.read(prove))
    except (NoIndexKey, WrongIndexKey) as wrong:
        raise Misconfigured([str(wrong)]) from wrong
    except (*database.Failure, DeadlineExceeded, OSError) as error:
        log.warning("INDEX_KEY cannot be checked yet", error=describe_error(error))
    engine().dispose()
