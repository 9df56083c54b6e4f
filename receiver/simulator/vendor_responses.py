"""Answers of the three vendors' APIs: which credentials they accept, how an applicant looks, and how they word an error.

The shapes are those of https://www.ifcgate.com/documentation.html, of Sumsub's samples for IDnGO, and of
https://documentation.idenfy.com. Nothing in them is of a real person.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from store.system import clock

#: IDnGO takes a request's time for so long, before and after.
CLOCK_MAX = timedelta(minutes=1)

#: Cases a page: unless asked for, and at most.
PAGE, PAGE_MAX = 25, 100


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, its path byte for byte as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parts(self) -> list[str]:
        """The path without the vendor's name before it, its parts decoded."""
        return [unquote(part) for part in urlsplit(self.path).path.split("/")[2:]]

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An applicant's status at its vendor, in the vendor's words, and its earlier statuses."""

    #: IDnGO's is a verdict (GREEN, RED:FINAL, RED:RETRY) or a review's status.
    status: str
    at: datetime
    #: Your id of the person.
    user: str
    #: What an answer says beside or instead of its usual fields.
    says: dict[str, Any]
    #: iDenfy: whether the token of the verification is valid, so that it cannot be deleted.
    token_lives: bool = False
    earlier: tuple[tuple[str, datetime], ...] = ()

    @property
    def began_at(self) -> datetime:
        return self.earlier[0][1] if self.earlier else self.at


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)


class Vendor(Protocol):
    """A vendor that is played."""

    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        """Whether a request comes with the right credentials."""
        ...

    def answer(self, request: Request, table: MutableMapping[str, Standing]) -> Any:
        """What it says, or a whole reply; None if it knows no such applicant, or has no such path."""
        ...

    def error(self, status: int) -> dict[str, Any]:
        """How it words an error."""
        ...


#: What each HTTP status means, for whichever vendor words it.
ERRORS = {401: "unauthorized", 404: "not_found", 429: "too_many_requests", 500: "internal_error"}


class Ifcgate:
    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        return _same(request.headers.get("authorization", ""), f"Bearer {credentials['IFCGATE_API_KEY']}")

    def answer(self, request: Request, table: Mapping[str, Standing]) -> Any:
        if request.method != "GET" or request.parts[:2] != ["v1", "cases"]:
            return None
        if len(request.parts) == 2:
            return self._page(request.query, table)
        reference = "/".join(request.parts[2:])
        return self._case(reference, table[reference]) if reference in table else None

    def error(self, status: int) -> dict[str, Any]:
        told = {"code": ERRORS[status], "message": "The request was not answered.", "request_id": "req_played", "status": status}
        return {"error": told}

    def _case(self, reference: str, standing: Standing) -> dict[str, Any]:
        # The one word of a timeline that the vendor publishes is `submitted`; the others are the statuses.
        moments = [("submitted", standing.began_at), *standing.earlier[1:], (standing.status, standing.at)]
        timeline = [{"event": word, "at": clock.rfc3339(at)} for word, at in moments]
        return {"case_id": reference, "status": standing.status, "owner": "Compliance Team", "timeline": timeline} | standing.says

    def _page(self, query: Mapping[str, str], table: Mapping[str, Standing]) -> dict[str, Any]:
        wanted = query.get("status")
        known = sorted(name for name, standing in table.items() if wanted in (None, standing.status))
        after = query.get("cursor", "").removeprefix("cur_")
        left = [name for name in known if name > after]
        limit = query.get("limit", "")
        here = left[: min(int(limit), PAGE_MAX) if limit.isdecimal() else PAGE]
        more = len(left) > len(here)
        entries = [{"case_id": name, "workflow": "onboarding-default", "status": table[name].status} for name in here]
        return {"data": entries, "next_cursor": f"cur_{here[-1]}" if more else None, "has_more": more}


class Idngo:
    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        timestamp = request.headers.get("x-app-access-ts", "")
        signed = f"{timestamp}{request.method}{request.path}".encode() + request.body
        expected = hmac.digest(credentials["IDNGO_APP_SECRET"].encode(), signed, "sha256").hex()
        known = _same(request.headers.get("x-app-token", ""), credentials["IDNGO_APP_TOKEN"])
        return known and _same(request.headers.get("x-app-access-sig", ""), expected) and _is_near(timestamp)

    def answer(self, request: Request, table: Mapping[str, Standing]) -> Any:
        if request.method != "GET" or len(request.parts) != 4 or request.parts[:2] != ["resources", "applicants"]:
            return None
        _, _, who, what = request.parts
        user = who.removeprefix("-;externalUserId=")
        reference = who if user == who else next((name for name, standing in table.items() if standing.user == user), "")
        if reference not in table:
            return None
        return {"one": self._applicant(reference, table[reference]), "requiredIdDocsStatus": {}}.get(what)

    def error(self, status: int) -> dict[str, Any]:
        signature = {"errorCode": 4003, "errorName": "app-token-signature mismatch"} if status == 401 else {}
        said = {401: "Request signature mismatch", 404: "Applicant not found"}.get(status, "The request was not answered")
        return {"description": said, "code": status, "correlationId": "played"} | signature

    def _applicant(self, reference: str, standing: Standing) -> dict[str, Any]:
        answer, _, reject = standing.status.partition(":")
        decided = answer in ("GREEN", "RED")
        review: dict[str, Any] = {"reviewId": "played", "attemptCnt": len(standing.earlier), "levelName": "basic-kyc-level"}
        review |= {"createDate": _zoned(standing.began_at), "reviewStatus": "completed" if decided else standing.status}
        if decided:
            result = {"reviewAnswer": answer} | ({"rejectLabels": [], "reviewRejectType": reject} if reject else {})
            review |= {"reviewDate": _zoned(standing.at), "reviewResult": result}
        return {
            "id": reference,
            "createdAt": f"{standing.began_at:%Y-%m-%d %H:%M:%S}",
            "clientId": "played",
            "inspectionId": reference,
            "externalUserId": standing.user,
            "info": {},
            "review": review,
            "type": "individual",
        } | standing.says


class Idenfy:
    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        pair = f"{credentials['IDENFY_API_KEY']}:{credentials['IDENFY_API_SECRET']}"
        return _same(request.headers.get("authorization", ""), f"Basic {base64.b64encode(pair.encode()).decode()}")

    def answer(self, request: Request, table: MutableMapping[str, Standing]) -> Any:
        try:
            reference = msgspec.json.decode(request.body, type=dict[str, str]).get("scanRef", "")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        if request.method != "POST" or reference not in table or request.parts[:2] != ["api", "v2"]:
            return None
        if request.parts[2:] == ["delete"]:
            return self._deleted(reference, table)
        named = {"scanRef": reference, "clientId": table[reference].user}
        answers = {"status": self._status(table[reference]) | named | table[reference].says, "data": PERSON | named, "files": FILES}
        return answers.get("/".join(request.parts[2:]))

    def error(self, status: int) -> dict[str, Any]:
        # Which identifier it has for a verification that it does not know, the vendor does not publish.
        identifier = {400: "BAD_VALUE", 401: "UNAUTHORIZED", 404: "BAD_VALUE", 429: "TOO_MANY_REQUESTS", 500: "INTERNAL_ERROR"}[status]
        return {"message": "The request was not answered.", "identifier": identifier, "documentation": "", "severity": "NOT_SEVERE"}

    def _deleted(self, reference: str, table: MutableMapping[str, Standing]) -> Reply:
        """Delete a verification. What the vendor answers about one that is deleted, it does not publish: here it is an error."""
        standing = table[reference]
        if standing.token_lives:
            return Reply(status=400, content=self.error(400) | {"message": "Token has not expired yet.", "identifier": "PARTNER_ERROR"})
        if standing.status == "DELETED":
            return Reply(status=400, content=self.error(400))
        earlier = (*standing.earlier, (standing.status, standing.at))
        table[reference] = replace(standing, status="DELETED", at=clock.now(), says={}, earlier=earlier)
        return Reply(status=200, content=b"")

    def _status(self, standing: Standing) -> dict[str, Any]:
        decided = standing.status in ("APPROVED", "DENIED", "SUSPECTED")
        document, face = ("DOC_VALIDATED", "FACE_MATCH") if decided else ("", "")
        checks = {"autoDocument": document, "autoFace": face, "manualDocument": document, "manualFace": face}
        return {"fraudTags": [], "mismatchTags": [], **checks, "status": standing.status}


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

VENDORS: dict[str, Vendor] = {"ifcgate": Ifcgate(), "idngo": Idngo(), "idenfy": Idenfy()}


def _same(found: str, expected: str) -> bool:
    return hmac.compare_digest(found.encode("utf-8", "replace"), expected.encode())


def _is_near(timestamp: str) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit():
        return False
    return abs(clock.now().timestamp() - int(timestamp[:12])) <= CLOCK_MAX.total_seconds()


def _zoned(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}+0000"
