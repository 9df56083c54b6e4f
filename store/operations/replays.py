"""Replays: which events are to be handled again, and the progress. A replay is a row, so that it can be interrupted and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from store import database
from store.applicants import visibility
from store.database.operations_tables import Replay
from store.database.tables import ApplicantRow, EventRow, MentionRow, TransitionRow
from store.inbox import claims, deliveries, settling
from store.inbox.events import EVENT_COLUMNS, InboxEvent, event_of
from store.system import clock
from store.text.states import ApplicantKey, Outcome

#: The highest speed that a replay may be given, in events a second.
PER_SECOND_MIN, PER_SECOND_MAX = 0.001, 100_000.0


class Stage(StrEnum):
    """The state of a replay."""

    #: Over HTTP: a worker is to say what it would do.
    ASKED = "asked"
    #: It was said what it would do; an operator is to say that it shall be done.
    PROPOSED = "proposed"
    #: A worker is to do it, or to go on with it.
    CONSENTED = "consented"
    RUNNING = "running"
    #: By whoever ran it; it can be gone on with.
    INTERRUPTED = "interrupted"
    #: More applicants would have changed than were allowed to; it can be gone on with.
    STOPPED = "stopped"
    DONE = "done"
    CANCELLED = "cancelled"


#: What may be begun, or gone on with.
RESUMABLE = (Stage.PROPOSED, Stage.CONSENTED, Stage.RUNNING, Stage.INTERRUPTED, Stage.STOPPED)
OPEN = (Stage.ASKED, *RESUMABLE)

#: A worker that has said nothing of its replay for so long has died: another takes it over.
RUNNER_SILENCE_MAX = timedelta(seconds=20)


class ReplayFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which events: every condition that is given must hold. Pending events never match, because they are handled anyway."""

    environment: str = "live"
    ids: list[str] = []
    vendor: str | None = None
    event_type: str | None = None
    outcome: Outcome | None = None
    reference: str | None = None
    external_user_id: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None
    #: A part of the reason with which they ended.
    error: str | None = None


def begin(
    connection: Connection,
    wanted: ReplayFilter,
    *,
    actor: str,
    reason: str,
    changes_max: int,
    events: int,
    stage: Stage,
    per_second: float | None = None,
) -> str:
    """Create a replay of the matching events that are kept now; return its id. `events` is their number, if known."""
    last = connection.execute(select(func.coalesce(func.max(EventRow.sequence), 0))).scalar_one()
    made = deliveries.new_event_id()
    values = {
        "id": made, "at": clock.now(), "actor": actor, "reason": reason, "wanted": msgspec.to_builtins(wanted), "last_sequence": last,
        "events": events, "changes_max": changes_max, "per_second": per_second, "status": stage, "done_sequence": 0, "done": 0,
        "changed": 0,
    }  # fmt: skip
    connection.execute(database.insert(Replay).values(**values))
    return made


def find(connection: Connection, replay_id: str, *, lock: bool = False) -> Row[Any] | None:
    """Return a replay's row; None if there is none."""
    query = select(Replay.__table__).where(Replay.id == replay_id)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def listing(connection: Connection, *, environment: str | None = None, since: datetime | None = None, limit: int) -> list[Row[Any]]:
    """Return replays, the last begun first: all, or those of an environment, and those that were begun at a time or later."""
    query = select(Replay.__table__).order_by(Replay.at.desc()).limit(limit)
    if environment:
        # A filter leaves out what is its default.
        query = query.where(func.coalesce(Replay.wanted["environment"].as_string(), "live") == environment)
    if since:
        query = query.where(Replay.at >= since)
    return list(connection.execute(query).all())


def describe(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return a replay as it is shown. Its forecast names no restricted applicants, and counts them."""
    told = {name: value for name, value in row._mapping.items() if name not in ("last_sequence", "done_sequence", "runner_seen_at")}
    if row.forecast:
        named = {ApplicantKey(one["vendor"], one["environment"], one["reference"]): one for one in row.forecast["applicants"]}
        hidden = visibility.restricted_among(connection, named)
        told["forecast"] = row.forecast | {"applicants": [one for key, one in named.items() if key not in hidden]}
    return told | {"at": clock.rfc3339(row.at), "ended_at": clock.rfc3339(row.ended_at)}


def wanted_of(row: Row[Any]) -> ReplayFilter:
    return msgspec.convert(row.wanted, ReplayFilter)


def set_stage(connection: Connection, replay_id: str, stage: Stage, **values: object) -> None:
    ended_at = clock.now() if stage not in OPEN else None
    connection.execute(update(Replay).where(Replay.id == replay_id).values(status=stage, ended_at=ended_at, **values))


# workers that run them ----------------------------------------------------------------------------------------


def take(connection: Connection, runner: str) -> Row[Any] | None:
    """Return the oldest replay that waits for a worker, now taken by this one; None if there is none."""
    left = and_(Replay.status == Stage.RUNNING, Replay.runner.is_not(None), Replay.runner_seen_at < clock.now() - RUNNER_SILENCE_MAX)
    forgotten = and_(Replay.status == Stage.ASKED, Replay.runner_seen_at < clock.now() - RUNNER_SILENCE_MAX)
    fresh = and_(Replay.status.in_((Stage.ASKED, Stage.CONSENTED)), Replay.runner.is_(None))
    waiting = select(Replay.__table__).where(or_(fresh, left, forgotten)).order_by(Replay.at).limit(1)
    row = connection.execute(waiting.with_for_update(skip_locked=True)).one_or_none()
    if row is not None:
        connection.execute(update(Replay).where(Replay.id == row.id).values(runner=runner, runner_seen_at=clock.now()))
    return row


def heartbeat(connection: Connection, replay_id: str, runner: str) -> bool:
    """Record that a worker runs the replay. Return False if the worker has lost it."""
    mine = update(Replay).where(Replay.id == replay_id, Replay.runner == runner).values(runner_seen_at=clock.now())
    return connection.execute(mine).rowcount == 1


# the events ---------------------------------------------------------------------------------------------------


def count(connection: Connection, wanted: ReplayFilter) -> int:
    """Return how many events match."""
    return connection.execute(select(func.count()).select_from(EventRow).where(*_conditions(wanted))).scalar_one()


def chunks(wanted: ReplayFilter, *, after: int = 0, last: int | None = None, size: int) -> Iterator[list[InboxEvent]]:
    """Yield the matching events in the order of receipt, in batches. Each batch is a new query."""
    while True:
        query = select(*EVENT_COLUMNS).where(*_conditions(wanted), EventRow.sequence > after)
        if last is not None:
            query = query.where(EventRow.sequence <= last)
        with database.reading() as connection:
            found = [event_of(row) for row in connection.execute(query.order_by(EventRow.sequence).limit(size)).all()]
        if not found:
            return
        yield found
        after = found[-1].sequence


def reopen(connection: Connection, replay_id: str, events: list[InboxEvent], *, would_change: int) -> bool:
    """Make events pending again, and record them as done with the changes that they would make. Return False if the replay is no longer
    running.

    So the count holds even if no process corrects it later."""
    row = find(connection, replay_id, lock=True)
    if row is None or row.status != Stage.RUNNING:
        return False
    for event in events:
        settling.reopen(connection, event.id)
    values = {"done_sequence": events[-1].sequence, "done": Replay.done + len(events), "changed": Replay.changed + would_change}
    connection.execute(update(Replay).where(Replay.id == replay_id).values(**values))
    return True


def left_pending(connection: Connection, row: Row[Any]) -> list[str]:
    """Return events that a replay made pending before it was interrupted, and that are pending still."""
    left = select(EventRow.id).where(EventRow.status == claims.PENDING, EventRow.replayed, EventRow.sequence <= row.done_sequence)
    return list(connection.execute(left).scalars())


def changed_by(connection: Connection, event_ids: list[str], *, since: datetime) -> int:
    """Return how many applicants the events have changed since a time."""
    key = (TransitionRow.vendor, TransitionRow.environment, TransitionRow.reference)
    changed = select(*key).where(TransitionRow.event_id.in_(event_ids), TransitionRow.at >= since).distinct().subquery()
    return connection.execute(select(func.count()).select_from(changed)).scalar_one()


def environment_of(connection: Connection, event_id: str) -> str | None:
    """Return an event's environment; None if there is no such event."""
    return connection.execute(select(EventRow.environment).where(EventRow.id == event_id)).scalar_one_or_none()


def failing(connection: Connection, event_ids: list[str]) -> set[str]:
    """Return those of the events that could not be handled: they are dead letters, or are tried again later."""
    again = and_(EventRow.status == claims.PENDING, EventRow.attempts > 0)
    failing = select(EventRow.id).where(EventRow.id.in_(event_ids), or_(EventRow.status == Outcome.FAILED, again))
    return set(connection.execute(failing).scalars())


def pending(connection: Connection, event_ids: list[str]) -> int:
    """Return how many of the events are still to be handled since they were made pending."""
    waiting = and_(EventRow.id.in_(event_ids), EventRow.status == claims.PENDING, EventRow.attempts == 0)
    return connection.execute(select(func.count()).select_from(EventRow).where(waiting)).scalar_one()


def _conditions(wanted: ReplayFilter) -> list[ColumnElement[bool]]:
    conditions = [EventRow.environment == wanted.environment, EventRow.status != Outcome.PENDING]
    if wanted.ids:
        conditions.append(EventRow.id.in_(wanted.ids))
    for column, value in ((EventRow.vendor, wanted.vendor), (EventRow.event_type, wanted.event_type), (EventRow.status, wanted.outcome)):
        if value is not None:
            conditions.append(column == value)
    if wanted.reference is not None:
        naming = select(MentionRow.event_sequence).where(
            MentionRow.environment == wanted.environment, MentionRow.reference == wanted.reference
        )
        conditions.append(EventRow.sequence.in_(naming))
    if wanted.external_user_id is not None:
        conditions.append(EventRow.sequence.in_(_naming_user(wanted.environment, wanted.external_user_id)))
    if wanted.received_from is not None:
        conditions.append(EventRow.received_at >= wanted.received_from)
    if wanted.received_to is not None:
        conditions.append(EventRow.received_at < wanted.received_to)
    if wanted.error is not None:
        conditions.append(EventRow.reason.contains(wanted.error, autoescape=True))
    return conditions


def _naming_user(environment: str, external_user_id: str) -> Any:
    whose = and_(
        MentionRow.vendor == ApplicantRow.vendor,
        MentionRow.environment == ApplicantRow.environment,
        MentionRow.reference == ApplicantRow.reference,
    )
    mine = and_(ApplicantRow.environment == environment, ApplicantRow.external_user_id == external_user_id)
    return select(MentionRow.event_sequence).join(ApplicantRow, whose).where(mine)
