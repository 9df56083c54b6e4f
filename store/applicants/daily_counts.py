"""Daily counts: deliveries and changes by vendor and UTC day, kept for good. They name no applicant, and no erasure changes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from store.database import bulk
from store.database.count_tables import DailyCount
from store.text.states import Reversal, Status

#: Statuses that are counted together: the case is closed, and neither approved nor rejected nor for a person to decide.
OTHER_ENDS = (
    Status.RESUBMISSION_REQUESTED, Status.SESSION_EXPIRED, Status.DOCUMENT_EXPIRED, Status.CANCELLED, Status.DEACTIVATED, Status.DELETED,
)  # fmt: skip

#: Statuses that are counted. Those on the way to a verdict are not.
STATUSES = (Status.APPROVED, Status.REJECTED, Status.NEEDS_REVIEW, *OTHER_ENDS)

#: What is counted of a day, and the words of the table that it adds up.
SHOWN: dict[str, tuple[str, ...]] = {
    "deliveries": ("accepted", "spooled"),
    "duplicates": ("duplicate",),
    "approved": (Status.APPROVED,),
    "rejected": (Status.REJECTED,),
    "needs_review": (Status.NEEDS_REVIEW,),
    "other": OTHER_ENDS,
    "adverse": (Reversal.ADVERSE,),
    "favourable": (Reversal.REINSTATED,),
    "other_reversals": (Reversal.RE_REVIEW, Reversal.LAPSED, Reversal.OFFBOARDED),
}

#: Answers to deliveries that are counted, of those that `delivery_counts` counts.
ANSWERS = ("accepted", "spooled", "duplicate")

_WORDS = frozenset(word for words in SHOWN.values() for word in words)


@dataclass(frozen=True)
class Counted:
    """What is counted, and of which day."""

    environment: str
    day: str
    vendor: str
    word: str


def add(connection: Connection, counts: Mapping[Counted, int]) -> None:
    """Add counts, in one order everywhere, so that processes that write at the same moment do not deadlock."""
    rows = [vars(key) | {"count": count} for key, count in sorted(counts.items(), key=lambda one: tuple(vars(one[0]).values()))]
    change = {"count": "daily_counts.count + excluded.count"}
    bulk.insert(connection, DailyCount, rows, over=("environment", "day", "vendor", "word"), change=change)


def add_changes(connection: Connection, changes: Iterable[Mapping[str, Any]]) -> None:
    """Count changes of status, and reversals. The lock of the feed is held, so that no two transactions add at the same moment."""
    counts: Counter[Counted] = Counter()
    for one in changes:
        moved = one["to_status"] if one["from_status"] != one["to_status"] else None
        for word in {str(moved), str(one["reversal"])} & _WORDS:
            counts[Counted(one["environment"], day_of(one["at"]), one["vendor"], word)] += 1
    add(connection, counts)


def day_of(moment: datetime) -> str:
    """Return the UTC day of a moment, as the table has it."""
    return moment.astimezone(UTC).date().isoformat()


def listing(connection: Connection, *, environment: str, since: date) -> list[dict[str, Any]]:
    """Return the counts of each vendor and day of an environment since a day, the oldest first. Days without any are left out."""
    columns = (DailyCount.day, DailyCount.vendor, DailyCount.word, DailyCount.count)
    wanted = (DailyCount.environment == environment, DailyCount.day >= since.isoformat())
    found: dict[tuple[str, str], dict[str, int]] = {}
    for day, vendor, word, count in connection.execute(select(*columns).where(*wanted).order_by(DailyCount.day, DailyCount.vendor)):
        found.setdefault((day, vendor), {})[word] = count
    return [{"day": day, "vendor": vendor, **_shown(words)} for (day, vendor), words in found.items()]


def totals(connection: Connection) -> dict[tuple[str, str, str], int]:
    """Return the sum of all days by environment, vendor and word. It never decreases, except when a backup is restored."""
    key = (DailyCount.environment, DailyCount.vendor, DailyCount.word)
    rows = connection.execute(select(*key, func.sum(DailyCount.count)).group_by(*key))
    return {(environment, vendor, word): int(count) for environment, vendor, word, count in rows}


def _shown(words: Mapping[str, int]) -> dict[str, int]:
    return {name: sum(words.get(word, 0) for word in added) for name, added in SHOWN.items()}
