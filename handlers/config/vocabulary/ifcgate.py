"""IFCGATE documents no list of words. The owner configures what a further word means."""

from __future__ import annotations

from store.text.states import Status

#: What an IFCGATE word can be configured to mean; the other statuses are no vendor's verdict or progress.
WORD_STATUSES = (
    Status.CREATED, Status.IN_REVIEW, Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.NEEDS_REVIEW, Status.APPROVED,
    Status.RESUBMISSION_REQUESTED, Status.REJECTED, Status.SESSION_EXPIRED, Status.CANCELLED,
)  # fmt: skip


def word_and_status(entry: str) -> tuple[str, Status]:
    """Return the word and the status of an entry `word:status`. Raises ValueError."""
    word, separator, status = entry.partition(":")
    if not separator or not word:
        raise ValueError("is not word:status")
    if status.strip() not in WORD_STATUSES:
        raise ValueError(f"must name one of {', '.join(WORD_STATUSES)}")
    return word.strip(), Status(status.strip())
