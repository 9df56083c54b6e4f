"""Resubmission: after RED:RETRY, IDnGO is asked which documents had problems, and why.

`GET /resources/applicants/{id}/requiredIdDocsStatus`. `moderationComment` may be shown to the applicant; `clientComment` is internal.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from handlers import config
from handlers.clients.idngo import Idngo
from handlers.clients.pacing import Pacing
from handlers.clients.retry_after import NOT_NOW, RETRY_AFTER_MAX
from handlers.clients.vendor import Unanswered
from handlers.config import IdngoApi
from handlers.notify.subscribers import AT_ONCE, NotNow, Refused
from store import database
from store.applicants import resubmission
from store.system import clock
from store.text.counts import counted
from store.text.states import ApplicantKey, Status

#: It is not asked twice here.
ONCE = Pacing(attempts_max=1)


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


class ProblemDocuments:
    """Asks about each IDnGO applicant that may send again, in the environment of the API."""

    name = title = "problem documents"
    is_foreign = False
    at_once = AT_ONCE

    def wants(self, change: Any) -> bool:
        asks_again = change.vendor == "idngo" and change.to_status == Status.RESUBMISSION_REQUESTED
        mine = change.environment == config.settings().api_environment
        return asks_again and mine and bool({"status", "last_verdict"} & set(change.changed))

    def tell(self, entry: dict[str, Any]) -> str:
        api = config.settings().idngo_api
        assert api is not None
        if entry.get("applicant") is None:
            return "the applicant is erased, or restricted"
        found = problems(_ask(api, entry["reference"]))
        key = ApplicantKey(entry["vendor"], entry["environment"], entry["reference"])
        with database.begin() as connection:
            kept = resubmission.keep(connection, key, found, verdict=entry["applicant"]["last_verdict"])
        return counted(len(found), "document") if kept else "nothing that was not known, or is asked for still"


def problems(answer: bytes) -> list[dict[str, Any]]:
    """Return the documents that had problems, each with what may be shown to the applicant apart from what may not. Raises Refused."""
    try:
        steps = msgspec.json.decode(answer, type=dict[str, _Step | None])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("the answer is not understood") from error
    return [_described(name, step) for name, step in steps.items() if step and _had_problems(step)]


def _ask(api: IdngoApi, reference: str) -> bytes:
    """Return what the vendor says of each document. Each question has its own client, so that none waits for another's answer; the
    outbox decides about retries."""
    client = Idngo(api, patience=ONCE, private_hosts=config.settings().private_hosts)
    try:
        found = client.documents(reference)
    except Unanswered as error:
        if error.status in (None, 409, *NOT_NOW):
            rest = error.again_at - clock.now() if error.again_at else timedelta()
            raise NotNow(str(error), rest=min(rest, RETRY_AFTER_MAX)) from error
        raise Refused(str(error)) from error
    if found is None:
        raise Refused("the vendor knows no such applicant")
    return found


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


def subscribers() -> list[ProblemDocuments]:
    return [ProblemDocuments()] if config.settings().idngo_api else []
