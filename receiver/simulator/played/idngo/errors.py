"""IDnGO's errors: `{description, code, correlationId}`, with errorCode and errorName where the platform documents them."""

from __future__ import annotations

from typing import Any

from receiver.simulator.played.exchange import Refusal, Reply

ERRORS = {
    401: "Request signature mismatch",
    404: "Applicant not found",
    409: "The applicant is being processed. Please try again later.",
    413: "The request is too large",
    429: "Too many requests",
}

SIGNATURE_MISMATCH = {"errorCode": 4003, "errorName": "app-token-signature mismatch"}

#: The errors of uploads: the HTTP status and the name of each code.
UPLOADS = {
    1000: (409, "duplicate-document"),
    1001: (400, "too-many-documents"),
    1002: (400, "file-too-big"),
    1003: (400, "empty-file"),
    1004: (400, "corrupted-file"),
    1005: (400, "unsupported-file-format"),
    1006: (409, "no-upload-verification-in-progress"),
    1007: (409, "incorrect-file-size"),
    1008: (409, "applicant-marked-as-deleted"),
    1009: (409, "applicant-with-final-reject"),
    1010: (409, "doc-type-not-in-req-docs"),
    1011: (400, "encrypted-file"),
}


def error(status: int, description: str) -> dict[str, Any]:
    return {"description": description, "code": status, "correlationId": "played"}


def refused(status: int, description: str, *, code: int | None = None) -> Refusal:
    named = {"errorCode": code, "errorName": UPLOADS[code][1]} if code else {}
    return Refusal(Reply(status=status, content=error(status, description) | named))


def upload_refused(code: int) -> Refusal:
    """Return the refusal of an upload by its error code."""
    status, name = UPLOADS[code]
    return refused(status, f"The upload is refused: {name.replace('-', ' ')}", code=code)
