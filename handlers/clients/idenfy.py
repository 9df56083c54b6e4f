"""iDenfy's API: a verification's status and, on demand, its data and its files, and its deletion.

https://documentation.idenfy.com: HTTP Basic, and POST although nothing changes. Regular polling is not supported and may end in
restricted access, so the pace is slow. An error names its cause in `identifier`, with the HTTP status 400 or another, even 200.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from handlers.clients import retry_after
from handlers.clients.exchange import Dialect, Question
from handlers.clients.pacing import Pacing
from handlers.clients.request_body import as_json
from handlers.clients.vendor import (
    Asker,
    CredentialsRefused,
    Unanswered,
    VendorAnswer,
    about,
    answer,
    segment,
    understood,
)
from handlers.clients.vendor_errors import Complaint, worded
from handlers.config import IdenfyApi

#: https://documentation.idenfy.com/resources/error-messages. None of them says that there is no such verification.
NOT_NOW = ("INTERNAL_ERROR", "TOO_MANY_REQUESTS")
GONE = ("DELETED", "EXPIRED-DELETED")
CREDENTIALS_REFUSED = ("UNAUTHORIZED", "PERMISSIONS_ERROR")


class _Verification(Struct):
    reference: str = field(name="scanRef")


class _Status(_Verification):
    status: str


class Idenfy:
    """Asks iDenfy."""

    vendor = "idenfy"
    may_be_polled = False

    def __init__(self, api: IdenfyApi, *, patience: Pacing, private_hosts: frozenset[str]) -> None:
        self._asker = Asker(api.url, dialect(api), per_minute=api.reads_per_minute, patience=patience, private_hosts=private_hosts)

    def read(self, reference: str) -> VendorAnswer | None:
        return answer(self._ask("status", reference), _Verification, asked=reference)

    def listing(self) -> None:
        """Return None: the vendor lists only the verifications of one customer."""

    def data(self, reference: str) -> bytes:
        """Return the person's data, to be shown and not kept. Raises Unanswered, even if there is no such verification."""
        body = self._there(self._ask("data", reference))
        about(understood(body, _Verification).reference, reference)
        return body

    def files(self, reference: str) -> bytes:
        """Return the addresses of the files, which are valid for a while, to be shown and not kept. Raises Unanswered, as `data` does."""
        body = self._there(self._ask("files", reference))
        understood(body, dict[str, Any])
        return body

    def delete(self, reference: str) -> None:
        """Have a verification deleted. One that is deleted, or that iDenfy does not know, is left as it is.

        Raises Unanswered: it is not deleted, because its token is still valid or for another reason, or the result is unknown."""
        refused = self._refusal_to_delete(reference)
        if refused is not None and not self._is_gone(reference):
            raise refused

    def _refusal_to_delete(self, reference: str) -> Unanswered | None:
        """Ask for a deletion; return why it was refused, if it was. Raises Unanswered if asking anything else is no use now."""
        try:
            answered = self._ask("delete", reference)
        except CredentialsRefused:
            raise
        except Unanswered as error:
            if error.status is None or error.status in retry_after.NOT_NOW:
                raise
            return error
        # Done is 200 without a body, and nothing else.
        return None if answered == b"" else Unanswered("it is not deleted", status=200 if answered else 404)

    def _is_gone(self, reference: str) -> bool:
        """Return whether a verification is deleted, or unknown. Raises Unanswered."""
        body = self._ask("status", reference)
        if body is None:
            return True
        found = understood(body, _Status)
        about(found.reference, reference)
        return found.status in GONE

    def _ask(self, what: str, reference: str) -> bytes | None:
        segment(reference)
        return self._asker.ask(Question(method="POST", path=f"/api/v2/{what}", body=as_json({"scanRef": reference})))

    def _there(self, body: bytes | None) -> bytes:
        if body is None:
            raise Unanswered("there is no such verification", status=404)
        return body


def dialect(api: IdenfyApi) -> Dialect:
    """Return how iDenfy is asked."""
    pair = base64.b64encode(f"{api.key}:{api.secret}".encode()).decode()
    authorization = {"Authorization": f"Basic {pair}"}
    return Dialect(credentials=lambda question, url: authorization, secrets=(api.key, api.secret, pair), complaint=_complaint)


def _complaint(content: Mapping[str, Any]) -> Complaint | None:
    """`{message, identifier, documentation, severity}`; about credentials and money, `message` alone."""
    identifier, message = content.get("identifier"), content.get("message")
    if (identifier is None and not isinstance(message, str)) or "scanRef" in content:
        return None
    return Complaint(
        says=worded("" if identifier is None else identifier, "" if message is None else message),
        not_now=identifier in NOT_NOW,
        credentials_refused=identifier in CREDENTIALS_REFUSED,
        identifier=identifier if isinstance(identifier, str) else None,
        message=message if isinstance(message, str) else "",
    )
