"""The check at the start of a process: a database that can never be used is refused; for one that is unavailable the process waits."""

from __future__ import annotations

import structlog

from store import config, database
from store.database.engine import engine
from store.database.sessions import Unfit, WrongEncoding
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor
from store.system.environment import Misconfigured, others_may_read
from store.system.logs import describe_error

log = structlog.get_logger()

LOOK_SECONDS = 3.0

_lookers = DeadlineExecutor("start", 1)


def look() -> None:
    """Log what is wrong with the database. Raises Misconfigured if its encoding is wrong."""
    try:
        _lookers.run(LOOK_SECONDS, _connect)
    except WrongEncoding as wrong:
        raise Misconfigured([f"DATABASE_URL names a database that cannot be used: {wrong}"]) from wrong
    except Unfit as unfit:
        log.error("the database cannot be used yet", error=str(unfit))
    except (*database.Failure, DeadlineExceeded) as error:
        log.warning("the database cannot be reached yet", error=describe_error(error))
    engine().dispose()


def tell_who_may_read() -> None:
    """Log that other accounts of this machine may read VAR_DIR, if they may."""
    if others_may_read(config.settings().var_dir):
        log.warning("VAR_DIR can be read by others: take their rights away with chmod -R go=")


def _connect() -> None:
    with database.reading():
        pass
