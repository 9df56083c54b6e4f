"""Publications: which checkpoint is to be published, which places still lack it, and how that went last.

All places get the same checkpoints, so that their holders can compare them. A place that failed is tried again after as long as it has
been waiting, from 5 seconds to 5 minutes: the pauses double."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select, update

from store import config
from store.config.log_settings import is_address
from store.database import bulk
from store.database.log_tables import Checkpoint, Epoch, LogState, Publication
from store.system import clock
from store.text.web_addresses import title_of

PAUSE_BASE, PAUSE_LIMIT = timedelta(seconds=5), timedelta(minutes=5)

ERROR_CHARS_MAX = 200


class Chosen(Struct, frozen=True, kw_only=True):
    """The checkpoint that all places are to have."""

    epoch: int
    size: int
    #: When it was signed.
    at: datetime
    note: str
    #: Whether it is kept as one that was published. The sequencer replaces any other by the next one that it signs.
    is_marked: bool


class Published(Struct, frozen=True, kw_only=True):
    """A place of LOG_PUBLISH, and how publishing there went last."""

    place: str
    #: The checkpoint that the place got last. None: it got none.
    epoch: int | None = None
    size: int | None = None
    published_at: datetime | None = None
    #: Of the last attempt, if it failed.
    failed_at: datetime | None = None
    error: str | None = None


def key_of(place: str) -> str:
    """Return the key under which a place is kept."""
    return hashlib.sha256(place.encode()).hexdigest()[:32]


def shown(place: str) -> str:
    """Return a place as it may be shown: an address by its host and path."""
    return title_of(place) if is_address(place) else place


def chosen(connection: Connection, *, every: timedelta) -> Chosen | None:
    """Return the checkpoint that all places are to have: the newest, once the one before is old enough. None: there is none, or signing
    is stopped."""
    if connection.execute(select(LogState.stopped_because)).scalar_one_or_none() is not None:
        return None
    newest_first = select(Checkpoint.__table__).order_by(Checkpoint.epoch.desc(), Checkpoint.size.desc()).limit(1)
    newest = connection.execute(newest_first).one_or_none()
    if newest is None or newest.published:
        return _as_chosen(newest)
    last = connection.execute(newest_first.where(Checkpoint.published)).one_or_none()
    is_early = last is not None and last.epoch == newest.epoch and abs(clock.now() - last.at) < every
    return _as_chosen(last if is_early else newest)


def mark(connection: Connection, one: Chosen) -> bool:
    """Record that a checkpoint is published; return False if the sequencer replaced it meanwhile."""
    which = (Checkpoint.epoch == one.epoch) & (Checkpoint.size == one.size)
    return connection.execute(update(Checkpoint).where(which).values(published=True)).rowcount == 1


def lacking(connection: Connection, one: Chosen, places: Sequence[str], *, every: timedelta) -> list[str]:
    """Return the places that lack a checkpoint, and may be tried."""
    rows = {row.key: row for row in connection.execute(select(Publication.__table__))}
    began_at = connection.execute(select(Epoch.began_at).where(Epoch.number == one.epoch)).scalar_one_or_none() or one.at
    return [place for place in places if _may_try(rows.get(key_of(place)), one, began_at, every)]


def succeeded(connection: Connection, place: str, one: Chosen) -> None:
    """Record that a place has a checkpoint. A late answer about an older one changes nothing."""
    row = {"epoch": one.epoch, "size": one.size, "published_at": clock.now(), "failed_at": None, "error": None}
    has_newer = "log_publications.epoch IS NOT NULL AND (log_publications.epoch, log_publications.size) > (excluded.epoch, excluded.size)"
    _write(connection, place, row, unless=has_newer)


def failed(connection: Connection, place: str, one: Chosen, error: str) -> None:
    """Record that a place did not take a checkpoint, unless it got it from another process. The words hold no part of the place."""
    has_it = f"log_publications.epoch = {one.epoch:d} AND log_publications.size = {one.size:d}"
    _write(connection, place, {"failed_at": clock.now(), "error": error[:ERROR_CHARS_MAX]}, unless=f"coalesce({has_it}, FALSE)")


def of(connection: Connection) -> list[Published]:
    """Return the places of LOG_PUBLISH, in its order."""
    rows = {row.key: row for row in connection.execute(select(Publication.__table__))}
    found = []
    for place in config.settings().log.publish:
        row, named = rows.get(key_of(place)), shown(place)
        names = ("epoch", "size", "published_at", "failed_at", "error")
        found.append(Published(place=named, **{name: getattr(row, name) for name in names}) if row else Published(place=named))
    return found


def _as_chosen(row: Any) -> Chosen | None:
    return row and Chosen(epoch=row.epoch, size=row.size, at=row.at, note=row.note, is_marked=row.published)


def _may_try(row: Any, one: Chosen, began_at: datetime, every: timedelta) -> bool:
    if row is None or (row.epoch, row.size) == (one.epoch, one.size):
        return row is None
    if row.failed_at is None:
        return True
    waiting_since = began_at if row.published_at is None else row.published_at + every
    pause = min(max(row.failed_at - waiting_since, PAUSE_BASE), PAUSE_LIMIT)
    return not timedelta() <= clock.now() - row.failed_at < pause


def _write(connection: Connection, place: str, row: dict[str, Any], *, unless: str = "") -> None:
    known = {"key": key_of(place)}
    bulk.insert(connection, Publication, [known | row], over=("key",), unless=unless)
