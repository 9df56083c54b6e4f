"""IDnGO, played: applicants, uploads, checks and links, in the shapes of the platform that it runs on.

Sumsub's documentation: create-applicants, add-verification-documents, request-applicant-check, error-codes-description.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from receiver.simulator.played.exchange import Request, same
from receiver.simulator.played.idngo import applicants, documents
from receiver.simulator.played.idngo.errors import ERRORS, SIGNATURE_MISMATCH, error, refused
from receiver.simulator.played.records import Played
from store.system import clock

#: IDnGO takes a request's time for so long, before and after.
CLOCK_MAX = timedelta(minutes=1)

#: No check can be requested in these statuses.
UNDER_WAY = ("pending", "queued", "prechecked")


class Idngo:
    #: The steps of a level, unless the play says otherwise.
    requires: tuple[str, ...] = ("IDENTITY", "SELFIE")
    resolution = timedelta(milliseconds=1)

    def __init__(self) -> None:
        #: The level for which a link or an access token was issued, by your id of the person.
        self.invited: dict[str, str] = {}

    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        timestamp = request.headers.get("x-app-access-ts", "")
        whole = signer(request, credentials, body=request.body)
        expected = request.upload.signature if request.upload else whole.hexdigest()
        known = same(request.headers.get("x-app-token", ""), credentials["IDNGO_APP_TOKEN"])
        return known and same(request.headers.get("x-app-access-sig", ""), expected) and _is_near(timestamp)

    def answer(self, request: Request, played: Played) -> Any:
        match request.method, request.parts:
            case "POST", ["resources", "applicants"]:
                return applicants.create(request, played)
            case "GET", ["resources", "applicants", "-", "byExternalUserId", user]:
                return applicants.existence(user, played)
            case _, ["resources", "applicants", who, *what]:
                user = who.removeprefix("-;externalUserId=")
                reference = who if user == who else played.of_user(user)
                return self._of(reference, what, request, played) if reference in played.table else None
            case "POST", ["resources", "accessTokens", *_]:
                return self._access_token(request)
            case "POST", ["resources", "sdkIntegrations", "levels", level, "websdkLink"]:
                return self._link(level, request)
        return None

    def error(self, status: int) -> dict[str, Any]:
        return error(status, ERRORS.get(status, "The request was not answered")) | (SIGNATURE_MISMATCH if status == 401 else {})

    def judge(self, played: Played, reference: str) -> None:
        documents.judge(played, reference)

    def _of(self, reference: str, what: list[str], request: Request, played: Played) -> Any:
        """Answer a request about an applicant."""
        match request.method, what:
            case "GET", ["one"]:
                return applicants.one(reference, played)
            case "GET", ["status"]:
                return applicants.review(played.table[reference])
            case "GET", ["requiredIdDocsStatus"]:
                return documents.states(reference, played)
            case "POST", ["info", "idDoc"]:
                return documents.add(reference, request, played)
            case "PATCH", ["fixedInfo"]:
                return applicants.change_fixed_info(reference, request, played)
            case "POST", ["status", "pending"]:
                return _request_check(reference, played)
        return None

    def _access_token(self, request: Request) -> dict[str, Any]:
        """Answer the call with a JSON body, and the older one with a query."""
        asked = request.json() or request.query
        user, level = asked.get("userId"), asked.get("levelName")
        if not user or not level:
            raise refused(400, "userId and levelName are required")
        self.invited[user] = level
        return {"token": f"_act-sbx-{secrets.token_hex(16)}", "userId": user}

    def _link(self, level: str, request: Request) -> dict[str, Any]:
        user = request.query.get("externalUserId")
        if not user:
            raise refused(400, "externalUserId is required")
        self.invited[user] = level
        return {"url": f"http://{request.headers.get('host', '')}/idngo/websdk/p/sbx_{secrets.token_hex(8)}"}

    def visit(self, who: str, played: Played) -> str:
        """Play a person who goes through the pages, by the vendor's id or yours. Returns the reference. Raises KeyError."""
        reference = who if who in played.table else played.of_user(who)
        if reference is None:
            reference = secrets.token_hex(12)
            played.create(reference, user=who, status="init", level=self.invited[who])
        documents.fill(reference, played)
        _request_check(reference, played)
        return reference


def signer(request: Request, credentials: Mapping[str, str], *, body: bytes = b"") -> hmac.HMAC:
    """Return the HMAC of the time, the method, the path with its query, and the body."""
    timestamp = request.headers.get("x-app-access-ts", "")
    signed = f"{timestamp}{request.method}{request.path}".encode() + body
    return hmac.new(credentials["IDNGO_APP_SECRET"].encode(), signed, "sha256")


def _request_check(reference: str, played: Played) -> dict[str, Any]:
    """Move an applicant to pending. Refused while a check is under way, after a final rejection, and while a step is incomplete."""
    standing = played.table[reference]
    if standing.says.get("deleted"):
        raise refused(409, "Applicant is marked as deleted", code=1008)
    if standing.status in UNDER_WAY or standing.status == "RED:FINAL":
        raise refused(409, f"The check cannot be requested: the review status is {standing.status}")
    if missing := documents.incomplete(reference, played):
        steps = f"Make sure to complete [{', '.join(missing)}] verification steps beforehand."
        raise refused(409, f"Not all required documents or data are submitted. {steps}")
    played.move(reference, "pending")
    played.submit(reference)
    return {"ok": 1}


def _is_near(timestamp: str) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit():
        return False
    return abs(clock.now().timestamp() - int(timestamp[:12])) <= CLOCK_MAX.total_seconds()
