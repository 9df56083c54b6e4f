"""Schemas of answers about the service: deliveries, the review queue, reactions, replays, health, problems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from receiver.openapi.schemas import ApiModel, EventId, Reference, Time, Vendor
from store.operations.replays import Stage
from store.outbox.dispatch import ReactionStatus
from store.states import Reversal, Status, VendorEnvironment


class Received(ApiModel):
    """A delivery is kept."""

    status: Literal["accepted", "duplicate"]
    event_id: EventId


class Waiting(ApiModel):
    """An entry of the review queue."""

    what: Annotated[Literal["applicant", "event", "reaction"], Meta(description="What it is.")]
    since: Time
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference | None
    event_id: EventId | None
    status: str
    why: Annotated[str, Meta(description="Why it waits, in words.")]
    reaction_id: int | None


class FailedGroup(ApiModel):
    """Dead letters of one vendor, type and error."""

    vendor: Vendor
    event_type: str | None
    reason: str | None
    count: Annotated[int, Meta(ge=1, description="How many.")]
    first_seen: Time
    last_seen: Time
    example: Annotated[EventId, Meta(description="One of them.")]


class Act(ApiModel):
    """What a person with a right did."""

    at: Time
    actor: Annotated[str, Meta(description="A token's name, or a user's of the command line.")]
    action: Annotated[str, Meta(description="What was done.", examples=["read a body"])]
    subject: Annotated[str, Meta(description="To what.")]
    reason: Annotated[str | None, Meta(description="Why, if it was said.")]
    touched: Annotated[int | None, Meta(description="To how many, where that is known.")]
    os_user: Annotated[str | None, Meta(description="The operating system's user, where a command was used.")]


class Reaction(ApiModel, rename={"from_status": "from", "to_status": "to"}):
    """What must happen after a change, for one subscriber."""

    id: int
    subscriber: Annotated[str, Meta(description="Who is told.")]
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    status: ReactionStatus
    attempts: Annotated[int, Meta(ge=0, description="How often it was tried.")]
    urgent: Annotated[bool, Meta(description="Whether it goes before the rest.")]
    reversal: Reversal | None
    from_status: Status | None
    to_status: Status
    due_at: Annotated[Time | None, Meta(description="When it is tried again.")]
    settled_at: Time | None
    said: Annotated[str | None, Meta(description="What was answered last.")]


class AttemptAnswer(ApiModel):
    at: Time
    said: str


class ReactionInFull(Reaction):
    answers: Annotated[list[AttemptAnswer], Meta(description="What came of each attempt.")]


class Replay(ApiModel):
    """Events that are handled again."""

    id: str
    at: Time
    actor: str
    reason: str
    wanted: Annotated[dict[str, Any], Meta(description="Which events.")]
    events: Annotated[int, Meta(ge=0, description="How many these are, once that is known.")]
    changes_max: Annotated[int, Meta(ge=0, description="It stops before more applicants than that are changed.")]
    status: Stage
    done: int
    changed: int
    failed: Annotated[int, Meta(ge=0, description="Events that could not be handled this time either.")]
    unhappy: Annotated[int, Meta(ge=0, description="Events that were unreadable or dead letters before.")]
    mended: Annotated[int, Meta(ge=0, description="Those of them that are no longer.")]
    per_second: float | None
    forecast: Annotated[dict[str, Any] | None, Meta(description="What it would do, as a worker found.")]
    runner: str | None
    ended_at: Time | None


class Alive(ApiModel):
    status: Literal["ok"]


class Ready(Struct, kw_only=True):
    """Whether a delivery could be kept, and would be handled soon."""

    status: Annotated[Literal["ok", "degraded", "unavailable"], Meta(description="`unavailable` only if a delivery could not be kept.")]
    database: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]
    workers: Annotated[int | Literal["ok", "none"] | None, Meta(description="How many live; without a token only whether any does.")]
    backlog: Annotated[
        dict[str, Any] | Literal["ok", "late"] | None,
        Meta(
            description="How many events wait, since when the oldest does, how many failed at least once and with what; without a token "
            "only whether the oldest is late."
        ),
    ]
    spool: Annotated[dict[str, Any] | str | UnsetType, Meta(description="The spool, where there is one.")] = UNSET
    vendors: Annotated[dict[str, Any] | UnsetType, Meta(description="With a token: how each vendor's live deliveries come in.")] = UNSET
    attention: Annotated[
        list[str] | UnsetType, Meta(description="With a token: everything that degrades the service, then what else needs a look.")
    ] = UNSET


class Problem(ApiModel):
    """A problem, as RFC 9457 describes it."""

    type: Literal["about:blank"]
    title: Annotated[str, Meta(description="The status in words.", examples=["Not Found"])]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[404])]
    detail: Annotated[str, Meta(description="What is wrong, in a sentence. It never quotes the request.")]
    request_id: Annotated[str, Meta(description="Under which the logs tell more. Yours, if you gave a sane `X-Request-Id`.")]
