"""iDenfy's direct processing, played: success is 200 and empty, and every call burns its token."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from receiver.simulator.played.exchange import Reply, Request
from receiver.simulator.played.idenfy.errors import described, refused
from receiver.simulator.played.idenfy.tokens import DOCUMENTS, Token
from receiver.simulator.played.images import Sight, look
from receiver.simulator.played.records import Played

#: The whole request may have so many bytes.
BODY_BYTES_MAX = 20 * 1024 * 1024

WITH_BACK = ("ID_CARD", "DRIVER_LICENSE", "RESIDENCE_PERMIT")
SIDES = ("FRONT", "BACK", "FACE", "UTILITY_BILL", "SECOND_UTILITY_BILL")

UNSEEN = "Document was not found in the photo"


def process(request: Request, played: Played, tokens: dict[str, Token]) -> Reply:
    """Take the images of a token. The token cannot be used again, even if the call is refused: the vendor does not say so."""
    asked = request.json()
    if asked is None:
        raise refused("JSON_ERROR", "The body is no JSON object")
    text = asked.get(played.token_field)
    if not text:
        raise refused("MISSING_VALUE", f"The field {played.token_field} is required")
    token = tokens.get(text) if isinstance(text, str) else None
    if token is None or token.is_burnt:
        raise refused("TOKEN_NOT_VALID", "The token is not valid")
    token.is_burnt = True
    document, country = asked.get("documentType"), asked.get("country")
    _check(token, document, country)
    sights = _sights(token, document, asked.get("images"))
    if request.fault == "unseen" and asked.get("skipAnalysis") is not True:
        return Reply(status=200, content=described("VALIDATION_ERROR", UNSEEN))
    for side, sight in sights.items():
        seen = {"content_type": sight.content_type, "size": sight.size, "sha256": sight.sha256}
        played.add_image(reference=token.reference, type=document or "DETECTED", side=side, country=country, **seen)
    begin_review(token.reference, played)
    return Reply(status=200, content=b"")


def begin_review(reference: str, played: Played) -> None:
    """Start the asynchronous work: the token is not valid any more, and the result comes by webhook."""
    played.move(reference, "REVIEWING", token_lives=False)
    played.submit(reference)


def _check(token: Token, document: object, country: object) -> None:
    if token.has_questionnaire:
        raise refused("VALIDATION_ERROR", "The token has a questionnaire")
    if not isinstance(country, str) or not re.fullmatch("[A-Za-z]{2}", country):
        raise refused("BAD_VALUE", "The value of country is invalid")
    if document is not None and document not in DOCUMENTS:
        raise refused("BAD_VALUE", "The value of documentType is invalid")


def _sights(token: Token, document: object, images: Any) -> dict[str, Sight]:
    """Return what is seen of each image, if all are there that must be."""
    given = images if isinstance(images, dict) else {}
    wanted = ["FRONT", *(["BACK"] if document in WITH_BACK else []), *(["FACE"] if token.needs_face else []), *token.further]
    for side in wanted:
        if not given.get(side):
            raise refused("MISSING_VALUE", f"No image provided for step '{side}'")
    return {side: _sight(side, given[side]) for side in given if side in SIDES}


def _sight(side: str, text: object) -> Sight:
    try:
        sight = look(base64.b64decode(text.encode() if isinstance(text, str) else b"!", validate=True))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise refused("ENCODING_ERROR", f"The image of step '{side}' is not base64") from error
    if sight.content_type is None or sight.is_encrypted_pdf:
        raise refused("BAD_VALUE", f"The image of step '{side}' has no supported format")
    return sight
