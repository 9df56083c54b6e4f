"""How is the database reached, and what are its tables?"""

from store.database.engine import engine_of, insert, is_sqlite
from store.database.transactions import Failure, again, begin, forget, is_away, read, reading, relax_durability, take_lock, write

__all__ = [
    "Failure",
    "again",
    "begin",
    "engine_of",
    "forget",
    "insert",
    "is_away",
    "is_sqlite",
    "read",
    "reading",
    "relax_durability",
    "take_lock",
    "write",
]
