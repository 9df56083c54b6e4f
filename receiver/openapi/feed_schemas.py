"""Schemas of the change feed, its stream, and what is sent to downstream: three shapes of one entry."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from receiver.openapi.schemas import ApiModel, Applicant, ChangeFields, Reference, Time, UserId, Vendor
from store.text.states import VendorEnvironment

Cursor = Annotated[str, Meta(description="Its place in the feed: give it as `after`.", examples=["9f86d081.4711"])]
CHANGE_AS_TEXT = Meta(
    description="A change.",
    extra_json_schema={"contentMediaType": "application/json", "contentSchema": {"$ref": "#/components/schemas/Change"}},
)


class ApplicantChange(ChangeFields, kw_only=True):
    """A change of an applicant, in the feed."""

    cursor: Cursor
    type: Annotated[str, Meta(description="`applicant.` and the status.", examples=["applicant.rejected"])]
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    applicant: Annotated[Applicant | None, Meta(description="The applicant as it then was; null while it is restricted.")]


class ErasureNotice(ApiModel):
    """The notice that an applicant was erased: erase what you keep of it. After `ERASURE_NOTICE_DAYS` it is emptied, too."""

    cursor: Cursor
    type: Literal["applicant.erased"]
    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    external_user_id: UserId | None
    erasure_id: Annotated[str, Meta(description="Which erasure.")]
    at: Annotated[Time, Meta(description="When it was erased.")]


class EmptiedChange(ApiModel):
    """What is left of a change whose applicant was erased: its place in the feed."""

    cursor: Cursor
    type: Literal["erased"]
    environment: VendorEnvironment
    at: Annotated[Time, Meta(description="When the change was made.")]


class Change(Struct):
    """One entry of the change feed: a change, the notice of an erasure, or the place of a change that was emptied."""


#: Schemas that stand for one of several.
ONE_OF: dict[type[Struct], tuple[type[Struct], ...]] = {Change: (ApplicantChange, ErasureNotice, EmptiedChange)}


class StreamEvent(Struct, kw_only=True):
    """One event of the stream. The first has only an `id`: the position where the stream begins."""

    id: Annotated[str, Meta(description="The place in the feed: give it as `Last-Event-ID`.")]
    event: Literal["change"] | UnsetType = UNSET
    data: Annotated[str, CHANGE_AS_TEXT] | UnsetType = UNSET


class Notification(ApiModel):
    """What is sent to each of NOTIFY_URLS."""

    type: Annotated[str, Meta(description="`applicant.` and the status.", examples=["applicant.rejected"])]
    timestamp: Annotated[Time, Meta(description="When this service knew of the change.")]
    data: Change
