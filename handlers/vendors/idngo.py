"""What IDnGO's events mean. Field names and words are those of Sumsub's documentation.

IDnGO's platform sends that shape: captured deliveries agree field for field. IDnGO publishes no list of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from handlers.config import Settings
from handlers.config.vocabulary.event_types import IDNGO_HARMLESS
from handlers.config.vocabulary.words import Kind, Words, named_hits, of_kind
from handlers.rules.news import Activity, Alert, Deletion, News, Says, Step, Unreadable
from handlers.vendors.base import READ, comment, decode, moment, moves_nothing, names
from handlers.vendors.expiry import of_idngo, with_expiry
from handlers.vendors.idngo_findings import ANSWER, BODY, contradiction, words_of
from handlers.vendors.strict_schema import Check, not_understood
from store.text.names import as_name
from store.text.states import HITS, Status

#: Events that carry a review's result.
RESULTS = ("applicantReviewed", "applicantWorkflowCompleted", "applicantWorkflowFailed")

#: Events that tell progress, and where they put an applicant, whatever review status or answer rides along.
PROGRESS = {
    "applicantCreated": Status.CREATED,
    "applicantPending": Status.IN_REVIEW,
    "applicantPrechecked": Status.IN_REVIEW,
    "applicantAwaitingService": Status.IN_REVIEW,
    "applicantOnHold": Status.ON_HOLD,
    "applicantAwaitingUser": Status.AWAITING_APPLICANT,
    "applicantReset": Status.CREATED,
    "applicantLevelChanged": Status.CREATED,
}

#: What the read API says of a review that is not completed.
UNDER_WAY = {
    "init": Status.CREATED,
    "pending": Status.IN_REVIEW,
    "prechecked": Status.IN_REVIEW,
    "queued": Status.IN_REVIEW,
    "awaitingService": Status.IN_REVIEW,
    "onHold": Status.ON_HOLD,
    "awaitingUser": Status.AWAITING_APPLICANT,
}

#: Events that lie over a verdict, or are lifted from it.
OVERLAYS: dict[str, Says] = {
    "applicantDeactivated": Activity(active=False),
    "applicantActivated": Activity(active=True),
    "applicantDeleted": Deletion(),
    "applicantPersonalDataDeleted": Deletion(of_personal_data=True),
}

#: Events of an AML case, and whether its alert is raised. No published sample shows how they name their case; without a
#: name an applicant has one alert.
AML_CASES = {"amlCaseRejected": True, "amlCaseOnHold": True, "amlCaseApproved": False}


Part = TypeVar("Part", bound=msgspec.Struct)


class Result(msgspec.Struct):
    reviewAnswer: Any = None
    reviewRejectType: Any = None
    rejectLabels: Any = None
    moderationComment: Any = None


class IdngoPayload(msgspec.Struct):
    type: Any = None
    applicantId: Any = None
    externalUserId: Any = None
    levelName: Any = None
    reviewStatus: Any = None
    reviewResult: Any = None
    createdAtMs: Any = None
    createdAt: Any = None
    amlCaseId: Any = None
    caseId: Any = None


def interpret(headers: dict[str, str], body: bytes, settings: Settings) -> News:
    """Return what an IDnGO event says. Raises Unreadable."""
    event = decode(body, IdngoPayload)
    event_type, reference, user = as_name(event.type), as_name(event.applicantId), as_name(event.externalUserId)
    if event_type is None:
        raise Unreadable("the body names no type", reference=reference)
    words = words_of(settings)
    says, because = _says(event_type, event, words, settings)
    if says is None:
        news = moves_nothing(event_type, (reference,) if reference else (), known=event_type in IDNGO_HARMLESS)
        return structs.replace(news, occurred_at=_occurred_at(event), external_user_id=user)
    if isinstance(says, Step):
        says = _proved(says, body, BODY, words)
    if reference is None:
        raise Unreadable("the body names no applicantId that can be stored", event_type=event_type)
    return News(
        event_type=event_type,
        references=(reference,),
        occurred_at=_occurred_at(event),
        says=says,
        because=because,
        external_user_id=user,
    )


class Review(msgspec.Struct):
    reviewStatus: Any = None
    reviewResult: Any = None
    levelName: Any = None
    createDate: Any = None
    reviewDate: Any = None


class One(msgspec.Struct):
    id: Any = None
    externalUserId: Any = None
    review: Any = None


def interpret_answer(body: bytes, settings: Settings) -> News:
    """Return what `GET /resources/applicants/{id}/one` says: a completed review at its date, another at its start. Raises Unreadable."""
    one = decode(body, One)
    reference, review, user = as_name(one.id), _part(one.review, Review), as_name(one.externalUserId)
    if reference is None:
        raise Unreadable("the answer names no id that can be stored", event_type=READ)
    completed, words = review.reviewStatus == "completed", words_of(settings)
    at = moment(review.reviewDate if completed else review.createDate, zone_needed=False)
    says = _reviewed(review, words, settings) if completed else _under_way(review)
    says = says and _proved(says, body, ANSWER, words)
    if says is None or at is None:
        missing = "has no date of its review" if says else "says nothing of a review that is known"
        raise Unreadable(f"the answer {missing}", event_type=READ, reference=reference)
    because = f"asked, IDnGO says {review.reviewStatus}" + (f", {says.vendor_status}" if completed else "")
    news = News(event_type=READ, references=(reference,), occurred_at=at, says=says, because=because, external_user_id=user)
    return with_expiry(news, of_idngo(body) if settings.keep_expiry else None)


def _reviewed(review: Review, words: Words, settings: Settings) -> Step | None:
    """Return the news of a completed review; None for an unknown answer."""
    event = IdngoPayload(reviewStatus=review.reviewStatus, reviewResult=review.reviewResult, levelName=review.levelName)
    word, _ = _answer(_part(event.reviewResult, Result))
    return _result("applicantReviewed", event, words, settings)[0] if word else None


def _under_way(review: Review) -> Step | None:
    word = as_name(review.reviewStatus)
    if word not in UNDER_WAY:
        return None
    return Step(status=UNDER_WAY[word], vendor_status=word, level=as_name(review.levelName))


def _says(event_type: str, event: IdngoPayload, words: Words, settings: Settings) -> tuple[Says | None, str]:
    if event_type in RESULTS:
        return _result(event_type, event, words, settings)
    if event_type in PROGRESS:
        return _progress(event_type, event), event_type
    if event_type in AML_CASES:
        case = as_name(event.amlCaseId) or as_name(event.caseId) or ""
        return Alert(monitoring=case, raised=AML_CASES[event_type]), event_type
    if event_type in OVERLAYS:
        return OVERLAYS[event_type], event_type
    return None, f"{event_type} moves nothing"


def _proved(step: Step, body: bytes, schema: Check, words: Words) -> Step:
    """Return an approval with the places of its body that are not understood. Other news needs no proof."""
    if step.status != Status.APPROVED:
        return step
    return structs.replace(step, not_understood=not_understood(body, schema, words))


def _progress(event_type: str, event: IdngoPayload) -> Step:
    return Step(
        status=PROGRESS[event_type],
        restarts=event_type in ("applicantReset", "applicantLevelChanged"),
        wipes=event_type == "applicantReset",
        vendor_status=as_name(event.reviewStatus),
        level=as_name(event.levelName),
    )


def _result(event_type: str, event: IdngoPayload, words: Words, settings: Settings) -> tuple[Step, str]:
    """Return a review's result. The answer counts only when the review is completed."""
    result = _part(event.reviewResult, Result)
    completed, labels, level = event.reviewStatus == "completed", names(result.rejectLabels), as_name(event.levelName)
    word, status = _answer(result)
    failed = event_type == "applicantWorkflowFailed"
    counts = completed or (failed and word is not None)
    if not counts or (failed and status == Status.APPROVED):
        status = Status.NEEDS_REVIEW
    elsewhere = status == Status.APPROVED and settings.idngo_approving_levels is not None and level not in settings.idngo_approving_levels
    if elsewhere:
        status = Status.IN_REVIEW
    retry, named = word == "RED:RETRY", named_hits(labels, words)
    step = Step(
        status=status,
        verdict=counts and not elsewhere,
        final=completed and not retry and not elsewhere,
        vendor_status=word if word and counts else as_name(event.reviewStatus),
        may_retry={"RED:RETRY": True, "RED:FINAL": False}.get(word or "") if counts else None,
        reasons=labels,
        hits=tuple(hit for hit in HITS if hit in named),
        failed_screenings=of_kind(labels, words, Kind.FAILED),
        doubtful=of_kind(labels, words, Kind.DOUBTFUL) + contradiction(result.reviewAnswer, result.reviewRejectType),
        user_message=comment(result.moderationComment),
        level=level,
    )
    answer = word or as_name(result.reviewAnswer) or "no answer that is known"
    because = f"{event_type} {event.reviewStatus if completed else 'not completed'}, {answer}"
    return step, f"{because} at a level that does not approve" if elsewhere else because


def _answer(result: Result) -> tuple[str | None, Status]:
    """Return the verdict in the vendor's words, and what a completed review means by it; None for an unknown word."""
    match result.reviewAnswer, result.reviewRejectType:
        case "GREEN", _:
            return "GREEN", Status.APPROVED
        case "RED", "RETRY":
            return "RED:RETRY", Status.RESUBMISSION_REQUESTED
        case "RED", "FINAL":
            return "RED:FINAL", Status.REJECTED
    return None, Status.NEEDS_REVIEW


def _part(value: object, form: type[Part]) -> Part:
    """Return a part of a body, which may be missing, null, or no object."""
    try:
        return msgspec.convert(value or {}, form)
    except msgspec.ValidationError:
        return form()


def _occurred_at(event: IdngoPayload) -> datetime | None:
    """Return `createdAtMs`, else `createdAt`. `createdAtMs` has no zone and is UTC, as captures with both show."""
    value = event.createdAtMs if event.createdAtMs is not None else event.createdAt
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 13:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
        except OverflowError:
            return None
    return moment(value, zone_needed=False)
