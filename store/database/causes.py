"""Why the database failed, in words for an operator that quote nothing of what was read or written."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from store.database.sessions import Unfit
from store.system import causes


def cause(error: BaseException) -> str:
    """Return the cause; the exception's type where it is not known."""
    if isinstance(error, Unfit):
        return str(error)
    if isinstance(error, PoolExhausted):
        return "all connections of this process are in use"
    driver = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return causes.of(driver) or ("it cannot be reached" if isinstance(error, DBAPIError) else type(error).__name__)
