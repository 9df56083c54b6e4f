"""What who is on call reads: what waits for a person, which approvals turned, what failed, and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from receiver.api.reactions import REACTION_ID
from receiver.web import auth, queries
from receiver.web.auth import Right
from receiver.web.queries import One, Page
from store import audit
from store.applicants import feed
from store.inbox import events
from store.operations import review_queue
from store.operations.review_queue import Place, What
from store.states import Reversal
from store.system.names import EVENT_ID

blueprint = Blueprint("oncall", __name__, url_prefix="/v1")

AwareMoment = Annotated[datetime, Meta(tz=True)]
PlaceName = Annotated[str, Meta(max_length=300, pattern=r"^[^\x00]*$")]


class ReversalsQuery(Page, forbid_unknown_fields=True):
    since: Annotated[queries.TimeText | None, Meta(description="RFC 3339; told at this moment or later.")] = None
    kind: Annotated[Reversal, Meta(description="What the change did to the approval.")] = Reversal.ADVERSE


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    actor: Annotated[queries.Text | None, Meta(description="Whose acts: a token's name, or a user's of the command line.")] = None
    action: Annotated[queries.Text | None, Meta(description="What was done, such as `read a body`.")] = None
    since: Annotated[queries.TimeText | None, Meta(description="RFC 3339; done at this moment or later.")] = None
    limit: queries.Limit = 50
    cursor: Annotated[queries.Text | None, Meta(description="`next_cursor` of the page before.")] = None


@blueprint.get("/review")
def review() -> Response:
    """What waits for a person, the oldest first: applicants in doubt or with an open alert, events that failed or cannot be read."""
    auth.require(Right.READ)
    query = queries.query(Page)
    after = _place(query.cursor)
    rows = queries.read(
        lambda connection: review_queue.listing(connection, environment=query.environment, after=after, limit=query.limit + 1)
    )
    return queries.page(rows, query.limit, place=lambda row: list(row.place), describe=review_queue.describe)


def _place(cursor: str | None) -> Place | None:
    found = queries.decode_cursor(cursor, tuple[AwareMoment, What, PlaceName])
    names = {"event": EVENT_ID, "reaction": REACTION_ID}
    if found and found[1] in names and not names[found[1]].fullmatch(found[2]):
        raise queries.wrong("cursor")
    return Place(*found) if found else None


@blueprint.get("/reversals")
def reversals() -> Response:
    """The changes that turned an approval, the oldest first; adverse ones unless asked for others."""
    auth.require(Right.READ)
    query = queries.query(ReversalsQuery)
    since = queries.moment("since", query.since)
    after = queries.decode_cursor(query.cursor, tuple[queries.Number]) or (0,)
    epoch, _ = queries.read(lambda connection: feed.position(connection, None))
    rows = queries.read(
        lambda connection: feed.reversals(
            connection, environment=query.environment, kinds=[query.kind], since=since, number=after[0], limit=query.limit + 1
        )
    )
    return queries.page(rows, query.limit, place=lambda row: [row.number], describe=lambda row: feed.describe_entry(row, epoch))


@blueprint.get("/failed")
def failed() -> Response:
    """Dead letters by vendor, type and error, the largest group first."""
    auth.require(Right.READ)
    query = queries.query(One)
    groups: list[dict[str, Any]] = queries.read(lambda connection: events.failed_groups(connection, environment=query.environment))
    return queries.answer({"data": groups})


@blueprint.get("/audit")
def acts() -> Response:
    """What persons with a right did, and why, in the order in which they did it."""
    auth.require(Right.OPERATE)
    query = queries.query(AuditQuery)
    since = queries.moment("since", query.since)
    after = queries.decode_cursor(query.cursor, tuple[queries.Number]) or (0,)
    rows = queries.read(
        lambda connection: audit.listing(
            connection, actor=query.actor, action=query.action, since=since, after=after[0], limit=query.limit + 1
        )
    )
    return queries.page(rows, query.limit, place=lambda row: [row.id], describe=audit.describe)
