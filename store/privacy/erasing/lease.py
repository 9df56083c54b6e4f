"""The lease: of all hosts, one process carries erasures out. Another takes over once it has said nothing for a while."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, or_, update

from store.database.privacy_tables import PrivacyState
from store.system import clock

#: A process that has said nothing for so long has died.
SILENCE_MAX = timedelta(seconds=15)


def take(connection: Connection, runner: str) -> bool:
    """Take the lease, or renew it; return whether it is this process's."""
    now = clock.now()
    silent = PrivacyState.runner_seen_at < now - SILENCE_MAX
    early = PrivacyState.runner_seen_at > now + SILENCE_MAX  # Its clock was wrong.
    free = or_(PrivacyState.runner.is_(None), PrivacyState.runner == runner, silent, early)
    return connection.execute(update(PrivacyState).where(free).values(runner=runner, runner_seen_at=now)).rowcount == 1


def give_back(connection: Connection, runner: str) -> None:
    """Let another process take the lease at once."""
    connection.execute(update(PrivacyState).where(PrivacyState.runner == runner).values(runner=None, runner_seen_at=None))
