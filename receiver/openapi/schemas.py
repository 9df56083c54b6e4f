"""Schemas of answers about applicants and events, field by field. A test holds every answer to them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from receiver.vendors import VENDORS
from store.text.states import HITS, Flag, Outcome, Reversal, Stand, Status, VendorEnvironment

VendorName = StrEnum("VendorName", {name: name for name in VENDORS})  # type: ignore[misc]
Hit = StrEnum("Hit", {name: name for name in HITS})  # type: ignore[misc]

Time = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC, with milliseconds where there are any.",
        examples=["2026-03-30T03:00:00.321Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Vendor = Annotated[str, Meta(description="The company that verifies.", examples=["idngo"])]
Reference = Annotated[str, Meta(description="The vendor's own name for the applicant.", examples=["2c576fc50000000000000000"])]
UserId = Annotated[str, Meta(description="Your own id of the person.", examples=["customer-4711"])]
EventId = Annotated[str, Meta(description="An event's id; it sorts by arrival.", examples=["01a1fbd7-3d85-709d-910b-a2b8e8a84b6e"])]
TraceId = Annotated[
    str | None,
    Meta(
        description="The trace of its first delivery, in W3C Trace Context; null: an older version kept it, or it was erased.",
        examples=["4bf92f3577b34da6a3ce929d0e0e4736"],
    ),
]
Words = list[str]


class ApiModel(Struct, forbid_unknown_fields=True, kw_only=True):
    """An answer; it has no other fields."""


class Verdict(ApiModel):
    """The vendor's last verdict."""

    status: Annotated[Status, Meta(description="What it was.")]
    level: Annotated[str | None, Meta(description="The vendor's level at which it was decided.")]
    as_of: Time | None


class Decision(ApiModel):
    """A person's last decision."""

    status: Annotated[Status, Meta(description="What it makes of the applicant.")]
    by: Annotated[str, Meta(description="Who decided: a token's name, or a user's of the command line.", examples=["night"])]
    confirmed_by: Annotated[str | None, Meta(description="The second operator, where it took one.")]
    reason: Annotated[str, Meta(description="Why, in the operator's words.")]
    at: Time
    state: Annotated[Stand, Meta(description="Whether it decides, waits for a second operator, was withdrawn, or outvoted by newer news.")]
    event_id: EventId
    confirmation: Annotated[str | None, Meta(description="Why it was confirmed, in the second operator's words.")] = None
    withdrawn_by: Annotated[str | None, Meta(description="Who withdrew it before it was confirmed.")] = None
    withdrawal: Annotated[str | None, Meta(description="Why it was withdrawn.")] = None


class Applicant(ApiModel):
    """The current state of an applicant."""

    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    external_user_id: UserId | None
    status: Annotated[Status, Meta(description="The current status. Only `approved` may mean access.")]
    final: Annotated[bool, Meta(description="Whether the vendor calls this its final word.")]
    provisional: Annotated[Status | None, Meta(description="A verdict that may still change; not to be acted upon.")]
    vendor_status: Annotated[str | None, Meta(description="The vendor's own word.", examples=["completed"])]
    may_retry: Annotated[bool | None, Meta(description="Whether the applicant may send again what was refused.")]
    reasons: Annotated[Words, Meta(description="Why it was refused, in the vendor's words.", examples=[["SANCTIONS"]])]
    hits: Annotated[list[Hit], Meta(description="What the verdict or an open alert names.", examples=[["sanctions"]])]
    flags: Annotated[list[Flag], Meta(description="What lies beside the status, such as an open alert.")]
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
    document_expires_on: Annotated[str | None, Meta(description="When its document runs out, where `KEEP_EXPIRY` keeps that.")] = None
    decision: Annotated[Decision | None, Meta(description="What a person decided last, beside the vendor's own word.")] = None
    restricted: Annotated[bool, Meta(description="Whether only privacy officers may look, until its erasure is due.")] = False
    keep_until: Annotated[
        Time | UnsetType | None, Meta(description="Until when it is kept: erased after that. Null: for ever. Not part of earlier states.")
    ] = UNSET
    held: Annotated[bool | UnsetType, Meta(description="For privacy officers: whether a hold keeps it from being erased.")] = UNSET


class Decided(ApiModel):
    """A decision that is kept, and will be handled."""

    status: Literal["accepted"]
    event_id: EventId
    against: Annotated[list[Hit], Meta(description="The hits against which it approves.", examples=[["sanctions"]])]
    waits_for_confirmation: Annotated[bool, Meta(description="Whether a second operator must confirm it.")]


class ChangeFields(ApiModel, kw_only=True, rename={"from_status": "from", "to_status": "to"}):
    """What is shown of each change of an applicant."""

    from_status: Annotated[Status | None, Meta(description="The status before; null if the applicant was unknown.")]
    to_status: Annotated[Status, Meta(description="The status after; the same as before where something else changed.")]
    reversal: Annotated[Reversal | None, Meta(description="What the change did to an approval.")]
    changed: Annotated[Words, Meta(description="The fields that differ.", examples=[["status", "reasons"]])]
    reasons: Annotated[Words, Meta(description="Why it was refused, in the vendor's words.")]
    event_id: Annotated[EventId | None, Meta(description="The event that did it; null: it was no event, but a link, a rebuild, an answer.")]
    as_of: Time | None
    at: Annotated[Time, Meta(description="When this service knew it.")]
    code_version: Annotated[str, Meta(description="The version of the rules that decided.")]
    linked: Annotated[dict[str, str | None] | None, Meta(description="Of a link: who linked it, from which user to which.")] = None


class HistoryEntry(ChangeFields, kw_only=True):
    """One change of an applicant."""

    number: Annotated[int, Meta(ge=1, description="Its number in the feed, by which its proof is asked for.")]


class EventModel(ApiModel):
    """One fact from a vendor, however often delivered."""

    id: EventId
    vendor: Vendor
    environment: VendorEnvironment
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
    dismissed_at: Annotated[Time | None, Meta(description="When a person decided that nothing is to be done about it.")]
    erased_at: Annotated[Time | None, Meta(description="When its body was erased, and all that names somebody.")]
    trace_id: TraceId


class ExplainedChange(ApiModel, rename={"from_status": "from", "to_status": "to"}):
    """What an event changed."""

    number: Annotated[int, Meta(ge=1, description="Its number in the feed, by which its proof is asked for.")]
    from_status: Status | None
    to_status: Status
    reversal: Reversal | None
    changed: Words
    at: Time


class ExplainedEvent(ApiModel):
    """An event that named the applicant."""

    event_id: EventId
    event_type: str | None
    occurred_at: Time | None
    received_at: Time
    settled_at: Time | None
    repeat: bool
    trace_id: TraceId
    said: Annotated[str, Meta(description="What it said, in the vendor's words.")]
    meant: Annotated[str, Meta(description="What that was taken to mean.")]
    outcome: Annotated[Outcome, Meta(description="The outcome for this applicant.")]
    superseded_by: Annotated[EventId | None, Meta(description="The newer event that outweighs it.")]
    why: Annotated[str, Meta(description="Why, in words.")]
    changes: Annotated[list[ExplainedChange], Meta(description="What it changed when it was handled.")]


class Ground(ApiModel):
    """What an applicant's status is based on, or what is overridden."""

    status: Status
    name: Annotated[str, Meta(description="Which ground.", examples=["the newest verdict or progress"])]
    decides: Annotated[bool, Meta(description="Whether it is the one that shows.")]
    event_id: EventId | None
    said: str | None
    at: Annotated[Time | None, Meta(description="When: by the vendor's clock, else by ours.")]


class Explanation(ApiModel):
    """Why an applicant has its status, beside the events that named it, which are in the vendor's order."""

    applicant: Applicant
    linked: Annotated[bool, Meta(description="Whether its user was linked here.")]
    ground: Annotated[Ground | None, Meta(description="What decides; null with `at`.")]
    grounds: Annotated[list[Ground], Meta(description="The deciding one first; none with `at`.")]
    vendor_gives_reasons: Annotated[bool, Meta(description="Whether this vendor's events ever say why.")]


class User(ApiModel):
    """A person across vendors, beside the applicants, of which each vendor's newest verification comes first."""

    external_user_id: UserId
    environment: VendorEnvironment
    approving_vendors: Annotated[Words, Meta(description="Those whose newest verification is approved.")]
    blocking_vendors: Annotated[Words, Meta(description="Those whose newest is rejected, or any of whose names a hit.")]


class Linked(ApiModel):
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    external_user_id: UserId


class Accepted(ApiModel):
    """The request is accepted, and will be done."""

    status: Literal["accepted"]
    event_id: EventId
