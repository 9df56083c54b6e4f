"""Webhooks that this service sends: a change to each of NOTIFY_URLS, a checkpoint of the log to each address of LOG_PUBLISH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from receiver.openapi.feed_schemas import Notification
from receiver.openapi.schemas import ApiModel, Time


class PublishedCheckpoint(ApiModel):
    """A signed checkpoint of the log. Keep it: whoever holds one can prove that nothing before it was altered or removed since."""

    type: Literal["log.checkpoint"]
    origin: Annotated[str, Meta(description="The log: `LOG_ORIGIN` and the number of its epoch.", examples=["standing.example.com/1"])]
    size: Annotated[int, Meta(description="How many leaves it has.", ge=0)]
    root: Annotated[str, Meta(description="The root hash of the tree, in base64.")]
    checkpoint: Annotated[str, Meta(description="The signed note, as C2SP `tlog-checkpoint` describes it.")]
    at: Annotated[Time, Meta(description="When it was signed.")]


class CheckpointNotification(ApiModel):
    """What is sent to each address of LOG_PUBLISH."""

    type: Literal["log.checkpoint"]
    timestamp: Annotated[Time, Meta(description="When the checkpoint was signed.")]
    data: PublishedCheckpoint


class SentWebhook(Struct, frozen=True, kw_only=True):
    """A webhook that is sent."""

    operation: str
    summary: str
    description: str
    body: type[ApiModel]
    #: Headers that it has at times, and what each means.
    more_headers: Mapping[str, str] = {}
    #: What the receiver's answers mean.
    answers: Mapping[str, str]


SENT_WEBHOOKS = {
    "change": SentWebhook(
        operation="receive_change",
        summary="A change, sent to each of NOTIFY_URLS.",
        description="Signed as Standard Webhooks describes. In order for each applicant, at least once; repeated until a 2xx.",
        body=Notification,
        more_headers={"traceparent": "The trace of the event that led to the change, as W3C Trace Context writes it; if an event did."},
        answers={
            "2XX": "The change was received.",
            "410": "Nothing more is sent to this address until an operator resumes it.",
            "default": "The change is sent again later. `Retry-After` is followed.",
        },
    ),
    "checkpoint": SentWebhook(
        operation="receive_checkpoint",
        summary="A checkpoint of the log, sent to each address of LOG_PUBLISH.",
        description="Signed as Standard Webhooks describes. At least once; repeated until a 2xx, or until there is a newer one.",
        body=CheckpointNotification,
        answers={
            "2XX": "The checkpoint was received.",
            "default": "It, or a newer one, is sent again after 5 seconds to 5 minutes.",
        },
    ),
}
