"""How is the database reached, and what are its tables?"""

from store.database.engine import (
    Failure,
    again,
    begin,
    engine_of,
    forget,
    insert,
    is_away,
    is_sqlite,
    need_not_last,
    read,
    reading,
    write,
)

__all__ = [
    "Failure",
    "again",
    "begin",
    "engine_of",
    "forget",
    "insert",
    "is_away",
    "is_sqlite",
    "need_not_last",
    "read",
    "reading",
    "write",
]  # noqa: E501
