"""The forecast (dry run) of a replay, derived in memory from a snapshot, without locks.

Of a million events only the applicants that would change are kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.replay import derive
from handlers.replay.derive import Difference, Renamed
from store import database
from store.applicants import mentions
from store.database import bulk
from store.inbox import events as inbox
from store.inbox.events import InboxEvent
from store.operations import replays
from store.operations.replays import ReplayFilter
from store.text.states import ApplicantKey, Status

#: Events whose applicants are derived from one snapshot.
FORECAST_AT_ONCE = 500

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class Forecast:
    """Which applicants a replay would change, which events would fail, and which would be readable."""

    differences: list[Difference]
    failing: set[str]
    #: Events that are unreadable or dead letters now, and those of them that would be no longer.
    unresolved: int
    repaired: int


def forecast(chunks: Iterable[list[InboxEvent]], *, on_events: OnProgress) -> Forecast:
    """Return what handling these events again would do."""
    found: dict[ApplicantKey, Difference] = {}
    renamed, unresolved = Renamed(), set[str]()
    for events in chunks:
        with database.reading() as connection:
            named = mentions.of_events(connection, [event.sequence for event in events])
            unresolved |= inbox.unresolved(connection, [event.id for event in events])
        concerned = sorted(renamed.note(events, named))
        for keys in bulk.parts(concerned, derive.APPLICANTS_AT_ONCE):
            for key in keys:
                found.pop(key, None)
            found |= {one.key: one for one in derive.compare(keys, renamed)}
        on_events(len(events))
    repaired = len(unresolved - renamed.failing - renamed.unreadable)
    return Forecast([found[key] for key in sorted(found)], renamed.failing, unresolved=len(unresolved), repaired=repaired)


def would_do(wanted: ReplayFilter, *, on_events: OnProgress) -> Forecast:
    """Return what a replay would do now."""
    return forecast(replays.chunks(wanted, size=FORECAST_AT_ONCE), on_events=on_events)


def turned(found: Sequence[Difference]) -> tuple[int, int]:
    """Return how many approvals would fall, and how many would rise."""
    falling = sum(one.move[0] == Status.APPROVED != one.move[1] for one in found)
    rising = sum(one.move[1] == Status.APPROVED != one.move[0] for one in found)
    return falling, rising


def describe(one: Difference) -> dict[str, Any]:
    shown, derived = ({name: getattr(side, name) for name in one.changed} for side in (one.shown, one.derived))
    return one.key._asdict() | {"from": one.move[0], "to": one.move[1], "reversal": one.reversal, "shown": shown, "derived": derived}
