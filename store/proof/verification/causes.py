"""Causes: the event of a change is logged before the change."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from store.database import bulk
from store.database.log_tables import Leaf
from store.database.tables import EventRow
from store.proof.kinds import LeafKind
from store.proof.verification.pages import KEYS_AT_ONCE

#: Events that are remembered, twice: those of most changes are among them. Each takes about 70 bytes.
REMEMBERED = 400_000


class LoggedEvents:
    """Events that have a leaf among those before. Many are remembered, in little memory; the oldest are let go of."""

    def __init__(self) -> None:
        self._young: set[int] = set()
        self._old: set[int] = set()
        #: Those of the newest page, with the numbers of their leaves.
        self._page: dict[str, int] = {}

    def add(self, page: dict[str, int]) -> None:
        """Add the events of a page, with the numbers of their leaves."""
        self._young.update(map(_short, self._page))
        self._page = page
        if len(self._young) > REMEMBERED:
            self._old, self._young = self._young, set()

    def has(self, event_id: str, *, before: int) -> bool:
        """Return whether an event is known to have a leaf before that of a number."""
        if event_id in self._page:
            return self._page[event_id] < before
        short = _short(event_id)
        return short in self._young or short in self._old


def _short(event_id: str) -> int:
    """Return the random part of an id."""
    return int(event_id[-17:].replace("-", ""), 16)


def leaves_of_events(connection: Connection, event_ids: set[str]) -> dict[str, int]:
    """Return the first leaf of each of the events that have one, by their ids."""
    found: dict[str, int] = {}
    for some in bulk.parts(sorted(event_ids), KEYS_AT_ONCE):
        query = select(EventRow.id, func.min(Leaf.number)).join(Leaf, (Leaf.kind == LeafKind.EVENT) & (Leaf.row == EventRow.sequence))
        found |= dict(connection.execute(query.where(EventRow.id.in_(some)).group_by(EventRow.id)).all())
    return found
