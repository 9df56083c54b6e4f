"""Replays over HTTP: an operator requests one, a worker makes a forecast, and runs it when told to."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.openapi import service_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import ListOf, call
from receiver.web.problems import Problem
from receiver.web.queries import AwareMoment
from store.access import audit
from store.operations import replays
from store.operations.replays import ReplayFilter, Stage
from store.text.names import EVENT_ID
from store.text.states import Outcome, VendorEnvironment

blueprint = Blueprint("replays", __name__, url_prefix="/v1")

ChangesMax = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Rate = Annotated[float, Meta(ge=replays.PER_SECOND_MIN, le=replays.PER_SECOND_MAX)]
EventId = Annotated[str, Meta(max_length=36, pattern=f"^{EVENT_ID.pattern}$")]


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which events are to be handled again: every condition that is given must hold."""

    reason: queries.Reason
    environment: VendorEnvironment = VendorEnvironment.LIVE
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
@call(right=Right.OPERATE, query=ReplaysQuery, answers=ListOf(service_schemas.Replay))
def list_replays(connection: Connection, query: ReplaysQuery) -> list[dict[str, Any]]:
    """Replays, the last begun first, with their progress."""
    return [replays.describe(connection, row) for row in replays.listing(connection, limit=query.limit)]


@blueprint.get("/replays/<name:replay_id>")
@call(right=Right.OPERATE, answers=service_schemas.Replay)
def get_replay(connection: Connection, replay_id: str) -> dict[str, Any]:
    """A replay: which events, why, and its progress."""
    return replays.describe(connection, _find(connection, replay_id))


@blueprint.post("/replays")
@call(right=Right.OPERATE, body=ReplayRequest, answers=service_schemas.Replay, status=202, writes=True)
def ask_for_replay(connection: Connection, caller: Caller, body: ReplayRequest) -> dict[str, Any]:
    """Request a replay. A worker makes a forecast (`forecast`, once it is `proposed`); nothing changes before it is run."""
    wanted = ReplayFilter(**{name: getattr(body, name) for name in ReplayFilter.__struct_fields__})
    if wanted == ReplayFilter(environment=body.environment):
        raise Problem(400, "The body must say which events, by their ids or by what must hold of them.")
    made = replays.begin(
        connection,
        wanted,
        actor=caller.name,
        reason=body.reason,
        changes_max=body.max_changes,
        per_second=body.per_second,
        events=0,
        stage=Stage.ASKED,
    )
    audit.write(connection, actor=caller.name, action="ask for a replay", subject=f"replay {made}", reason=body.reason)
    return replays.describe(connection, _find(connection, made))


@blueprint.post("/replays/<name:replay_id>/run")
@call(right=Right.OPERATE, body=RunRequest, answers=service_schemas.Replay, status=202, other_statuses=(409,), writes=True)
def run_replay(connection: Connection, replay_id: str, caller: Caller, body: RunRequest) -> dict[str, Any]:
    """Have a worker run a proposed replay, or resume one that was interrupted or stopped."""
    row = _find(connection, replay_id, lock=True)
    if row.status not in (Stage.PROPOSED, Stage.INTERRUPTED, Stage.STOPPED):
        raise Problem(409, f"This replay is {row.status}.")
    changes_max = row.changes_max if body.max_changes is None else body.max_changes
    replays.set_stage(connection, replay_id, Stage.CONSENTED, changes_max=changes_max, runner=None)
    audit.write(connection, actor=caller.name, action="replay", subject=f"replay {replay_id}", reason=row.reason, touched=row.events)
    return replays.describe(connection, _find(connection, replay_id))


@blueprint.post("/replays/<name:replay_id>/cancel")
@call(right=Right.OPERATE, answers=service_schemas.Replay, other_statuses=(409,), writes=True)
def cancel_replay(connection: Connection, replay_id: str, caller: Caller) -> dict[str, Any]:
    """End a replay for good, wherever it runs. What it did is not undone."""
    if _find(connection, replay_id).status not in replays.OPEN:
        raise Problem(409, "This replay has ended.")
    replays.set_stage(connection, replay_id, Stage.CANCELLED)
    audit.write(connection, actor=caller.name, action="cancel", subject=f"replay {replay_id}")
    return replays.describe(connection, _find(connection, replay_id))


def _find(connection: Connection, replay_id: str, *, lock: bool = False) -> Row[Any]:
    row = replays.find(connection, replay_id, lock=lock) if EVENT_ID.fullmatch(replay_id) else None
    if row is None:
        raise Problem(404, "No replay has this id.")
    return row
