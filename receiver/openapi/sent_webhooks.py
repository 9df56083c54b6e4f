"""Webhooks that this service sends: a change to each of NOTIFY_URLS."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from receiver.openapi.feed_schemas import Notification
from receiver.openapi.schemas import ApiModel


class SentWebhook(Struct, frozen=True, kw_only=True):
    """A webhook that is sent."""

    operation: str
    summary: str
    description: str
    body: type[ApiModel]
    #: What the receiver's answers mean.
    answers: Mapping[str, str]


SENT_WEBHOOKS = {
    "change": SentWebhook(
        operation="receive_change",
        summary="A change, sent to each of NOTIFY_URLS.",
        description="Signed as Standard Webhooks describes. In order for each applicant, at least once; repeated until a 2xx.",
        body=Notification,
        answers={
            "2XX": "The change was received.",
            "410": "Nothing more is sent to this address until an operator resumes it.",
            "default": "The change is sent again later. `Retry-After` is followed.",
        },
    ),
}
