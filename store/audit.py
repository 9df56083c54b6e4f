"""What persons with a right did: recorded with the act, in its transaction."""

from __future__ import annotations

import getpass
import os

from sqlalchemy import Connection

from store import clock, database
from store.models import Act


def write(connection: Connection, *, actor: str, action: str, subject: str) -> None:
    """Record that somebody did something to something, all three by name."""
    connection.execute(database.insert(Act).values(at=clock.now(), actor=actor, action=action, subject=subject))


def user() -> str:
    """Who acts at this terminal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # In a container there may be a number without a name.
        return f"uid {os.getuid()}"
