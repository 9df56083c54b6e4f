"""What the API answers with, field by field: for its description. A test holds every answer to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from store.operations.replays import Stage
from store.outbox.dispatch import Progress
from store.states import Outcome, Reversal, Stand, Status

Time = Annotated[str, Meta(description="RFC 3339 in UTC, with milliseconds where there are any.", examples=["2026-03-30T03:00:00.321Z"])]
World = Annotated[Literal["live", "sandbox"], Meta(description="The world it belongs to.")]
Vendor = Annotated[str, Meta(description="The company that verifies.", examples=["idngo"])]
Reference = Annotated[str, Meta(description="The vendor's own name for the applicant.", examples=["2c576fc50000000000000000"])]
UserId = Annotated[str, Meta(description="Your own id of the person.", examples=["customer-4711"])]
EventId = Annotated[str, Meta(description="An event's id; it sorts by arrival.", examples=["01a1fbd7-3d85-709d-910b-a2b8e8a84b6e"])]
Words = list[str]


class Answer(Struct, forbid_unknown_fields=True, kw_only=True):
    """Nothing else is answered."""


class Verdict(Answer):
    """What the vendor last decided."""

    status: Annotated[Status, Meta(description="What it was.")]
    level: Annotated[str | None, Meta(description="The vendor's level at which it was decided.")]
    as_of: Time | None


class Decision(Answer):
    """What a person decided last."""

    status: Annotated[Status, Meta(description="What it makes of the applicant.")]
    by: Annotated[str, Meta(description="Who decided: a token's name, or a user's of the command line.", examples=["night"])]
    confirmed_by: Annotated[str | None, Meta(description="The second operator, where it took one.")]
    reason: Annotated[str, Meta(description="Why, in the operator's words.")]
    at: Time
    state: Annotated[Stand, Meta(description="Whether it decides, waits for a second operator, or was outvoted by newer news.")]
    event_id: EventId


class Applicant(Answer):
    """Where an applicant stands."""

    vendor: Vendor
    environment: World
    reference: Reference
    external_user_id: UserId | None
    status: Annotated[Status, Meta(description="Where it stands. Only `approved` may mean access.")]
    final: Annotated[bool, Meta(description="Whether the vendor calls this its final word.")]
    provisional: Annotated[Status | None, Meta(description="A verdict that may still change; not to be acted upon.")]
    vendor_status: Annotated[str | None, Meta(description="The vendor's own word.", examples=["completed"])]
    may_retry: Annotated[bool | None, Meta(description="Whether the applicant may send again what was refused.")]
    reasons: Annotated[Words, Meta(description="Why it was refused, in the vendor's words.", examples=[["SANCTIONS"]])]
    hits: Annotated[Words, Meta(description="What the verdict or an open alert names.", examples=[["sanctions"]])]
    flags: Annotated[Words, Meta(description="What lies beside the status, such as an open alert.")]
    checks: Annotated[dict[str, Any], Meta(description="The vendor's parts of the verdict.")]
    user_message: Annotated[str | None, Meta(description="What the vendor says to the applicant.")]
    level: Annotated[str | None, Meta(description="The vendor's level of verification.")]
    last_verdict: Annotated[Verdict | None, Meta(description="What the vendor last decided, whatever lies over it.")]
    ever_approved: Annotated[bool, Meta(description="Whether some kept event means approved.")]
    as_of: Annotated[Time | None, Meta(description="The vendor's time of what is shown; null where the vendor gives none.")]
    updated_at: Annotated[Time, Meta(description="When this service last changed it.")]
    version: Annotated[int, Meta(ge=1, description="One more with each change.")]
    last_event_id: Annotated[EventId | None, Meta(description="The event that last moved it.")]
    problem_documents: Annotated[list[dict[str, Any]], Meta(description="What to send again, document by document.")] = []
    decision: Annotated[Decision | None, Meta(description="What a person decided last, beside the vendor's own word.")] = None


class Decided(Answer):
    """A decision that is kept, and will be handled."""

    status: Literal["accepted"]
    event_id: EventId
    against: Annotated[Words, Meta(description="The hits against which it approves.", examples=[["sanctions"]])]
    waits_for_confirmation: Annotated[bool, Meta(description="Whether a second operator must confirm it.")]


class HistoryEntry(Answer, rename={"from_status": "from", "to_status": "to"}):
    """One change of an applicant."""

    from_status: Annotated[Status | None, Meta(description="Where it stood; null if nobody knew it.")]
    to_status: Annotated[Status, Meta(description="Where it stands then; the same as before where something else changed.")]
    reversal: Annotated[Reversal | None, Meta(description="What the change did to an approval.")]
    changed: Annotated[Words, Meta(description="The fields that differ.", examples=[["status", "reasons"]])]
    reasons: Annotated[Words, Meta(description="Why it was refused, in the vendor's words.")]
    event_id: Annotated[EventId | None, Meta(description="The event that did it; null: it was no event, but a link, a rebuild, an answer.")]
    as_of: Time | None
    at: Annotated[Time, Meta(description="When this service knew it.")]
    code_version: Annotated[str, Meta(description="The version of the rules that decided.")]


class Change(HistoryEntry):
    """One entry of the change feed."""

    cursor: Annotated[str, Meta(description="Its place in the feed: give it as `after`.", examples=["9f86d081.4711"])]
    type: Annotated[str, Meta(description="`applicant.` and the status.", examples=["applicant.rejected"])]
    vendor: Vendor
    environment: World
    reference: Reference
    applicant: Annotated[Applicant, Meta(description="The applicant as it then was.")]


class Event(Answer):
    """One fact that a vendor told, however often delivered."""

    id: EventId
    vendor: Vendor
    environment: World
    event_type: Annotated[str | None, Meta(description="In the vendor's word; null until it is read.", examples=["applicantReviewed"])]
    reference: Annotated[Reference | None, Meta(description="Which applicant it names.")]
    status: Annotated[Outcome, Meta(description="How it ended.")]
    reason: Annotated[str | None, Meta(description="Why, in words.", examples=["DENIED is final: rejected"])]
    occurred_at: Annotated[Time | None, Meta(description="The vendor's time; null where it gives none.")]
    received_at: Annotated[Time, Meta(description="When it was first received.")]
    settled_at: Annotated[Time | None, Meta(description="When it was handled.")]
    repeat: Annotated[bool, Meta(description="Whether the same body had come before, with others in between.")]
    deliveries: Annotated[int, Meta(ge=1, description="The first, and every duplicate.")]
    attempts: Annotated[int, Meta(ge=0, description="How often handling it failed.")]


class Moved(Answer, rename={"from_status": "from", "to_status": "to"}):
    """What an event changed."""

    from_status: Status | None
    to_status: Status
    reversal: Reversal | None
    changed: Words
    at: Time


class Told(Answer):
    """An event that named the applicant."""

    event_id: EventId
    event_type: str | None
    occurred_at: Time | None
    received_at: Time
    settled_at: Time | None
    repeat: bool
    said: Annotated[str, Meta(description="What it said, in the vendor's words.")]
    meant: Annotated[str, Meta(description="What that was taken to mean.")]
    outcome: Annotated[Outcome, Meta(description="What became of it for this applicant.")]
    superseded_by: Annotated[EventId | None, Meta(description="The newer event that outweighs it.")]
    why: Annotated[str, Meta(description="Why, in words.")]
    changes: Annotated[list[Moved], Meta(description="What it changed when it was handled.")]


class Ground(Answer):
    """What an applicant's status stands on, or what lies beneath it."""

    status: Status
    name: Annotated[str, Meta(description="Which ground.", examples=["the newest verdict or progress"])]
    decides: Annotated[bool, Meta(description="Whether it is the one that shows.")]
    event_id: EventId | None
    said: str | None


class Explanation(Answer):
    """Why an applicant stands where it stands."""

    applicant: Applicant
    linked: Annotated[bool, Meta(description="Whether its user was linked here.")]
    grounds: Annotated[list[Ground], Meta(description="The deciding one first.")]
    events: Annotated[list[Told], Meta(description="All that named it, in the vendor's order.")]


class User(Answer):
    """A person across vendors."""

    external_user_id: UserId
    environment: World
    approving_vendors: Annotated[Words, Meta(description="Those whose newest verification is approved.")]
    blocking_vendors: Annotated[Words, Meta(description="Those whose newest is rejected, or any of whose names a hit.")]
    applicants: Annotated[list[Applicant], Meta(description="The newest verification of each vendor first.")]


class Waiting(Answer):
    """Something that waits for a person."""

    what: Annotated[Literal["applicant", "event", "reaction"], Meta(description="What it is.")]
    since: Time
    vendor: Vendor
    environment: World
    reference: Reference | None
    event_id: EventId | None
    status: str
    why: Annotated[str, Meta(description="Why it waits, in words.")]
    reaction_id: int | None


class FailedGroup(Answer):
    """Dead letters of one vendor, type and error."""

    vendor: Vendor
    event_type: str | None
    reason: str | None
    count: Annotated[int, Meta(ge=1, description="How many.")]
    first_seen: Time
    last_seen: Time
    example: Annotated[EventId, Meta(description="One of them.")]


class Act(Answer):
    """What a person with a right did."""

    at: Time
    actor: Annotated[str, Meta(description="A token's name, or a user's of the command line.")]
    action: Annotated[str, Meta(description="What was done.", examples=["read a body"])]
    subject: Annotated[str, Meta(description="To what.")]
    reason: Annotated[str | None, Meta(description="Why, if it was said.")]
    touched: Annotated[int | None, Meta(description="To how many, where that is known.")]
    os_user: Annotated[str | None, Meta(description="The operating system's user, where a command was used.")]


class Reaction(Answer, rename={"from_status": "from", "to_status": "to"}):
    """What must happen after a change, for one subscriber."""

    id: int
    subscriber: Annotated[str, Meta(description="Who is told.")]
    vendor: Vendor
    environment: World
    reference: Reference
    status: Progress
    attempts: Annotated[int, Meta(ge=0, description="How often it was tried.")]
    urgent: Annotated[bool, Meta(description="Whether it goes before the rest.")]
    reversal: Reversal | None
    from_status: Status | None
    to_status: Status
    due_at: Annotated[Time | None, Meta(description="When it is tried again.")]
    settled_at: Time | None
    said: Annotated[str | None, Meta(description="What was answered last.")]


class Said(Answer):
    at: Time
    said: str


class ReactionInFull(Reaction):
    answers: Annotated[list[Said], Meta(description="What came of each attempt.")]


class Replay(Answer):
    """Events that somebody has handled again."""

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
    per_second: float | None
    forecast: Annotated[dict[str, Any] | None, Meta(description="What it would do, as a worker found.")]
    runner: str | None
    ended_at: Time | None


class Linked(Answer):
    vendor: Vendor
    environment: World
    reference: Reference
    external_user_id: UserId


class Received(Answer):
    """A delivery is kept."""

    status: Literal["accepted", "duplicate"]
    event_id: EventId


class Accepted(Answer):
    """It will be done."""

    status: Literal["accepted"]
    event_id: EventId


class Alive(Answer):
    status: Literal["ok"]


class Ready(Struct, kw_only=True):
    """Whether a delivery could be kept, and would be handled soon."""

    status: Annotated[Literal["ok", "degraded", "unavailable"], Meta(description="`unavailable` only if a delivery could not be kept.")]
    database: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]
    workers: Annotated[int | Literal["ok", "none"] | None, Meta(description="How many live; without a token only whether any does.")]
    backlog: Annotated[
        dict[str, Any] | Literal["ok", "late"] | None,
        Meta(description="How many events wait, and how long the oldest that is due has; without a token only whether it is late."),
    ]


class Problem(Answer):
    """A problem, as RFC 9457 describes it."""

    type: Literal["about:blank"]
    title: Annotated[str, Meta(description="The status in words.", examples=["Not Found"])]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[404])]
    detail: Annotated[str, Meta(description="What is wrong, in a sentence. It never quotes the request.")]
    request_id: Annotated[str, Meta(description="Under which the logs tell more. Yours, if you gave a sane `X-Request-Id`.")]
