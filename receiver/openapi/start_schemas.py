"""Schemas of answers about verifications that are started here."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from receiver.openapi.schemas import ApiModel, Reference, Time, UserId, Vendor
from store.starts.requests import FailureKind, StartMode, StartStatus
from store.text.states import VendorEnvironment


class StartFailure(ApiModel):
    """Why a verification was given up, or what its vendor still waits for."""

    kind: Annotated[FailureKind, Meta(description="Who can do something about it.")]
    says: Annotated[str, Meta(description="Why, in the vendor's words where it gave any.")]
    missing: Annotated[list[str], Meta(description="The steps that the vendor waits for.", examples=[["QUESTIONNAIRE"]])]


class StartedVerification(ApiModel):
    """A verification that was started here, and how far that came. The applicant has the verdict."""

    id: Annotated[str, Meta(description="The verification's id; it sorts by time.", examples=["01a1fbd7-3d85-709d-910b-a2b8e8a84b6e"])]
    vendor: Vendor
    environment: VendorEnvironment
    external_user_id: UserId
    mode: StartMode
    level: Annotated[str | None, Meta(description="IDnGO's level.")]
    workflow: Annotated[str | None, Meta(description="IFCGATE's workflow.")]
    status: Annotated[StartStatus, Meta(description="How far it came.")]
    reference: Annotated[Reference | None, Meta(description="The applicant's reference, once the vendor named it.")]
    documents: Annotated[list[dict[str, Any]], Meta(description="Which documents were asked for: type, side, country.")]
    uploads: Annotated[list[dict[str, Any]], Meta(description="Which images were passed on, with the vendor's words about each.")]
    failure: StartFailure | None
    attempts: Annotated[int, Meta(ge=0, description="How often the current step was tried.")]
    next_attempt_at: Annotated[Time | None, Meta(description="When the next step is tried; null: nothing is to be done here.")]
    last_answer: Annotated[str | None, Meta(description="The last result of a step.")]
    requested_by: Annotated[str, Meta(description="The name of a token.", examples=["onboarding"])]
    forced: Annotated[str | None, Meta(description="Why it was started although another was open.")]
    requested_at: Time
    sent_at: Annotated[Time | None, Meta(description="When it was first sent to the vendor.")]
    linked_at: Annotated[Time | None, Meta(description="When the vendor named its reference.")]
    submitted_at: Annotated[Time | None, Meta(description="When the vendor had everything.")]
    ended_at: Annotated[Time | None, Meta(description="Since when another may be started: a verdict, a failure, a cancellation.")]


class StartedVerificationWithPages(StartedVerification):
    """A verification that was started here, with where the person is to go, and what the vendor asks for again."""

    to_send_again: Annotated[list[dict[str, Any]], Meta(description="Which documents had problems, with the comments that may be shown.")]
    redirect_url: Annotated[str | None, Meta(description="Where the vendor hosts the pages. It opens them: give it to the person alone.")]
