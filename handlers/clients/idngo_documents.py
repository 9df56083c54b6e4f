"""IDnGO's outcome of each document: which had problems, and why.

`GET /resources/applicants/{id}/requiredIdDocsStatus`. `moderationComment` may be shown to the applicant; `clientComment` is internal.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from handlers.clients.vendor import understood


class _Review(Struct):
    reviewAnswer: str | None = None
    moderationComment: str | None = None
    clientComment: str | None = None
    rejectLabels: list[str] | None = None
    reviewRejectType: str | None = None


class _Step(Struct):
    reviewResult: _Review | None = None
    country: str | None = None
    idDocType: str | None = None
    imageReviewResults: dict[str, _Review | None] | None = None


def problems(answer: bytes) -> list[dict[str, Any]]:
    """Return the documents that had problems, each with what may be shown to the applicant apart from what may not. Raises Unanswered."""
    steps = understood(answer, dict[str, _Step | None])
    return [_described(name, step) for name, step in steps.items() if step and _had_problems(step)]


def _had_problems(step: _Step) -> bool:
    reviews = (step.reviewResult, *(step.imageReviewResults or {}).values())
    return any(review is not None and review.reviewAnswer == "RED" for review in reviews)


def _described(name: str, step: _Step) -> dict[str, Any]:
    images = [(image, review) for image, review in (step.imageReviewResults or {}).items() if review and review.reviewAnswer == "RED"]
    told = {"step": name, "type": step.idDocType, "country": step.country} | _comments(step.reviewResult or _Review())
    return told | {"images": [{"id": image} | _comments(review) for image, review in images]}


def _comments(review: _Review) -> dict[str, Any]:
    return {
        "comment": review.moderationComment,
        "internal_comment": review.clientComment,
        "reasons": review.rejectLabels or [],
        "may_retry": None if review.reviewRejectType is None else review.reviewRejectType == "RETRY",
    }
