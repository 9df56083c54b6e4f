"""Wait until a worker has handled what a command has kept."""

from __future__ import annotations

import time
from typing import Any

from store import database
from store.inbox import events
from store.text.states import Outcome

LOOK_SECONDS = 0.1


def settled(event_id: str, *, seconds: float) -> dict[str, Any]:
    """Return the event as soon as it is handled, or as it is at the deadline."""
    deadline = time.monotonic() + seconds
    while (found := _event(event_id))["status"] == Outcome.PENDING and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return found


def _event(event_id: str) -> dict[str, Any]:
    found = database.read(lambda connection: events.find(connection, event_id))
    assert found is not None
    return found
