"""iDenfy's errors: `{message, identifier, documentation, severity}`; those about credentials and money have no identifier."""

from __future__ import annotations

from typing import Any

from receiver.simulator.played.exchange import Refusal, Reply

#: Which identifier it has for a verification that it does not know, the vendor does not publish.
IDENTIFIERS = {
    400: "BAD_VALUE",
    404: "BAD_VALUE",
    409: "VALIDATION_ERROR",
    413: "BAD_VALUE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
}

WITHOUT_IDENTIFIER = {401: "Invalid authorization credentials", 402: "Insufficient funds or limit exceeded"}


def error(status: int) -> dict[str, Any]:
    if status in WITHOUT_IDENTIFIER:
        return {"message": WITHOUT_IDENTIFIER[status]}
    return described(IDENTIFIERS[status], "The request was not answered.")


def described(identifier: str, message: str) -> dict[str, Any]:
    return {"message": message, "identifier": identifier, "documentation": "", "severity": "NOT_SEVERE"}


def refused(identifier: str, message: str, *, status: int = 400) -> Refusal:
    return Refusal(Reply(status=status, content=described(identifier, message)))
