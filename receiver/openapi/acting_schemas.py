"""Schemas of answers about what an operator acts upon: subscribers, and what a vendor was asked about."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from receiver.openapi.schemas import ApiModel, EventId, Reference, Time, Vendor
from store.operations.reconciliations import State
from store.text.states import Status, VendorEnvironment


class SubscriberModel(ApiModel):
    """A subscriber to changes: an endpoint, a function, or the log."""

    key: Annotated[str, Meta(description="What names it in a path.", examples=["accounts.example.com 1f0c93aa"])]
    subscriber: Annotated[str, Meta(description="How it is shown.")]
    configured: Annotated[bool, Meta(description="Whether the workers' settings name it, as far as a worker recorded it.")]
    pending: Annotated[int, Meta(ge=0, description="Reactions that wait.")]
    adverse: Annotated[int, Meta(ge=0, description="Those of them that tell that an approval fell.")]
    refused: Annotated[int, Meta(ge=0, description="Those of them that failed before.")]
    failed: Annotated[int, Meta(ge=0, description="Reactions that gave up.")]
    oldest_at: Annotated[Time | None, Meta(description="When the oldest change that waits was made.")]
    said: Annotated[str | None, Meta(description="The last answer to the oldest reaction that failed before and waits.")]
    paused_until: Annotated[Time | None, Meta(description="Until when nothing is sent, because it kept failing.")]
    stopped_at: Annotated[Time | None, Meta(description="When it answered 410: nothing is sent until somebody resumes it.")]


class ReactionsRun(ApiModel):
    """Reactions that are done again by a worker."""

    status: Literal["accepted"]
    reactions: Annotated[int, Meta(ge=0, description="How many.")]


class WantedReconciliation(ApiModel):
    """A run that somebody asked for."""

    by: Annotated[str, Meta(description="Who asked for it: a token's name.", examples=["night"])]
    at: Time
    repair: Annotated[bool, Meta(description="Whether what drifts is repaired.")]
    changes_max: Annotated[int, Meta(ge=0, description="It stops before more applicants than that are changed.")]
    references: Annotated[int, Meta(ge=0, description="How many applicants it names. 0: none, it asks about more.")]
    since: Annotated[Time | None, Meta(description="It asks about the applicants that a webhook lost since then may be about.")]


class ReconciliationModel(ApiModel):
    """The last run in which a vendor was asked, and the run that somebody asked for."""

    vendor: Vendor
    environment: VendorEnvironment
    state: Annotated[State, Meta(description="How far it is. `interrupted`: the process that asks was not heard of for 15 minutes.")]
    wanted: Annotated[WantedReconciliation | None, Meta(description="The run that somebody asked for; null once it has ended.")]
    actor: Annotated[str | None, Meta(description="Who had the vendor asked in the last run, where that is known.")]
    repairs: Annotated[bool | None, Meta(description="Whether the last run repairs what drifts.")]
    begun_at: Time | None
    seen_at: Annotated[Time | None, Meta(description="When the process that asks last recorded its progress.")]
    ended_at: Time | None
    asked: Annotated[int, Meta(ge=0, description="About how many applicants the vendor was asked.")]
    drifted: Annotated[int, Meta(ge=0, description="How many of the answers drift from ours.")]
    repaired: Annotated[int, Meta(ge=0, description="How many of those were repaired.")]
    said: Annotated[str | None, Meta(description="Why it ended before its end, if it did.")]


class ReconciliationFindingModel(ApiModel):
    """An applicant of which the vendor's answer drifts from ours, or is not clear."""

    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    found_at: Time
    ours: Annotated[Status | None, Meta(description="Where the vendor's earlier news put the applicant; null: it is unknown here.")]
    ours_since: Time | None
    theirs: Annotated[Status | None, Meta(description="Where its answer would; null: it knows no such applicant, or does not count.")]
    theirs_since: Time | None
    drifts: Annotated[bool, Meta(description="False: the answer is not clear.")]
    repair: Annotated[Status | None, Meta(description="Where repairing it would lead, or led; null: nowhere.")]
    event_id: Annotated[EventId | None, Meta(description="The event that repaired it.")]
    says: Annotated[str, Meta(description="What the vendor says, in words.")]
