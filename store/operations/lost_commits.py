"""Lost commits: notices that the database lacks what this process saw committed, because a failover or a restore lost it.

Each web process remembers the deliveries that it acknowledged last, and the changes that it showed since it looked last. A failover loses
the newest commits: if a process saw any of them, it remembers one, however many came since. The memory ends with the process; the log
compares with `LOG_STATE`, a file."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, func, select

from store import database
from store.access import audit
from store.applicants import feed
from store.database.operations_tables import Act
from store.database.tables import Feed, TransitionRow
from store.inbox import delivery_rows
from store.inbox.spool.spool import host_spool
from store.system import clock
from store.text.counts import counted

log = structlog.get_logger()

#: The action and the subject in the audit log, and who is named as the actor.
ACTION, SUBJECT, ACTOR = "lost commits", "the database", "standing"

#: So many deliveries are remembered. Those since the last look are looked for, and some before it; all of them once one is missing.
REMEMBERED, LOOKED_FOR = 10_000, 50


class Acknowledged(NamedTuple):
    """A delivery that was answered 200: once it was committed, or once it was in the spool, which is imported later."""

    vendor: str
    at: datetime
    spooled: bool


class Shown(NamedTuple):
    """A position of the feed that a reader was given; the time of the change there, if the reader got that change."""

    epoch: str
    number: int
    at: datetime | None


class Loss(NamedTuple):
    """What this process saw committed and the database lacks."""

    deliveries: dict[str, Acknowledged]
    #: None: the feed still has the change that was shown.
    shown: Shown | None

    def __str__(self) -> str:
        counts = Counter(one.vendor for one in self.deliveries.values())
        first = min((one.at for one in self.deliveries.values()), default=None)
        parts = [f"{counted(count, 'acknowledged delivery', 'acknowledged deliveries')} of {vendor}" for vendor, count in counts.items()]
        parts += [f"the first at {clock.rfc3339(first)}"] if first else []
        return ", ".join([*parts, *([f"change {self.shown.number} of the feed, which a reader was given"] if self.shown else [])])


class Seen:
    """What this process saw committed."""

    def __init__(self) -> None:
        #: By the event's id, the newest last.
        self._acknowledged: dict[str, Acknowledged] = {}
        #: How many came since the last look.
        self._came = 0
        #: By its number: the newest position of the last look, first, and those that readers were given since. All of one epoch.
        self._shown: dict[int, Shown] = {}
        #: The feed's epoch when this process looked last.
        self._epoch: str | None = None

    def acknowledged(self, event_id: str, vendor: str, *, spooled: bool = False) -> None:
        """Remember a delivery that was answered 200, and is no duplicate. A spooled one displaces none that was committed before a
        failover."""
        if spooled and len(self._acknowledged) >= REMEMBERED:
            return
        self._acknowledged[event_id] = Acknowledged(vendor, clock.now(), spooled)
        self._came += 1
        if len(self._acknowledged) > REMEMBERED:
            self._acknowledged.pop(next(iter(self._acknowledged)), None)

    def showed(self, epoch: str, number: int, at: datetime | None) -> None:
        """Remember a position that a reader of the feed reached, unless it is before those that were looked for."""
        first = next(iter(self._shown.values()), None)
        if first is None or first.epoch != epoch:
            self._shown = {}
        elif number < first.number:
            return
        if at or number not in self._shown:
            self._shown[number] = Shown(epoch, number, at)
        if len(self._shown) > REMEMBERED:
            self._shown.pop(next(iter(self._shown)), None)

    def look(self) -> Loss | None:
        """Look for what was seen. If it is lost, record that, begin a new epoch of the feed unless another process did, and return it."""
        came, newest = self._came, max(self._shown, default=0)
        epoch, loss = database.read(self._compare)
        if loss:
            # A replica that lags is no database that lost anything: it takes no record.
            epoch, loss = database.write(self._record)
        self._epoch = epoch
        if loss:
            log.critical("the database lost commits", count=len(loss.deliveries))
            for event_id in loss.deliveries:
                self._acknowledged.pop(event_id, None)
        self._came -= came
        self._shown = {number: one for number, one in self._shown.items() if one.epoch == epoch and number >= newest}
        return loss

    def _compare(self, connection: Connection) -> tuple[str, Loss | None]:
        # First what was seen, then what is there: a commit in between is no loss.
        remembered, given = self._committed(), list(self._shown.values())
        epoch, last = connection.execute(select(Feed.epoch, Feed.last)).one()
        deliveries = self._missing(connection, remembered)
        shown = _first_gone(connection, [one for one in given if one.epoch == epoch], last)
        return epoch, Loss(deliveries, shown) if deliveries or shown else None

    def _committed(self) -> dict[str, Acknowledged]:
        """Return the deliveries that must be in the database: all, or those that were not spooled while the spool is not empty."""
        remembered, spool = self._acknowledged.copy(), host_spool()
        if spool and spool.bytes_spooled():
            return {event_id: one for event_id, one in remembered.items() if not one.spooled}
        return remembered

    def _missing(self, connection: Connection, remembered: dict[str, Acknowledged]) -> dict[str, Acknowledged]:
        newest = list(itertools.islice(reversed(remembered), self._came + LOOKED_FOR))
        if len(delivery_rows.known(connection, newest)) == len(newest):
            return {}
        there = delivery_rows.known(connection, list(remembered))
        return {event_id: one for event_id, one in remembered.items() if event_id not in there}

    def _record(self, connection: Connection) -> tuple[str, Loss | None]:
        connection.execute(select(Feed.id).with_for_update())
        epoch, loss = self._compare(connection)
        if loss:
            if self._epoch in (None, epoch):
                epoch = feed.begin_epoch(connection)
            audit.write(connection, actor=ACTOR, action=ACTION, subject=SUBJECT, reason=str(loss), touched=len(loss.deliveries))
        return epoch, loss


def _first_gone(connection: Connection, shown: list[Shown], last: int) -> Shown | None:
    """Return the first position that the feed lacks, or at which it has another change than the one that was shown."""
    query = select(TransitionRow.number, TransitionRow.at).where(TransitionRow.number.in_([one.number for one in shown if one.at]))
    there = dict(connection.execute(query).all())
    gone = (one for one in shown if one.number > last or (one.at and there.get(one.number) != one.at))
    return min(gone, key=lambda one: one.number, default=None)


#: Of this process.
seen = Seen()


class Noticed(NamedTuple):
    """How many processes noticed lately that commits were lost, and how many deliveries; when the last one did."""

    processes: int
    deliveries: int
    last_at: datetime | None


def noticed(connection: Connection, *, within: timedelta) -> Noticed:
    """Return who noticed within the last time that commits were lost."""
    mine = (Act.subject == SUBJECT, Act.action == ACTION, Act.at >= clock.now() - within)
    found = connection.execute(select(func.count(), func.sum(Act.touched), func.max(Act.at, type_=Act.at.type)).where(*mine)).one()
    return Noticed(found[0], found[1] or 0, found[2])
