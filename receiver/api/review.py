"""What an operator on call reads: the review queue, reversals, dead letters, and the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.api.reactions import REACTION_ID
from receiver.openapi import feed_schemas, service_schemas
from receiver.openapi.schemas import VendorName
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import ListOf, PageOf, call
from receiver.web.problems import Problem, sentence
from receiver.web.queries import AwareMoment, One, OrderedPage, Page
from store.access import audit
from store.applicants import feed, visibility
from store.inbox import events
from store.operations import fallen_approvals, review_claims, review_queue
from store.operations.fallen_approvals import Fallen
from store.operations.review_claims import NotClaimed, NotWaiting
from store.operations.review_queue import Narrowed, Place, Waiting, What
from store.system import clock
from store.text.names import EVENT_ID, is_storable
from store.text.states import ApplicantKey, Outcome, Reversal, VendorEnvironment

blueprint = Blueprint("oncall", __name__, url_prefix="/v1")

PlaceName = Annotated[str, Meta(max_length=300, pattern=r"^[^\x00]*$")]


class ReversalsQuery(OrderedPage, forbid_unknown_fields=True):
    since: Annotated[queries.TimeText | None, Meta(description="RFC 3339; told at this moment or later.")] = None
    kind: Annotated[Reversal, Meta(description="What the change did to the approval.")] = Reversal.ADVERSE


class AuditQuery(OrderedPage, forbid_unknown_fields=True):
    actor: Annotated[queries.Text | None, Meta(description="Whose acts: a token's name, or a user's of the command line.")] = None
    action: Annotated[queries.Text | None, Meta(description="What was done, such as `read a body`.")] = None
    since: Annotated[queries.TimeText | None, Meta(description="RFC 3339; done at this moment or later.")] = None
    vendor: Annotated[VendorName | None, Meta(description="With `reference`: about an applicant, or an event that named it.")] = None
    reference: Annotated[queries.Text | None, Meta(description="With `vendor`.")] = None
    external_user_id: Annotated[queries.Text | None, Meta(description="About a person, and all their applicants.")] = None
    environment: Annotated[VendorEnvironment, Meta(description="Of the applicant, or of the person's.")] = VendorEnvironment.LIVE


WAITING = PageOf(
    service_schemas.Waiting,
    place=lambda row: list(row.place),
    describe=review_queue.describe,
    after=tuple[AwareMoment, What, PlaceName],
)
CLAIM_CALL = call(right=Right.OPERATE, query=One, answers=service_schemas.Waiting, other_statuses=(409,), writes=True)
#: The feed's epoch beside each row: the cursor of a change begins with it.
REVERSALS = PageOf(feed_schemas.Change, place=lambda pair: [pair[0].number], describe=lambda pair: feed.describe_entry(*pair))
FALLEN = PageOf(service_schemas.FallenApproval, place=lambda one: [one.change.number], describe=fallen_approvals.describe)
ACTS = PageOf(service_schemas.Act, place=lambda row: [row.id], describe=audit.describe)


class ReviewQuery(Page, forbid_unknown_fields=True):
    older_than: Annotated[queries.Period | None, Meta(description="Those that have waited for longer: `90m`, `12h`, `3d`.")] = None


@blueprint.get("/review")
@call(right=Right.READ, query=ReviewQuery, answers=WAITING)
def list_review(connection: Connection, query: ReviewQuery, after: Any) -> list[Waiting]:
    """What waits for a review, the oldest first: applicants in doubt or with an open alert, failed and unreadable events."""
    place = Place(*after) if after else None
    names = {"event": EVENT_ID, "reaction": REACTION_ID}
    if place and place.what in names and not names[place.what].fullmatch(place.name):
        raise queries.wrong("cursor")
    wanted = Narrowed(until=clock.now() - clock.period(query.older_than) if query.older_than else None)
    return review_queue.listing(connection, environment=query.environment, wanted=wanted, after=place, limit=query.limit + 1)


@blueprint.put("/review/<name:entry>/claim")
@CLAIM_CALL
def claim_review(connection: Connection, entry: str, caller: Caller, query: One) -> dict[str, Any]:
    """Claim an entry of the review queue by its `name`, so that no other person works on it. Claiming it again changes nothing."""
    return _claim(review_claims.claim, connection, entry, caller, query)


@blueprint.delete("/review/<name:entry>/claim")
@CLAIM_CALL
def unclaim_review(connection: Connection, entry: str, caller: Caller, query: One) -> dict[str, Any]:
    """Give a claimed entry of the review queue back, whoever claimed it."""
    return _claim(review_claims.unclaim, connection, entry, caller, query)


def _claim(answer: Callable[..., Waiting], connection: Connection, entry: str, caller: Caller, query: One) -> dict[str, Any]:
    if not is_storable(entry):
        raise Problem(404, "Nothing of this name waits for a person.")
    try:
        found = answer(connection, review_claims.entry(query.environment, entry), by=caller.actor)
    except NotClaimed as error:
        raise Problem(404 if isinstance(error, NotWaiting) else 409, sentence(error)) from error
    return review_queue.describe(found)


@blueprint.get("/reversals")
@call(right=Right.READ, query=ReversalsQuery, answers=REVERSALS)
def list_reversals(connection: Connection, query: ReversalsQuery, after: tuple[int] | None) -> list[tuple[Row[Any], str]]:
    """The changes that turned an approval, in the order of the feed or the newest first; adverse ones unless asked for others."""
    since, epoch = queries.moment("since", query.since), feed.position(connection, None)[0]
    rows = feed.reversals(connection, environment=query.environment, kinds=[query.kind], since=since, **query.portion(after))
    return [(row, epoch) for row in rows]


@blueprint.get("/reversals/current")
@call(right=Right.READ, query=ReversalsQuery, answers=FALLEN)
def list_fallen(connection: Connection, query: ReversalsQuery, after: tuple[int] | None) -> list[Fallen]:
    """Each applicant whose approval was turned: its status now, since when, why, and who was notified."""
    since = queries.moment("since", query.since)
    return fallen_approvals.listing(connection, environment=query.environment, kinds=[query.kind], since=since, **query.portion(after))


@blueprint.get("/failed")
@call(right=Right.READ, query=One, answers=ListOf(service_schemas.FailedGroup))
def list_failed(connection: Connection, query: One) -> list[dict[str, Any]]:
    """Dead letters by vendor, type and error, the largest group first."""
    return events.unresolved_groups(connection, environment=query.environment, outcome=Outcome.FAILED)


@blueprint.get("/audit")
@call(right=Right.OPERATE, query=AuditQuery, answers=ACTS)
def list_acts(connection: Connection, query: AuditQuery, caller: Caller, after: tuple[int] | None) -> list[Row[Any]]:
    """The audit log: what persons with a right did, and why, in order or the newest first."""
    since = queries.moment("since", query.since)
    if (query.vendor is None) != (query.reference is None):
        raise queries.wrong("vendor" if query.vendor is None else "reference")
    about = ApplicantKey(query.vendor, query.environment, query.reference) if query.vendor and query.reference else None
    return visibility.acts(
        connection,
        is_officer=caller.is_privacy_officer,
        actor=query.actor,
        action=query.action,
        since=since,
        about=about,
        about_user=query.external_user_id,
        environment=query.environment,
        **query.portion(after),
    )
