"""What readiness asks every few seconds is served by an index, however many events and reactions are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.monitoring import waiting
from store.operations import health, review_queue
from store.outbox import reactions
from tests.store.database.test_list_plans import plan_of

ASKED: dict[str, Callable[[Connection], Any]] = {
    "the backlog": health.backlog_of,
    "dead letters and unreadable events": lambda connection: review_queue.unresolved(connection, environment="live"),
    "reactions": reactions.counts,
    "what waits": lambda connection: waiting.count(connection, "live"),
}


#: The large tables, and the indexes over the few of their rows that are still to be done.
WHOLE = ("SCAN events", "SCAN reactions", "SCAN transitions", "SCAN applicants")
PARTIAL = ("ix_events_pending", "ix_reactions_pending", "ix_reactions_failed")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("asked", ASKED)
def test_no_question_of_readiness_reads_a_whole_table(kept: str, asked: str) -> None:
    plans = plan_of(ASKED[asked])
    assert plans
    assert [step for step in plans if step.startswith(WHOLE) and not step.endswith(PARTIAL)] == []
