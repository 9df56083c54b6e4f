"""What IDnGO answers while a verification is begun: applicants, uploads, and the steps that still miss something."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field

from handlers.clients.retry_after import readable
from store.starts.wanted.document_types import IDNGO_WORDS
from store.starts.wanted.person import TWO_SIDED, DocumentType, Side

#: So many errors or warnings about one image are kept.
WORDS_MAX = 20

#: "Make sure to complete [QUESTIONNAIRE] verification steps beforehand."
_MISSING = re.compile(r"\[([\w, ]{1,500})\]")
_INCOMPLETE = re.compile(r"not all required", re.IGNORECASE)
_BUSY = re.compile(r"\b(try again|retry)\b", re.IGNORECASE)

#: A check that was asked for already.
ASKED_FOR = ("pending", "queued", "prechecked")

_OUR_WORDS = {theirs: ours for ours, theirs in IDNGO_WORDS.items()}


class _Result(Struct):
    reviewAnswer: str | None = None
    reviewRejectType: str | None = None


class _Review(Struct):
    levelName: str | None = None
    reviewStatus: str | None = None
    reviewResult: _Result | None = None


class Applicant(Struct):
    """An applicant, as its look-up and its creation describe it."""

    reference: str = field(name="id")
    user: str | None = field(name="externalUserId", default=None)
    review: _Review | None = None
    deleted: Any = None

    def objection(self, level: str) -> str | None:
        """Return why this applicant cannot be begun with at a level; None if it can."""
        review = self.review or _Review()
        result = review.reviewResult or _Result()
        if self.deleted:
            return "the applicant exists and is deactivated"
        if result.reviewAnswer == "RED" and result.reviewRejectType == "FINAL":
            return "the applicant exists and is finally rejected"
        if review.levelName != level:
            return "the applicant exists on another level"
        return None


class State(Struct):
    """How far a check is."""

    reviewStatus: str


class Upload(Struct):
    """What is said of an image at once. Without the header that asks for it, nothing is."""

    errors: list[Any] | None = None
    warnings: list[Any] | None = None


class Link(Struct):
    url: str


class SendAgain(Struct, frozen=True, kw_only=True):
    """A document that the applicant is to send again."""

    #: The vendor's name of the step: IDENTITY, SELFIE, PROOF_OF_RESIDENCE…
    step: str
    #: The document that failed; None if the vendor's word is none of ours, or the step has no document.
    type: DocumentType | None
    country: str | None
    #: The images to send. One bad side makes both inactive, so that a document with two sides is sent whole.
    sides: tuple[Side | None, ...]
    #: What may be shown to the applicant.
    comment: str | None


def missing(sentence: str) -> tuple[str, ...]:
    """Return the steps that a refused check still waits for."""
    found = _MISSING.search(sentence)
    return tuple(step.strip() for step in found[1].split(",") if step.strip()) if found else ()


def is_incomplete(sentence: str) -> bool:
    """Return whether a sentence says that documents or data are missing."""
    return bool(_INCOMPLETE.search(sentence) or missing(sentence))


def is_busy(sentence: str) -> bool:
    """Return whether a sentence says that the same call may succeed in a moment."""
    return bool(_BUSY.search(sentence))


def words(told: list[Any] | None) -> tuple[str, ...]:
    """Return what is said of an image, bounded and readable."""
    return tuple(readable(_word(one)) for one in (told or [])[:WORDS_MAX])


def _word(one: Any) -> str:
    """Return a word, or that of an object that describes it."""
    if isinstance(one, dict):
        return ": ".join(str(one[name]) for name in ("code", "name", "message", "description") if name in one) or "not described"
    return str(one)


def to_send_again(problem: dict[str, Any]) -> SendAgain | None:
    """Return a document with problems as one to send again; None if it is rejected for good."""
    reasons = [problem, *problem["images"]]
    if any(reason["may_retry"] is False for reason in reasons):
        return None
    kind = _OUR_WORDS.get(problem["type"])
    comments = [reason["comment"] for reason in reasons if reason["comment"]]
    return SendAgain(
        step=problem["step"],
        type=kind,
        country=problem["country"],
        sides=(Side.FRONT, Side.BACK) if kind in TWO_SIDED else (None,),
        comment=comments[0] if comments else None,
    )
