"""Replays over HTTP: an operator asks, a worker says what it would do, and does it once it is told to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.web import auth, queries
from receiver.web.auth import Right
from receiver.web.problems import Problem
from store import audit
from store.operations import replays
from store.operations.replays import Stage, Wanted
from store.states import Outcome
from store.system.names import EVENT_ID

blueprint = Blueprint("replays", __name__, url_prefix="/v1")

AwareMoment = Annotated[datetime, Meta(tz=True)]
ChangesMax = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Rate = Annotated[float, Meta(ge=replays.PER_SECOND_MIN, le=replays.PER_SECOND_MAX)]
EventId = Annotated[str, Meta(max_length=36, pattern=f"^{EVENT_ID.pattern}$")]


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which events are to be handled again: all that is given must hold."""

    reason: queries.Reason
    environment: queries.World = "live"
    ids: Annotated[list[EventId], Meta(max_length=1000, description="By their ids.")] = []
    vendor: Annotated[queries.StoredName | None, Meta(description="Of one vendor.")] = None
    event_type: Annotated[queries.StoredName | None, Meta(description="Of one type, in the vendor's word.")] = None
    outcome: Annotated[Outcome | None, Meta(description="How they ended.")] = None
    reference: Annotated[queries.StoredName | None, Meta(description="Which applicant they named.")] = None
    external_user_id: Annotated[queries.StoredName | None, Meta(description="Whose applicants they named.")] = None
    received_from: Annotated[AwareMoment | None, Meta(description="Received at this moment or later.")] = None
    received_to: Annotated[AwareMoment | None, Meta(description="Received before this moment.")] = None
    error: Annotated[queries.StoredName | None, Meta(description="A part of the reason with which they ended.")] = None
    max_changes: Annotated[ChangesMax, Meta(description="It stops before more applicants than that are changed.")] = 100
    per_second: Annotated[Rate | None, Meta(description="At most so many events a second.")] = None


class RunRequest(msgspec.Struct, forbid_unknown_fields=True):
    max_changes: Annotated[ChangesMax | None, Meta(description="Allow so many to change, in all.")] = None


class ReplaysQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: queries.Limit = 50


@blueprint.get("/replays")
def list_replays() -> Response:
    """The replays that were begun, the last first, and how far each has come."""
    auth.require(Right.OPERATE)
    query = queries.query(ReplaysQuery)
    rows = queries.read(lambda connection: replays.listing(connection, limit=query.limit))
    return queries.answer({"data": [replays.describe(row) for row in rows]})


@blueprint.get("/replays/<name:replay_id>")
def replay(replay_id: str) -> Response:
    """A replay: which events, why, and how far it has come."""
    auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    row = queries.read(lambda connection: _find(connection, replay_id))
    return queries.answer(replays.describe(row))


@blueprint.post("/replays")
def ask_for_replay() -> Response:
    """Ask for a replay. A worker says first what it would do (`forecast`, once it is `proposed`); nothing is changed before it is run."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    asked = queries.body(ReplayRequest)
    if Wanted(environment=asked.environment) == (wanted := _wanted(asked)):
        raise Problem(400, "The body must say which events, by their ids or by what must hold of them.")
    row = queries.write(lambda connection: _ask(connection, asked, wanted, caller.name))
    return queries.answer(replays.describe(row), status=202)


def _wanted(asked: ReplayRequest) -> Wanted:
    return Wanted(**{name: getattr(asked, name) for name in Wanted.__struct_fields__})


def _ask(connection: Connection, asked: ReplayRequest, wanted: Wanted, actor: str) -> Row[Any]:
    made = replays.begin(
        connection,
        wanted,
        actor=actor,
        reason=asked.reason,
        changes_max=asked.max_changes,
        per_second=asked.per_second,
        events=0,
        stage=Stage.ASKED,
    )
    audit.write(connection, actor=actor, action="ask for a replay", subject=f"replay {made}", reason=asked.reason)
    return _find(connection, made)


@blueprint.post("/replays/<name:replay_id>/run")
def run_replay(replay_id: str) -> Response:
    """Have a worker run a replay that was proposed, or go on with one that was interrupted or stopped."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    more = queries.body(RunRequest)
    return queries.answer(replays.describe(queries.write(lambda connection: _run(connection, replay_id, more, caller.name))), status=202)


def _run(connection: Connection, replay_id: str, more: RunRequest, actor: str) -> Row[Any]:
    row = _find(connection, replay_id, lock=True)
    if row.status not in (Stage.PROPOSED, Stage.INTERRUPTED, Stage.STOPPED):
        raise Problem(409, f"This replay is {row.status}.")
    changes_max = row.changes_max if more.max_changes is None else more.max_changes
    replays.set_stage(connection, replay_id, Stage.CONSENTED, changes_max=changes_max, runner=None)
    audit.write(connection, actor=actor, action="replay", subject=f"replay {replay_id}", reason=row.reason, touched=row.events)
    return _find(connection, replay_id)


@blueprint.post("/replays/<name:replay_id>/cancel")
def cancel_replay(replay_id: str) -> Response:
    """End a replay for good, wherever it runs. What it did is not undone."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    return queries.answer(replays.describe(queries.write(lambda connection: _cancel(connection, replay_id, caller.name))))


def _cancel(connection: Connection, replay_id: str, actor: str) -> Row[Any]:
    if _find(connection, replay_id).status not in replays.OPEN:
        raise Problem(409, "This replay has ended.")
    replays.set_stage(connection, replay_id, Stage.CANCELLED)
    audit.write(connection, actor=actor, action="cancel", subject=f"replay {replay_id}")
    return _find(connection, replay_id)


def _find(connection: Connection, replay_id: str, *, lock: bool = False) -> Row[Any]:
    row = replays.find(connection, replay_id, lock=lock) if EVENT_ID.fullmatch(replay_id) else None
    if row is None:
        raise Problem(404, "No replay has this id.")
    return row
