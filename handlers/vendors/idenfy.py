"""What iDenfy's events mean. The words are those of its OpenAPI description; the type of an event is in a header alone."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import structs

from handlers.config import Settings
from handlers.config.vocabulary.event_types import IDENFY_HARMLESS
from handlers.config.vocabulary.idenfy import TAGS
from handlers.config.vocabulary.words import Words
from handlers.rules.news import Alert, Archived, Deletion, DocumentNotice, News, Says, Step, Unreadable
from handlers.vendors.base import READ, decode, moves_nothing, names
from handlers.vendors.expiry import of_idenfy, with_expiry
from handlers.vendors.idenfy_findings import ANSWER, BODY, CLEARING, RAISING, Screenings, findings, overall_of
from handlers.vendors.strict_schema import Check, not_understood
from store.applicants.table import NOTHING_CHECKED
from store.text.names import as_name
from store.text.states import Status

TYPE_HEADER = "Idenfy-Event-Type"

#: Types whose body is an identification's result.
RESULTS = (
    "IDENTIFICATION", "IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_RESUBMITTED",
    "IDENTIFICATION_EXPIRED", "IDENTIFICATION_CANCELLED",
)  # fmt: skip
RESUBMITTED = "IDENTIFICATION_RESUBMITTED"

#: What a body of each type is.
KINDS = {
    **dict.fromkeys(RESULTS, "result"),
    **dict.fromkeys(IDENFY_HARMLESS, "harmless"),
    "AML_MONITORING": "monitoring",
    "DOCUMENT_EXPIRATION": "document",
}

#: Types that mean the same whatever the body's status says.
BY_TYPE = {"IDENTIFICATION_EXPIRED": Status.SESSION_EXPIRED, "IDENTIFICATION_CANCELLED": Status.CANCELLED}

#: `status.overall`, where it is a verdict: what it means once it is final.
VERDICTS = {"APPROVED": Status.APPROVED, "DENIED": Status.REJECTED, "SUSPECTED": Status.NEEDS_REVIEW}

#: `status.overall`, where it is none.
PROGRESS = {"EXPIRED": Status.SESSION_EXPIRED, "REVIEWING": Status.IN_REVIEW, "ACTIVE": Status.CREATED}

#: One person's verifications; a monitoring that names more is not believed, and delays no other event.
REFERENCES_MAX = 2000

DELETED = ("DELETED", "EXPIRED-DELETED")

#: What counts when it is read, where no `final` says whether it is the last word.
COUNTING = (*VERDICTS, *DELETED, "EXPIRED")


class IdenfyPayload(Screenings):
    scanRef: Any = None
    clientId: Any = None
    final: Any = None
    status: Any = None
    monitoringId: Any = None
    scanRefList: Any = None
    alertStatus: Any = None
    expirationThreshold: Any = None
    data: Any = None


def interpret(headers: dict[str, str], body: bytes, settings: Settings) -> News:
    """Return what an iDenfy event says. Raises Unreadable."""
    header = headers.get(TYPE_HEADER)
    try:
        event = decode(body, IdenfyPayload)
    except Unreadable as unreadable:
        # A type without a published shape (VIDEO_CALL_FINISHED among them) may have any body, or none.
        if header and _kind(header, IdenfyPayload()) == "unknown":
            return moves_nothing(as_name(header), (), known=False)
        raise Unreadable(unreadable.reason, event_type=as_name(header)) from unreadable
    match kind := _kind(header, event):
        case "result":
            news = _result(header, event, body, TAGS | settings.idenfy_words)
            return with_expiry(news, of_idenfy(event.data) if settings.keep_expiry else None)
        case "monitoring":
            return _monitoring(header, event)
        case "document":
            return _document(header, event)
    return moves_nothing(as_name(header), _scan_ref(event), known=kind == "harmless")


class Result(Screenings):
    """An answer of the API. The published sample names no screening; where there is one, it is checked."""

    scanRef: Any = None
    clientId: Any = None
    status: Any = None
    fraudTags: Any = None
    mismatchTags: Any = None
    suspicionReasons: Any = None
    autoDocument: Any = None
    autoFace: Any = None
    manualDocument: Any = None
    manualFace: Any = None


def interpret_answer(body: bytes, settings: Settings) -> News:
    """Return what `POST /api/v2/status` says. Raises Unreadable.

    It has no `final`. So an approval counts only if persons found document and face valid and nothing is named; progress never
    counts."""
    answer = decode(body, Result)
    reference, overall = as_name(answer.scanRef), as_name(answer.status)
    if reference is None:
        raise Unreadable("the answer names no scanRef that can be stored", event_type=READ)
    event, words = _as_event(answer), TAGS | settings.idenfy_words
    step = _proved(_step(event, words), body, ANSWER, words)
    if overall not in COUNTING or (overall == "APPROVED" and not _is_beyond_doubt(answer, step)):
        raise Unreadable(
            f"the answer says {overall or 'nothing that is known'}, which does not count", event_type=READ, reference=reference
        )
    says, _ = _says("IDENTIFICATION", structs.replace(step, final=overall in VERDICTS))
    user = as_name(answer.clientId)
    return News(event_type=READ, references=(reference,), says=says, because=f"asked, iDenfy says {overall}", external_user_id=user)


def _as_event(answer: Result) -> IdenfyPayload:
    said = structs.asdict(answer)
    screenings = {name: said[name] for name in Screenings.__struct_fields__}
    return IdenfyPayload(**screenings, status=said | {"overall": answer.status})


def _is_beyond_doubt(answer: Result, step: Step) -> bool:
    found_right = answer.manualDocument == "DOC_VALIDATED" and answer.manualFace == "FACE_MATCH"
    return found_right and not (step.hits or step.failed_screenings or step.doubtful or step.not_understood)


def _kind(header: str | None, event: IdenfyPayload) -> str:
    """Return the kind of a body: by the type, or without a type by the body's shape."""
    if header is None:
        if event.monitoringId is not None and event.scanRefList is not None:
            return "monitoring"
        if event.expirationThreshold is not None:
            return "document"
        return "result" if isinstance(event.status, dict) and "overall" in event.status else "unknown"
    return KINDS.get(_normal(header), "unknown")


def _normal(header: str) -> str:
    """Return the type in one spelling. The vendor's texts write ID_VERIFICATION for IDENTIFICATION, and CANCELED for CANCELLED."""
    kind = header.strip().upper().replace(" ", "_").replace("CANCELED", "CANCELLED")
    return "IDENTIFICATION" + kind.removeprefix("ID_VERIFICATION") if kind.startswith("ID_VERIFICATION") else kind


# a verification's result --------------------------------------------------------------------------------------


def _result(header: str | None, event: IdenfyPayload, body: bytes, words: Words) -> News:
    references = _scan_ref(event)
    if not references:
        raise Unreadable("the body names no scanRef that can be stored", event_type=header)
    kind = _normal(header) if header else "IDENTIFICATION"
    if kind not in BY_TYPE and not (isinstance(event.status, dict) and "overall" in event.status):
        raise Unreadable("the body has no status.overall", event_type=header, reference=references[0])
    step = _step(event, words)
    says, because = _says(kind, step if kind in BY_TYPE else _proved(step, body, BODY, words))
    return News(event_type=header, references=references, says=says, because=because, external_user_id=as_name(event.clientId))


def _proved(step: Step, body: bytes, schema: Check, words: Words) -> Step:
    """Return an approval with the places of its body that are not understood. Another word needs no proof."""
    return structs.replace(step, not_understood=not_understood(body, schema, words)) if step.vendor_status == "APPROVED" else step


def _says(kind: str, step: Step) -> tuple[Says, str]:
    overall = step.vendor_status or "a word that cannot be read"
    if kind in BY_TYPE:
        return structs.replace(step, status=BY_TYPE[kind]), kind
    if overall in DELETED:
        return Deletion(vendor_status=overall, final=step.final, of_personal_data=True), overall
    if overall == "ARCHIVED":
        return Archived(), overall
    # A missing `final` is not final; only a resubmission that is not final reopens what was.
    reopens = kind == RESUBMITTED and not step.final
    if overall in PROGRESS:
        return structs.replace(step, status=Status.IN_REVIEW if reopens else PROGRESS[overall], reopens=reopens), overall
    meant = VERDICTS.get(overall, Status.NEEDS_REVIEW)
    if step.final:
        return structs.replace(step, status=meant, verdict=True, binding=True), f"{overall} is final"
    if overall not in VERDICTS:
        return structs.replace(step, status=meant, reopens=reopens), f"{overall} is not final, and a word unknown"
    return structs.replace(step, status=Status.IN_REVIEW, provisional=meant, reopens=reopens), f"{overall} is not final"


def _step(event: IdenfyPayload, words: Words) -> Step:
    status = event.status if isinstance(event.status, dict) else {}
    found = findings(status, event, words)
    return Step(
        status=Status.IN_REVIEW,
        final=event.final is True,
        vendor_status=as_name(status.get("overall")),
        reasons=found.reasons,
        hits=found.hits,
        failed_screenings=found.failed,
        doubtful=found.doubtful,
        checks=NOTHING_CHECKED
        | {
            "document": as_name(status.get("manualDocument")) or as_name(status.get("autoDocument")),
            "face": as_name(status.get("manualFace")) or as_name(status.get("autoFace")),
            "additional_steps": as_name(status.get("additionalSteps")),
        },
    )


# what may follow a result --------------------------------------------------------------------------------------


def _monitoring(header: str | None, event: IdenfyPayload) -> News:
    references = names(event.scanRefList)
    if not references:
        raise Unreadable("the monitoring names no scanRef that can be stored", event_type=header)
    if len(references) > REFERENCES_MAX:
        raise Unreadable(f"the monitoring names more than {REFERENCES_MAX} verifications", event_type=header)
    word, overall = as_name(event.status) or as_name(event.alertStatus), overall_of(event.amlCheck)
    raised = word in RAISING or overall in RAISING
    cleared = (word or overall) in CLEARING
    says = Alert(monitoring=_monitoring_name(event.monitoringId), raised=raised) if raised or cleared else None
    telling = overall if raised and word not in RAISING else word or overall
    because = f"AML_MONITORING {telling or 'without a status'}"
    return News(event_type=header, references=references, says=says, because=because if says else f"{because} moves nothing")


def _monitoring_name(value: object) -> str:
    """Return what distinguishes one monitoring from another; "" if the vendor gives it no name."""
    if value is None:
        return ""
    return as_name(str(value)) or "sha256:" + hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()


def _document(header: str | None, event: IdenfyPayload) -> News:
    references, threshold = _scan_ref(event), as_name(event.expirationThreshold)
    if not references or threshold is None:
        raise Unreadable("the body names no scanRef or no expirationThreshold", event_type=header, reference=next(iter(references), None))
    says = DocumentNotice(expired=threshold == "DOCUMENT_EXPIRED")
    return News(event_type=header, references=references, says=says, because=threshold, external_user_id=as_name(event.clientId))


def _scan_ref(event: IdenfyPayload) -> tuple[str, ...]:
    reference = as_name(event.scanRef)
    return (reference,) if reference else ()
