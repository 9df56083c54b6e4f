"""What an operator on call reads: the review queue, reversals, dead letters, and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.api.reactions import REACTION_ID
from receiver.openapi import schemas, service_schemas
from receiver.web import queries
from receiver.web.auth import Right
from receiver.web.call import ListOf, PageOf, call
from receiver.web.queries import AwareMoment, One, Page
from store import audit
from store.applicants import feed
from store.inbox import events
from store.operations import review_queue
from store.operations.review_queue import Place, Waiting, What
from store.states import Outcome, Reversal
from store.system.names import EVENT_ID

blueprint = Blueprint("oncall", __name__, url_prefix="/v1")

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


WAITING = PageOf(
    service_schemas.Waiting,
    place=lambda row: list(row.place),
    describe=review_queue.describe,
    after=tuple[AwareMoment, What, PlaceName],
    start=None,
)
#: The feed's epoch beside each row: the cursor of a change begins with it.
REVERSALS = PageOf(schemas.Change, place=lambda pair: [pair[0].number], describe=lambda pair: feed.describe_entry(*pair))
ACTS = PageOf(service_schemas.Act, place=lambda row: [row.id], describe=audit.describe)


@blueprint.get("/review")
@call(right=Right.READ, query=Page, answers=WAITING)
def list_review(connection: Connection, query: Page, after: Any) -> list[Waiting]:
    """What waits for a review, the oldest first: applicants in doubt or with an open alert, failed and unreadable events."""
    place = Place(*after) if after else None
    names = {"event": EVENT_ID, "reaction": REACTION_ID}
    if place and place.what in names and not names[place.what].fullmatch(place.name):
        raise queries.wrong("cursor")
    return review_queue.listing(connection, environment=query.environment, after=place, limit=query.limit + 1)


@blueprint.get("/reversals")
@call(right=Right.READ, query=ReversalsQuery, answers=REVERSALS)
def list_reversals(connection: Connection, query: ReversalsQuery, after: tuple[int]) -> list[tuple[Row[Any], str]]:
    """The changes that turned an approval, the oldest first; adverse ones unless asked for others."""
    since, epoch = queries.moment("since", query.since), feed.position(connection, None)[0]
    rows = feed.reversals(
        connection, environment=query.environment, kinds=[query.kind], since=since, number=after[0], limit=query.limit + 1
    )
    return [(row, epoch) for row in rows]


@blueprint.get("/failed")
@call(right=Right.READ, query=One, answers=ListOf(service_schemas.FailedGroup))
def list_failed(connection: Connection, query: One) -> list[dict[str, Any]]:
    """Dead letters by vendor, type and error, the largest group first."""
    return events.unhappy_groups(connection, environment=query.environment, outcome=Outcome.FAILED)


@blueprint.get("/audit")
@call(right=Right.OPERATE, query=AuditQuery, answers=ACTS)
def list_acts(connection: Connection, query: AuditQuery, after: tuple[int]) -> list[Row[Any]]:
    """The audit log: what persons with a right did, and why, in order."""
    since = queries.moment("since", query.since)
    return audit.listing(connection, actor=query.actor, action=query.action, since=since, after=after[0], limit=query.limit + 1)
