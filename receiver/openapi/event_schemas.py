"""Schemas of answers about one event: the applicants that it named, and its body without personal data."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from receiver.openapi.schemas import ApiModel, EventId, Reference, Vendor
from store.text.states import Outcome, Status, VendorEnvironment


class NamedApplicant(ApiModel):
    """An applicant that an event named, what the event said of it, and what followed."""

    vendor: Vendor
    environment: VendorEnvironment
    reference: Reference
    status: Annotated[Status | None, Meta(description="The status now; null if the applicant is not shown.")]
    said: Annotated[str, Meta(description="What it said, in the vendor's words.")]
    meant: Annotated[str, Meta(description="What that was taken to mean.")]
    outcome: Annotated[Outcome, Meta(description="The outcome for this applicant.")]
    why: Annotated[str, Meta(description="Why, in words.")]
    superseded_by: Annotated[EventId | None, Meta(description="The newer event that outweighs it.")]


class MaskedBody(ApiModel):
    """What a vendor sent, without what may be personal data."""

    event_id: EventId
    body: Annotated[
        str,
        Meta(
            description="Indented JSON with each value masked (`•••`), but those of fields that the rules use: the vendor's words, ids "
            "and times. Of a body that is no JSON only its length, in words."
        ),
    ]
