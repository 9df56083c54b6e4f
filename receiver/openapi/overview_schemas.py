"""Schemas of answers about the whole service: its state, its vendors, and its counts by day."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from receiver.openapi.schemas import ApiModel, Time, Vendor
from store.text.states import VendorEnvironment

Day = Annotated[str, Meta(description="A UTC day.", examples=["2026-03-30"], extra_json_schema={"format": "date"})]


class StatusLine(ApiModel):
    """The state of one thing, as `standing status` says it."""

    about: Annotated[str, Meta(description="What it is about.", examples=["backlog"])]
    verdict: Annotated[
        Literal["ok", "look", "wrong"],
        Meta(description="`wrong`: deliveries are refused, or events wait for somebody to act. `look`: somebody should look at it."),
    ]
    says: Annotated[str, Meta(description="What was found, in words.", examples=["no event waits"])]
    look: Annotated[str, Meta(description="The command that shows more; empty: there is none.")]


class RefusalCause(ApiModel):
    """Deliveries that were refused for one reason."""

    cause: Annotated[str, Meta(description="Why.", examples=["forged"])]
    count: Annotated[int, Meta(ge=1, description="How many.")]
    last_at: Time


class UnknownType(ApiModel):
    """Events of a type that no table knows."""

    event_type: Annotated[str, Meta(description="The vendor's word; `(none)`: the body had none.")]
    count: Annotated[int, Meta(ge=1, description="How many.")]


class VendorSecret(ApiModel):
    """A signing secret that is configured."""

    fingerprint: Annotated[str, Meta(description="What it is called where it must not be shown.", examples=["0f1e2d3c4b5a6978"])]
    newest: Annotated[bool, Meta(description="Whether it is the first of its list.")]
    last_at: Annotated[Time | None, Meta(description="When it last matched a delivery.")]
    matches: Annotated[int, Meta(ge=0, description="How many deliveries it matched.")]
    says: Annotated[str, Meta(description="What that means, in words.", examples=["in use"])]


class VendorOverview(ApiModel):
    """How a vendor's deliveries arrive. Refused requests belong to no environment: they proved no secret."""

    vendor: Vendor
    environment: VendorEnvironment
    configured: Annotated[bool, Meta(description="Whether it has a secret in this environment.")]
    last_delivery_at: Annotated[Time | None, Meta(description="The last authentic delivery of the last days.")]
    silent: Annotated[bool, Meta(description="Whether more than ten are missing.")]
    missing: Annotated[int, Meta(ge=0, description="How many would usually have come since the last one.")]
    last_hour: Annotated[int, Meta(ge=0, description="Authentic deliveries of the last hour.")]
    usual_hour: Annotated[float | None, Meta(description="The median of the same hour on the days before, up to 7.")]
    refused: Annotated[int, Meta(ge=0, description="In the last ten minutes: refused as forged or stale.")]
    answered: Annotated[int, Meta(ge=0, description="In the last ten minutes: all deliveries.")]
    refused_in_a_surge: Annotated[bool, Meta(description="Whether ten or more, and over a fifth, were refused.")]
    refusals: Annotated[list[RefusalCause], Meta(description="Of the last 24 hours, the most frequent cause first.")]
    too_large: Annotated[int, Meta(ge=0, description="In the last 24 hours: signed, and larger than MAX_BODY_BYTES.")]
    not_understood: Annotated[int, Meta(ge=0, description="In the last 24 hours: approvals that were not understood.")]
    news_of_erased: Annotated[int, Meta(ge=0, description="In the last 24 hours: events about erased applicants.")]
    unknown_types: Annotated[list[UnknownType], Meta(description="Of the last 7 days.")]
    secrets: Annotated[list[VendorSecret], Meta(description="In the order of the settings: the newest first.")]


class VendorDay(ApiModel):
    """What a vendor sent on a day, and what it changed. Changes count on the day on which this service made them."""

    day: Day
    vendor: Vendor
    deliveries: Annotated[int, Meta(ge=0, description="Events that were kept.")]
    duplicates: Annotated[int, Meta(ge=0, description="Deliveries of events that were kept before.")]
    approved: Annotated[int, Meta(ge=0, description="Changes to this status.")]
    rejected: Annotated[int, Meta(ge=0, description="Changes to this status.")]
    needs_review: Annotated[int, Meta(ge=0, description="Changes to this status.")]
    other: Annotated[
        int,
        Meta(
            ge=0,
            description="To `resubmission_requested`, `session_expired`, `document_expired`, `cancelled`, `deactivated`, `deleted`.",
        ),
    ]
    adverse: Annotated[int, Meta(ge=0, description="Approvals that fell.")]
    favourable: Annotated[int, Meta(ge=0, description="Approvals that were reinstated.")]
    other_reversals: Annotated[int, Meta(ge=0, description="Approvals that are looked at again, ran out, or were set aside.")]


class WaitingCounts(ApiModel):
    """What waits now."""

    needs_review: Annotated[int, Meta(ge=0, description="Applicants in doubt: a person decides.")]
    dead_letters: Annotated[int, Meta(ge=0, description="Events that could not be handled.")]
    unreadable: Annotated[int, Meta(ge=0, description="Events that could not be understood.")]
    reactions: Annotated[int, Meta(ge=0, description="Reactions that gave up.")]
    pending: Annotated[int, Meta(ge=0, description="Events of both environments that are to be handled.")]
    oldest_pending_seconds: Annotated[float, Meta(ge=0, description="How long the oldest of them has waited.")]


class Overview(ApiModel):
    """Counts by vendor and day, and what waits now."""

    environment: VendorEnvironment
    first_day: Day
    last_day: Day
    days: Annotated[list[VendorDay], Meta(description="The oldest first. Days without anything are left out.")]
    waiting: Annotated[WaitingCounts, Meta(description="At most 5 seconds old.")]
