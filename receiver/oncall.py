"""What who is on call reads: what waits for a person, which approvals turned, what failed, and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver import access, calls
from receiver.access import Right
from receiver.calls import One, Page
from receiver.problems import Problem
from store import audit, events, feed, inbox, replays, waiting
from store.replays import Stage
from store.states import Reversal
from store.waiting import Place, What

blueprint = Blueprint("oncall", __name__, url_prefix="/v1")

AwareMoment = Annotated[datetime, Meta(tz=True)]
PlaceName = Annotated[str, Meta(max_length=300, pattern=r"^[^\x00]*$")]


class ReversalsQuery(Page, forbid_unknown_fields=True):
    since: Annotated[str | None, Meta(description="RFC 3339; told at this moment or later.")] = None
    kind: Annotated[Reversal, Meta(description="What the change did to the approval.")] = Reversal.ADVERSE


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    actor: Annotated[str | None, Meta(description="Whose acts: a token's name, or a user's of the command line.")] = None
    action: Annotated[str | None, Meta(description="What was done, such as `read a body`.")] = None
    since: Annotated[str | None, Meta(description="RFC 3339; done at this moment or later.")] = None
    limit: calls.Limit = 50
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before.")] = None


@blueprint.get("/review")
def review() -> Response:
    """What waits for a person, the oldest first: applicants in doubt or with an open alert, events that failed or cannot be read."""
    access.require(Right.READ)
    query = calls.query(Page)
    after = _place(query.cursor)
    rows = calls.read(lambda connection: waiting.listing(connection, environment=query.environment, after=after, limit=query.limit + 1))
    return calls.page(rows, query.limit, place=lambda row: list(row.place), describe=waiting.describe)


def _place(cursor: str | None) -> Place | None:
    found = calls.decode_cursor(cursor, tuple[AwareMoment, What, PlaceName])
    if found and found[1] == "event" and not inbox.EVENT_ID.fullmatch(found[2]):
        raise calls.wrong("cursor")
    return Place(*found) if found else None


@blueprint.get("/reversals")
def reversals() -> Response:
    """The changes that turned an approval, the oldest first; adverse ones unless asked for others."""
    access.require(Right.READ)
    query = calls.query(ReversalsQuery)
    since = calls.moment("since", query.since)
    after = calls.decode_cursor(query.cursor, tuple[calls.Number]) or (0,)
    epoch, _ = calls.read(lambda connection: feed.position(connection, None))
    rows = calls.read(
        lambda connection: feed.reversals(
            connection, environment=query.environment, kinds=[query.kind], since=since, number=after[0], limit=query.limit + 1
        )
    )
    return calls.page(rows, query.limit, place=lambda row: [row.number], describe=lambda row: feed.describe_entry(row, epoch))


@blueprint.get("/failed")
def failed() -> Response:
    """Dead letters by vendor, type and error, the largest group first."""
    access.require(Right.READ)
    query = calls.query(One)
    groups: list[dict[str, Any]] = calls.read(lambda connection: events.failed_groups(connection, environment=query.environment))
    return calls.answer({"data": groups})


@blueprint.get("/audit")
def acts() -> Response:
    """What persons with a right did, and why, in the order in which they did it."""
    access.require(Right.OPERATE)
    query = calls.query(AuditQuery)
    since = calls.moment("since", query.since)
    after = calls.decode_cursor(query.cursor, tuple[calls.Number]) or (0,)
    rows = calls.read(
        lambda connection: audit.listing(
            connection, actor=query.actor, action=query.action, since=since, after=after[0], limit=query.limit + 1
        )
    )
    return calls.page(rows, query.limit, place=lambda row: [row.id], describe=audit.describe)


# replays ------------------------------------------------------------------------------------------------------


class ReplaysQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: calls.Limit = 50


@blueprint.get("/replays")
def list_replays() -> Response:
    """The replays that were begun, the last first, and how far each has come."""
    access.require(Right.OPERATE)
    query = calls.query(ReplaysQuery)
    rows = calls.read(lambda connection: replays.listing(connection, limit=query.limit))
    return calls.answer({"data": [replays.describe(row) for row in rows]})


@blueprint.get("/replays/<name:replay_id>")
def replay(replay_id: str) -> Response:
    """A replay: which events, why, and how far it has come."""
    access.require(Right.OPERATE)
    calls.query(calls.Nothing)
    row = calls.read(lambda connection: _find(connection, replay_id))
    return calls.answer(replays.describe(row))


@blueprint.post("/replays/<name:replay_id>/cancel")
def cancel_replay(replay_id: str) -> Response:
    """End a replay for good, wherever it runs. What it did is not undone."""
    caller = access.require(Right.OPERATE)
    calls.query(calls.Nothing)
    return calls.answer(replays.describe(calls.write(lambda connection: _cancel(connection, replay_id, caller.name))))


def _cancel(connection: Connection, replay_id: str, actor: str) -> Row[Any]:
    if _find(connection, replay_id).status not in replays.OPEN:
        raise Problem(409, "This replay has ended.")
    replays.set_stage(connection, replay_id, Stage.CANCELLED)
    audit.write(connection, actor=actor, action="cancel", subject=f"replay {replay_id}")
    return _find(connection, replay_id)


def _find(connection: Connection, replay_id: str) -> Row[Any]:
    row = replays.find(connection, replay_id) if inbox.EVENT_ID.fullmatch(replay_id) else None
    if row is None:
        raise Problem(404, "No replay has this id.")
    return row
