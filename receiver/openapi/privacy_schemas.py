"""Schemas of answers about personal data: relationships, retention, holds, erasures, access exports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from receiver.openapi.schemas import ApiModel, Reference, Time, UserId, Vendor
from store.config.privacy_settings import Kept
from store.privacy.erasing.erasures import Cause, Stage
from store.text.states import VendorEnvironment

#: The states of an erasure. A replay has stages of its own.
ErasureStatus = StrEnum("ErasureStatus", {one.name: one.value for one in Stage})  # type: ignore[misc]

VendorTasks = Annotated[
    list[Vendor],
    Meta(description="The vendors that a person must ask to erase, because Standing cannot ask them. Known once it is erased here."),
]

Person = Annotated[str, Meta(description="The name of a token.", examples=["officer"])]


class Relationship(ApiModel):
    """The business relationship with a user, as it was last told."""

    external_user_id: UserId
    environment: VendorEnvironment
    ended_at: Annotated[Time | None, Meta(description="When it ended; null: it goes on.")]
    basis: Annotated[str | None, Meta(description="What that is based on.")]
    said_by: Person
    said_at: Time


class DueApplicant(ApiModel):
    """An applicant that is due, and since when."""

    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    external_user_id: UserId | None
    since: Time


class DueRule(ApiModel):
    """A rule of RETENTION, and what is due by it."""

    rule: Kept
    period: Annotated[str, Meta(description="How long that is kept.", examples=["5y", "90d"])]
    due: Annotated[int, Meta(ge=0, description="How many applicants, events or acts are due.")]
    oldest: Annotated[Time | None, Meta(description="Since when the oldest is due.")]
    applicants: Annotated[list[DueApplicant], Meta(description="The first 100 applicants that are due.")]


#: In which environment a run or a preview looked.
Looked = Annotated[VendorEnvironment | None, Meta(description="The environment that was named; null: all.")]


class RetentionPreview(ApiModel):
    """The rules of RETENTION, and what is due by each."""

    environment: Looked
    data: list[DueRule]


class RetentionRun(ApiModel):
    """What a run of the rules erases. A worker erases the applicants."""

    environment: Looked
    erasures: Annotated[list[str], Meta(description="The ids of the erasures that it created.")]
    applicants: Annotated[int, Meta(ge=0, description="How many applicants they are about.")]
    events: Annotated[int, Meta(ge=0, description="How many events were erased that name no applicant.")]
    acts: Annotated[int, Meta(ge=0, description="How many acts were removed from the audit log.")]


class Hold(ApiModel):
    """A hold: nothing of the user, or of the applicant, is erased while it is in force. Once they are erased, it names no person."""

    id: str
    environment: VendorEnvironment
    external_user_id: UserId | None
    vendor: Vendor | None
    reference: Reference | None
    reason: str | None
    review_at: Annotated[Time | None, Meta(description="When somebody is to look whether it is needed.")]
    placed_by: Person
    placed_at: Time
    lifted_by: Person | None
    lifted_at: Annotated[Time | None, Meta(description="Null: it is in force.")]
    lift_reason: str | None


class Erasure(ApiModel):
    """An erasure: who asked for it, who decided, and its progress. Once it is done, it names no person."""

    id: str
    environment: VendorEnvironment
    status: ErasureStatus
    cause: Cause
    external_user_id: UserId | None
    vendor: Vendor | None
    reference: Reference | None
    reason: str | None
    received_at: Annotated[Time, Meta(description="When the person asked.")]
    deadline: Annotated[Time, Meta(description="When the person must have an answer.")]
    requested_by: Person
    requested_at: Time
    decided_by: Person | None
    decided_at: Time | None
    decision_reason: str | None
    basis: Annotated[str | None, Meta(description="The legal basis of a refusal, or of an erasure before its time.")]
    until: Annotated[Time | None, Meta(description="Until when it is refused. Then it is due.")]
    restrict: Annotated[bool, Meta(description="Whether only privacy officers may look until then.")]
    early: Annotated[bool, Meta(description="Whether it was approved before the end of the time for which the data is kept.")]
    with_vendor: Annotated[bool, Meta(description="Whether the vendor is to erase, too. It is done when iDenfy has.")]
    vendor_asked_at: Annotated[Time | None, Meta(description="When iDenfy was first asked to erase.")]
    vendor_tasks: VendorTasks
    done_at: Time | None
    applicants: Annotated[int, Meta(ge=0, description="How many applicants were erased.")]
    events: Annotated[int, Meta(ge=0, description="How many events were erased.")]


class Certificate(ApiModel):
    """What was erased, when, by whose decision, and what it does not cover. It names no erased person."""

    erasure_id: str
    environment: VendorEnvironment
    cause: Cause
    received_at: Time
    deadline: Time
    requested_by: Person
    decided_by: Person | None
    decided_at: Time | None
    basis: str | None
    early: bool
    erased_at: Time
    applicants: Annotated[int, Meta(ge=0)]
    events: Annotated[int, Meta(ge=0)]
    erased: Annotated[list[str], Meta(description="What an erasure removes.")]
    backups: Annotated[dict[str, Any], Meta(description="What backups from before hold still, and until when.")]
    downstream: Annotated[dict[str, Any], Meta(description="What readers of the feed and endpoints were notified of.")]
    with_vendor: Annotated[bool, Meta(description="Whether the vendors were to erase, too. Those that are not in `vendor_tasks` did.")]
    vendor_confirmed: Annotated[str | None, Meta(description="Who confirmed that iDenfy erased, where a person did.")]
    vendor_tasks: VendorTasks


class AccessExport(ApiModel):
    """What is kept about a person, as far as that person may know it."""

    external_user_id: UserId
    environment: VendorEnvironment
    made_at: Time
    relationship: Annotated[dict[str, Any] | None, Meta(description="The business relationship, if it was recorded.")]
    applicants: Annotated[list[dict[str, Any]], Meta(description="Each verification, with its history.")]
    verifications: Annotated[list[dict[str, Any]], Meta(description="Each verification that was started here.")]
    holds: Annotated[list[Hold] | UnsetType, Meta(description="With `withhold` `none` alone.")] = UNSET
