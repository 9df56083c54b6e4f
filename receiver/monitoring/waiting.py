"""What waits now, in counts: for a person, for a worker, for an operator. For `GET /v1/overview`."""

from __future__ import annotations

from sqlalchemy import Connection

from store.operations import health, review_queue
from store.outbox import reactions


def count(connection: Connection, environment: str) -> dict[str, float]:
    """Return what waits, each by an index over the few that do. Pending events are those of both environments."""
    failed, unreadable = review_queue.unresolved(connection, environment=environment)
    backlog = health.backlog_of(connection)
    return {
        "needs_review": review_queue.doubtful(connection, environment=environment),
        "dead_letters": failed,
        "unreadable": unreadable,
        "reactions": reactions.given_up(connection, environment=environment),
        "pending": backlog.pending,
        "oldest_pending_seconds": round(backlog.oldest_seconds, 1),
    }
