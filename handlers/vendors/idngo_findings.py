"""The proof of an IDnGO approval: the documented shapes of every part that reports its verdict and its labels."""

from __future__ import annotations

from handlers.config import Settings
from handlers.config.vocabulary.idngo import LABELS
from handlers.config.vocabulary.words import Words
from handlers.vendors.strict_schema import Check, a_list, a_word, an_object, anything, says_something

#: What reports the verdict and its labels, as the platform documents it; comments and `buttonIds` may have any shape.
_RESULT = an_object({"reviewAnswer": anything, "reviewRejectType": anything, "rejectLabels": a_list(a_word)})
_REVIEW: dict[str, Check] = {"reviewStatus": anything, "reviewResult": _RESULT}
_LABELS = ("reviewAnswer", "reviewRejectType", "rejectLabels")

#: An event.
BODY = an_object(_REVIEW, once=("type", "applicantId", "externalUserId", "levelName", "createdAtMs", "createdAt"), elsewhere=_LABELS)

#: What the read API answers.
ANSWER = an_object(
    {"review": an_object(_REVIEW, once=("levelName", "createDate", "reviewDate"), elsewhere=_LABELS)},
    once=("id", "externalUserId"),
    elsewhere=_LABELS,
)


def words_of(settings: Settings) -> Words:
    """Return the documented labels, and the owner's."""
    return LABELS | settings.idngo_words if settings.idngo_words else LABELS


def contradiction(answer: object, reject_type: object) -> tuple[str, ...]:
    """Return the doubt about a reject type beside GREEN, which belongs to RED alone."""
    return ("GREEN with a reviewRejectType",) if answer == "GREEN" and says_something(reject_type) else ()
