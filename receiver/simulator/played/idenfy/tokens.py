"""iDenfy's tokens, played: each call buys one, because the vendor has no idempotency."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from receiver.simulator.played.exchange import Refusal, Reply, Request
from receiver.simulator.played.idenfy.errors import described, refused
from receiver.simulator.played.records import Played

DOCUMENTS = ("PASSPORT", "ID_CARD", "DRIVER_LICENSE", "RESIDENCE_PERMIT")

DEFAULTS = {
    "tokenType": "IDENTIFICATION",
    "expiryTime": 3600,
    "sessionLength": 600,
    "locale": "en",
    "showInstructions": True,
    "country": None,
    "documents": list(DOCUMENTS),
}

#: The additional steps that are an image.
FURTHER = ("UTILITY_BILL", "SECOND_UTILITY_BILL")

#: What a text must look like, as documented.
TEXTS = {
    "clientId": "[ -~]{1,100}",
    "firstName": r"[^~!@#$%^*()_+={}\[\]|:;\",/?0-9]{1,100}",
    "lastName": r"[^~!@#$%^*()_+={}\[\]|:;\",/?0-9]{1,100}",
    "dateOfBirth": r"\d{4}-\d{2}-\d{2}",
    "dateOfExpiry": r"\d{4}-\d{2}-\d{2}",
    "dateOfIssue": r"\d{4}-\d{2}-\d{2}",
    "sex": "[MF]",
    "nationality": "[A-Z]{2}|ALL",
    "address": "(?s:.{0,255})",
    "externalRef": "(?s:.{0,40})",
    "successUrl": ".{5,2048}",
    "errorUrl": ".{5,2048}",
    "unverifiedUrl": ".{5,2048}",
    "tokenType": "IDENTIFICATION|DOCUMENT",
    "dummyStatus": "APPROVED|DENIED|SUSPECTED|EXPIRED|ACTIVE",
}

NUMBERS = {"expiryTime": range(1, 2**31), "sessionLength": range(60, 3601)}


@dataclass
class Token:
    """A token, and what its one direct processing must bring."""

    reference: str
    needs_face: bool
    #: Further images, such as UTILITY_BILL.
    further: tuple[str, ...]
    has_questionnaire: bool
    is_burnt: bool = False


def make(request: Request, played: Played, tokens: dict[str, Token]) -> dict[str, Any]:
    """Make a token, which costs a credit whoever has one already."""
    asked = request.json()
    if asked is None:
        raise refused("JSON_ERROR", "The body is no JSON object")
    if request.fault == "token_limit":
        raise refused("PERMISSIONS_ERROR", "Partner reached token limit.")
    asked = {"clientId": asked.get("personScanRef")} | asked
    _check(asked, played)
    user = asked["clientId"]
    if played.one_session and any(standing.user == user and standing.status == "ACTIVE" for standing in played.table.values()):
        raise Refusal(Reply(status=409, content=described("VALIDATION_ERROR", "Client ID already exists")))
    reference, auth_token = str(uuid.uuid4()), secrets.token_hex(13).upper()
    played.create(reference, user=user, status="ACTIVE", level=asked.get("tokenType", "IDENTIFICATION"))
    if "dummyStatus" in asked:
        played.verdicts.of_references[reference] = asked["dummyStatus"]
    tokens[auth_token] = Token(
        reference=reference,
        needs_face=asked.get("tokenType") != "DOCUMENT",
        further=tuple(step for step in FURTHER if _names(asked.get("additionalSteps"), step)),
        has_questionnaire=bool(asked.get("questionnaire")),
    )
    capitals = {name: asked[name].upper() for name in ("firstName", "lastName") if name in asked}
    digits = {"digitString": f"{secrets.randbelow(10**8):08}"} if asked.get("generateDigitString") else {}
    redirect = f"http://{request.headers.get('host', '')}/idenfy/api/v2/redirect?authToken={auth_token}"
    named = {"message": "Token created successfully", "authToken": auth_token, "scanRef": reference, "redirectUrl": redirect}
    return DEFAULTS | asked | capitals | digits | named


def _names(steps: object, step: str) -> bool:
    """Return whether additional steps name one: `{country: {document type: {step: …}}}`, or the steps alone."""
    return isinstance(steps, dict) and (step in steps or any(_names(inside, step) for inside in steps.values()))


def _check(asked: dict[str, Any], played: Played) -> None:
    if not asked["clientId"]:
        raise refused("MISSING_VALUE", "The field clientId is required")
    for name, shape in TEXTS.items():
        if name in asked and not (isinstance(asked[name], str) and re.fullmatch(shape, asked[name])):
            raise refused("BAD_VALUE", f"The value of {name} is invalid")
    for name, numbers in NUMBERS.items():
        if name in asked and asked[name] not in numbers:
            raise refused("BAD_VALUE", f"The value of {name} is invalid")
    countries = asked.get("country") or []
    for country in countries if isinstance(countries, list) else [countries]:
        if not isinstance(country, str) or not re.fullmatch("[A-Za-z]{2}", country):
            raise refused("BAD_VALUE", "The value of country is invalid")
    if not set(asked.get("documents") or ()) <= {*DOCUMENTS, "OTHER"}:
        raise refused("BAD_VALUE", "The value of documents is invalid")
    if "dummyStatus" in asked and not played.development:
        raise refused("PERMISSIONS_ERROR", "dummyStatus is allowed in the DEV environment only")
