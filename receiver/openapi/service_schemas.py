"""Schemas of answers about the service: deliveries, the review queue, reactions, replays, health, problems."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from receiver.openapi.schemas import ApiModel, EventId, Hit, Reference, Time, UserId, Vendor
from store.applicants import feed
from store.inbox.internal_events import Ruling
from store.operations.replays import Stage
from store.outbox.dispatch import ReactionStatus
from store.text.states import Reversal, Status, VendorEnvironment

#: Where a change led: a status, or that its applicant was erased.
ChangedTo = StrEnum("ChangedTo", {one.name: one.value for one in Status} | {"ERASED": feed.ERASED})  # type: ignore[misc]


class Received(ApiModel):
    """A delivery is kept."""

    status: Literal["accepted", "duplicate"]
    event_id: EventId


class Waiting(ApiModel):
    """An entry of the review queue."""

    what: Annotated[Literal["applicant", "event", "reaction"], Meta(description="What it is.")]
    name: Annotated[str, Meta(description="To claim it: `vendor/reference`, or the id of the event or the reaction.")]
    since: Time
    waiting_minutes: Annotated[int, Meta(description="For how many whole minutes it has waited.")]
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference | None
    event_id: EventId | None
    status: str
    why: Annotated[str, Meta(description="Why it waits, in words.")]
    reaction_id: int | None
    claimed_by: Annotated[str | None, Meta(description="Who looks after it.")]
    claimed_at: Annotated[Time | None, Meta(description="Since when.")]


class ListedDecision(ApiModel):
    """A decision of a person, its confirmation, or its withdrawal."""

    event_id: EventId
    at: Time
    act: Annotated[Literal["decide", "confirm", "withdraw"], Meta(description="What was done.")]
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    external_user_id: UserId | None
    decision: Annotated[Ruling, Meta(description="What was decided.")]
    against: Annotated[list[Hit], Meta(description="The hits against which it was decided or confirmed.")]
    by: Annotated[str, Meta(description="Who decided.", examples=["night"])]
    reason: Annotated[str, Meta(description="Why, in the operator's words.")]
    confirmed_by: str | None
    confirmation: str | None
    withdrawn_by: str | None
    withdrawal: str | None
    state: Annotated[str, Meta(description="As `decision.state` of the applicant; `replaced` if another decision or answer came since.")]


class ToldSubscriber(ApiModel):
    """A subscriber that a reversal is for."""

    subscriber: Annotated[str, Meta(description="The subscriber.")]
    status: ReactionStatus
    at: Annotated[Time | None, Meta(description="When it was notified, or when the last attempt failed.")]


class FallenApproval(ApiModel):
    """An applicant whose approval was turned, by its last reversal of the kind."""

    external_user_id: UserId | None
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    reversal: Reversal
    fell_at: Annotated[Time, Meta(description="When this service knew of the reversal.")]
    status: Annotated[Status, Meta(description="The status now.")]
    since: Annotated[Time, Meta(description="Since when it has that status.")]
    reinstated: Annotated[bool, Meta(description="Whether it is approved again.")]
    reason: Annotated[str, Meta(description="Why the approval fell, in words.")]
    told: Annotated[list[ToldSubscriber], Meta(description="The subscribers that the reversal is for.")]
    event_id: EventId | None


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

    id: Annotated[int, Meta(ge=1, description="Its id, by which its proof is asked for.")]
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
    at: Annotated[Time, Meta(description="When the change was made.")]
    subscriber: Annotated[str, Meta(description="The subscriber.")]
    vendor: Vendor
    environment: VendorEnvironment
    reference: Annotated[Reference | None, Meta(description="Null: the applicant was erased.")]
    status: ReactionStatus
    attempts: Annotated[int, Meta(ge=0, description="How often it was tried.")]
    urgent: Annotated[bool, Meta(description="Whether it goes before the rest.")]
    reversal: Reversal | None
    from_status: Status | None
    to_status: Annotated[ChangedTo, Meta(description="`erased`: the notice of an erasure, or an emptied change.")]
    due_at: Annotated[Time | None, Meta(description="When it is tried again.")]
    settled_at: Time | None
    said: Annotated[str | None, Meta(description="What was answered last.")]


class AttemptAnswer(ApiModel):
    at: Time
    said: str


class ReactionInFull(Reaction):
    answers: Annotated[list[AttemptAnswer], Meta(description="The result of each attempt.")]


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
    unresolved: Annotated[int, Meta(ge=0, description="Events that were unreadable or dead letters before.")]
    repaired: Annotated[int, Meta(ge=0, description="Those of them that are no longer.")]
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
    workers: Annotated[int | Literal["ok", "none"] | None, Meta(description="How many are running; without a token only whether any is.")]
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

    type: Annotated[
        Literal["about:blank", "erased", "restricted"],
        Meta(description="`erased`: the applicant was erased (410). `restricted`: only privacy officers may look (403)."),
    ]
    title: Annotated[str, Meta(description="The status in words.", examples=["Not Found"])]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[404])]
    detail: Annotated[str, Meta(description="What is wrong, in a sentence. It never quotes the request.")]
    request_id: Annotated[str, Meta(description="Under which the logs tell more. Yours, if you gave a sane `X-Request-Id`.")]
    erased_at: Annotated[Time | UnsetType, Meta(description="With `erased`: when it was erased.")] = UNSET
    erasure_id: Annotated[str | UnsetType, Meta(description="With `erased`: by which erasure.")] = UNSET


class ConsoleSession(ApiModel):
    """A person who is signed in to the console."""

    id: EventId
    person: Annotated[str, Meta(description="The name of the token.")]
    right: Annotated[str, Meta(description="The right of the token.")]
    began_at: Time
    seen_at: Annotated[Time, Meta(description="When it was last used, to the minute.")]
    ends_at: Annotated[Time, Meta(description="When it ends at the latest.")]


class EndedSession(ApiModel):
    """A session of the console was ended."""

    status: Literal["ended"]
    id: EventId
