"""IDnGO's read API: an applicant by the vendor's id, or by yours.

https://developers.idngo.kz/api-reference/api-integration and https://developers.idngo.kz/integration-preparation/: each request is signed
with the lower-case hex HMAC-SHA256 of the time, the method, the path with its query, and the body. 300 reads in five seconds are allowed
on its platform (https://docs.sumsub.com/reference/rate-limits).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from handlers.clients.exchange import Dialect, Question
from handlers.clients.pacing import Pacing
from handlers.clients.request_body import NOTHING, Body
from handlers.clients.vendor import Asker, VendorAnswer, about, answer, segment, understood
from handlers.clients.vendor_errors import Complaint, worded
from handlers.config import IdngoApi
from store.system import clock

#: A third of what is allowed: others ask with the same token.
REQUESTS_PER_MINUTE = 1200


class _Applicant(Struct):
    reference: str = field(name="id")
    externalUserId: Any = None


class Idngo:
    """Asks IDnGO."""

    vendor = "idngo"
    may_be_polled = True

    def __init__(self, api: IdngoApi, *, patience: Pacing, private_hosts: frozenset[str]) -> None:
        self._asker = Asker(api.url, dialect(api), per_minute=REQUESTS_PER_MINUTE, patience=patience, private_hosts=private_hosts)

    def read(self, reference: str) -> VendorAnswer | None:
        return answer(self._of(reference, "one"), _Applicant, asked=reference)

    def documents(self, reference: str) -> bytes | None:
        """Return the outcome of each document; None if the vendor knows no such applicant. Raises Unanswered."""
        return self._of(reference, "requiredIdDocsStatus")

    def listing(self) -> None:
        """Return None: the vendor has no list."""

    def read_by_user(self, external_user_id: str) -> VendorAnswer | None:
        """Return what the vendor says of the applicant with your id; None if it knows none. Raises Unanswered."""
        path = f"/resources/applicants/-;externalUserId={segment(external_user_id)}/one"
        body = self._asker.ask(Question(method="GET", path=path))
        if body is None:
            return None
        found = understood(body, _Applicant)
        about(found.externalUserId, external_user_id)
        return VendorAnswer(reference=found.reference, body=body)

    def _of(self, reference: str, what: str) -> bytes | None:
        return self._asker.ask(Question(method="GET", path=f"/resources/applicants/{segment(reference)}/{what}"))


def dialect(api: IdngoApi) -> Dialect:
    """Return how IDnGO is asked."""
    return Dialect(
        credentials=lambda question, url: credentials(api, method=question.method, url=url, body=question.body, now=clock.now()),
        secrets=(api.token, api.secret.decode("utf-8", "replace")),
        complaint=_complaint,
    )


def signature(secret: bytes, *, timestamp: str, method: str, path: str, body: Body = NOTHING) -> str:
    """Return the signature of a request: its path includes its query, and its body is signed as it is sent."""
    signed = hmac.new(secret, f"{timestamp}{method}{path}".encode(), "sha256")
    for piece in body.pieces():
        signed.update(piece)
    return signed.hexdigest()


def credentials(api: IdngoApi, *, method: str, url: str, now: datetime, body: Body = NOTHING) -> dict[str, str]:
    """Return the headers that authenticate a request. They are valid for a minute."""
    timestamp, parts = str(int(now.timestamp())), urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    signed = signature(api.secret, timestamp=timestamp, method=method, path=path, body=body)
    return {"X-App-Token": api.token, "X-App-Access-Ts": timestamp, "X-App-Access-Sig": signed}


def _complaint(content: Mapping[str, Any]) -> Complaint | None:
    """`{description, code, correlationId}`, with errorCode and errorName or without; `{"ok": 0}` is a failure, too."""
    if "id" in content:
        return None
    if content.get("ok") == 0:
        return Complaint(says="ok: 0")
    if "description" not in content:
        return None
    code, status, message = content.get("errorCode"), content.get("code"), content["description"]
    names = ("errorCode", "errorName", "description", "correlationId")
    return Complaint(
        says=worded(*(content.get(name, "") for name in names)),
        code=code if isinstance(code, int) else None,
        status=status if isinstance(status, int) else None,
        message=message if isinstance(message, str) else "",
    )
