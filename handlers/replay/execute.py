"""Run a replay: handle many events again, a few at a time, while live traffic goes first.

A few events are made pending again and handled like any other, so that a crash in between loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Row

from handlers import process
from handlers.replay.forecast import OnProgress, forecast
from store import database
from store.access import audit
from store.access.operators import Actor
from store.inbox import claims
from store.inbox import events as inbox
from store.inbox.claims import claim_given
from store.inbox.events import InboxEvent
from store.inbox.settling import release
from store.operations import health, replays
from store.operations.replays import ReplayFilter, Stage
from store.system import clock

#: Events that are made pending at once: what a replay may be ahead of what it knows it changed.
HANDLED_AT_ONCE = 50

#: Live traffic goes first: a replay pauses while the oldest pending event has waited so long.
LIVE_SECONDS_MAX, PAUSE_SECONDS = 1.0, 0.2

#: How long another worker may take over events that it claimed before this process did.
OTHERS_SECONDS_MAX = 60.0


def begin(wanted: ReplayFilter, *, by: Actor, reason: str, changes_max: int) -> str:
    """Begin a replay, with an entry in the audit log; return its id."""
    with database.begin() as connection:
        touched = replays.count(connection, wanted)
        made = replays.begin(connection, wanted, actor=by.name, reason=reason, changes_max=changes_max, events=touched, stage=Stage.RUNNING)
        subject = f"replay {made}"
        audit.write(connection, actor=by.name, action="replay", subject=subject, reason=reason, touched=touched, os_user=by.os_user)
    return made


def run(replay_id: str, *, per_second: float | None = None, on_events: OnProgress, on_wait: Callable[[], None] = lambda: None) -> Stage:
    """Run a replay until it is done, or stops; return its state. An exception, and Ctrl-C, leave it interrupted."""
    row = _go_on(replay_id)
    began, done = time.monotonic(), 0
    try:
        _wait_for_others(database.read(lambda connection: replays.left_pending(connection, row)))
        for events in replays.chunks(replays.wanted_of(row), after=row.done_sequence, last=row.last_sequence, size=HANDLED_AT_ONCE):
            _let_live_traffic_go_first(on_wait)
            stage = _handle(replay_id, events)
            if stage != Stage.RUNNING:
                return stage
            done += len(events)
            on_events(len(events))
            if per_second:
                time.sleep(max(0.0, began + done / per_second - time.monotonic()))
    except BaseException:
        _set(replay_id, Stage.INTERRUPTED)
        raise
    return _set(replay_id, Stage.DONE)


def _go_on(replay_id: str) -> Row[tuple[object, ...]]:
    with database.begin() as connection:
        row = replays.find(connection, replay_id, lock=True)
        assert row is not None
        replays.set_stage(connection, replay_id, Stage.RUNNING)
    return row


def _handle(replay_id: str, events: list[InboxEvent]) -> Stage:
    """Handle some events again; return the state of the replay. Events that were made pending are handled in any case."""
    ids, since = [event.id for event in events], clock.now()
    would = forecast([events], on_events=lambda _: None).differences
    with database.begin() as connection:
        row = replays.find(connection, replay_id, lock=True)
        assert row is not None
        unresolved = inbox.unresolved(connection, ids)
        if row.status == Stage.RUNNING and row.changed + len(would) > row.changes_max:
            replays.set_stage(connection, replay_id, Stage.STOPPED)
            return Stage.STOPPED
        if not replays.reopen(connection, replay_id, events, would_change=len(would)):
            return Stage(row.status)
    holder = claims.new_holder()
    try:
        process.handle(holder, claim_given(holder, ids))
    except BaseException:
        release(holder)
        raise
    _wait_for_others(ids)
    with database.begin() as connection:
        changed = row.changed + replays.changed_by(connection, ids, since=since)
        failing = replays.failing(connection, ids)
        repaired = unresolved - failing - inbox.unresolved(connection, ids)
        counts = {
            "changed": changed,
            "failed": row.failed + len(failing),
            "unresolved": row.unresolved + len(unresolved),
            "repaired": row.repaired + len(repaired),
        }
        row = replays.find(connection, replay_id, lock=True)
        assert row is not None
        replays.set_stage(connection, replay_id, Stage(row.status), **counts)
    return Stage(row.status)


def _let_live_traffic_go_first(on_wait: Callable[[], None]) -> None:
    while health.oldest_due_seconds() > LIVE_SECONDS_MAX:
        on_wait()
        time.sleep(PAUSE_SECONDS)


def _wait_for_others(ids: list[str]) -> None:
    """Wait for events that another worker has claimed, or that an interrupted run left pending."""
    deadline = time.monotonic() + OTHERS_SECONDS_MAX
    while time.monotonic() < deadline:
        with database.reading() as connection:
            if not replays.pending(connection, ids):
                return
        time.sleep(0.05)


def _set(replay_id: str, stage: Stage) -> Stage:
    """Set the state of a replay, unless it was ended meanwhile."""
    with database.begin() as connection:
        row = replays.find(connection, replay_id, lock=True)
        assert row is not None
        if row.status != Stage.RUNNING:
            return Stage(row.status)
        replays.set_stage(connection, replay_id, stage)
    return stage
