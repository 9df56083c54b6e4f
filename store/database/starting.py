"""What a process looks at before it starts: a database that can never be used is refused, one that is away is waited for."""

from __future__ import annotations

import structlog

from store import database
from store.database.engine import engine
from store.database.sessions import Unfit, WrongEncoding
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor
from store.system.environment import Misconfigured
from store.system.logs import describe_error

log = structlog.get_logger()

LOOK_SECONDS = 3.0

_lookers = DeadlineExecutor("start", 1)


def look() -> None:
    """Tell what is wrong with the database. Raises Misconfigured if its encoding is."""
    try:
        _lookers.run(LOOK_SECONDS, _connect)
    except WrongEncoding as wrong:
        raise Misconfigured([f"DATABASE_URL names a database that cannot be used: {wrong}"]) from wrong
    except Unfit as unfit:
        log.error("the database cannot be used yet", error=str(unfit))
    except (*database.Failure, DeadlineExceeded) as error:
        log.warning("the database cannot be reached yet", error=describe_error(error))
    engine().dispose()


def _connect() -> None:
    with database.reading():
        pass
