"""iDenfy, played: tokens, direct processing, reads and deletion, as on https://documentation.idenfy.com.

Tokens: /kyc/generate-token. Errors: /kyc/id-error-messages. Deletion: /kyc/deletion.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from receiver.simulator.played.exchange import Reply, Request, same
from receiver.simulator.played.idenfy import processing, tokens
from receiver.simulator.played.idenfy.errors import error, refused
from receiver.simulator.played.idenfy.tokens import Token
from receiver.simulator.played.records import Played, Standing

DEFAULT_PAGE, PAGE_MAX = 10, 100


class Idenfy:
    #: The token says which images are needed.
    requires: tuple[str, ...] = ()
    #: No webhook has a time.
    resolution = timedelta(milliseconds=1)

    def __init__(self) -> None:
        #: The tokens, by `authToken`.
        self.tokens: dict[str, Token] = {}

    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        pair = f"{credentials['IDENFY_API_KEY']}:{credentials['IDENFY_API_SECRET']}"
        return same(request.headers.get("authorization", ""), f"Basic {base64.b64encode(pair.encode()).decode()}")

    def answer(self, request: Request, played: Played) -> Any:
        match request.method, request.parts:
            case "POST", ["api", "v2", "token"]:
                return tokens.make(request, played, self.tokens)
            case "POST", ["api", "v2", "process"]:
                return processing.process(request, played, self.tokens)
            case "POST", ["api", "v2", what]:
                return self._of(what, request, played)
            case "GET", ["kyc", "identifications", *_]:
                return _page(request, played)
        return None

    def error(self, status: int) -> dict[str, Any]:
        return error(status)

    def judge(self, played: Played, reference: str) -> None:
        """Deactivate the token of a verification that has a verdict."""
        if played.table[reference].status != "ACTIVE":
            for token in self.tokens.values():
                token.is_burnt = token.is_burnt or token.reference == reference

    def visit(self, reference: str, played: Played) -> str:
        """Play a person who goes through the pages. Returns the reference. Raises KeyError."""
        if played.table[reference].status != "ACTIVE":
            raise KeyError(reference)
        processing.begin_review(reference, played)
        self.judge(played, reference)
        return reference

    def _of(self, what: str, request: Request, played: Played) -> Any:
        """Answer a request about a verification."""
        reference = (request.json() or {}).get("scanRef")
        if not isinstance(reference, str) or reference not in played.table:
            return None
        standing = played.table[reference]
        named = {"scanRef": reference, "clientId": standing.user}
        match what:
            case "delete":
                return _delete(reference, played)
            case "status":
                return _status(standing) | named | standing.says
            case "data":
                return PERSON | named
            case "files":
                return FILES
        return None


def _page(request: Request, played: Played) -> dict[str, Any]:
    """Return a page of the verifications of one client."""
    query = request.query
    page, size = _number(query.get("page"), 1), min(_number(query.get("perPage"), DEFAULT_PAGE), PAGE_MAX)
    known = [(name, standing) for name, standing in played.table.items() if standing.user == query.get("clientId")]
    here = known[(page - 1) * size : page * size]
    results = [{"scanRef": name, "status": standing.status, "suspected": standing.status == "SUSPECTED"} for name, standing in here]

    def address(number: int) -> str:
        numbered = {"clientId": query.get("clientId", ""), "page": number, "perPage": size}
        return f"http://{request.headers.get('host', '')}/idenfy/kyc/identifications/?{urlencode(numbered)}"

    following = address(page + 1) if page * size < len(known) else None
    return {"count": len(known), "next": following, "previous": address(page - 1) if page > 1 else None, "results": results}


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and int(text) else default


def _delete(reference: str, played: Played) -> Reply:
    """Delete a verification. What the vendor answers about one that is deleted, it does not publish: here it is an error."""
    standing = played.table[reference]
    if standing.token_lives:
        raise refused("PARTNER_ERROR", "Token has not expired yet.")
    if standing.status == "DELETED":
        raise refused("BAD_VALUE", "The request was not answered.")
    played.move(reference, "DELETED", says={})
    return Reply(status=200, content=b"")


def _status(standing: Standing) -> dict[str, Any]:
    decided = standing.status in ("APPROVED", "DENIED", "SUSPECTED")
    document, face = ("DOC_VALIDATED", "FACE_MATCH") if decided else ("", "")
    checks = {"autoDocument": document, "autoFace": face, "manualDocument": document, "manualFace": face}
    return {"fraudTags": list(standing.labels), "mismatchTags": [], **checks, "status": standing.status}


#: A made-up person, and where the files would be.
PERSON: dict[str, Any] = {
    "docFirstName": "EXAMPLE", "docLastName": "PERSON", "docNumber": "X0000000", "docPersonalCode": None, "docExpiry": "2034-03-09",
    "docDob": "1990-01-01", "docType": "PASSPORT", "docNationality": "NL", "docIssuingCountry": "NL", "address": None,
    "fullName": "EXAMPLE PERSON", "manuallyDataChanged": False, "additionalData": {},
}  # fmt: skip
FILES: dict[str, Any] = {
    "fileUrls": {"FACE": "https://files.example.com/face.jpg", "FRONT": "https://files.example.com/front.jpg"},
    "videoUrls": {},
    "additionalStepPdfUrls": {},
}
