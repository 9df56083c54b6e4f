"""IFCGATE's read API: one case, and the list of all.

https://www.ifcgate.com/documentation.html: a bearer token, 600 requests a minute, pages that name the cursor of the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, field

from handlers.clients.exchange import Dialect, Question
from handlers.clients.pacing import Pacing
from handlers.clients.vendor import Asker, Listed, Unanswered, VendorAnswer, answer, segment, understood
from handlers.clients.vendor_errors import Complaint, worded
from handlers.config import IfcgateApi

#: The vendor allows 600.
REQUESTS_PER_MINUTE = 540

#: Cases a page. The vendor publishes no limit; its example asks for 25.
PAGE = 100


class _Case(Struct):
    reference: str = field(name="case_id")


class _Entry(Struct):
    case_id: str
    status: Any = None


class _Page(Struct):
    data: list[_Entry]
    next_cursor: str | None = None
    #: Described, and not in the example.
    has_more: bool | None = None


class Ifcgate:
    """Asks IFCGATE."""

    vendor = "ifcgate"
    may_be_polled = True

    def __init__(self, api: IfcgateApi, *, patience: Pacing, private_hosts: frozenset[str]) -> None:
        self._asker = Asker(api.url, dialect(api), per_minute=REQUESTS_PER_MINUTE, patience=patience, private_hosts=private_hosts)

    def read(self, reference: str) -> VendorAnswer | None:
        body = self._asker.ask(Question(method="GET", path=f"/v1/cases/{segment(reference)}"))
        return answer(body, _Case, asked=reference)

    def listing(self) -> Iterator[Listed]:
        """Yield every case, page by page. Raises Unanswered, even in the middle: then the cases so far are not all."""
        seen = {""}
        cursor: str | None = ""
        while cursor is not None:
            page = self._page(cursor)
            yield from (Listed(reference=entry.case_id, status=_word(entry.status)) for entry in page.data)
            cursor = _next(page)
            if cursor in seen:
                raise Unanswered("the list of cases goes round", status=200)
            seen.add(cursor or "")

    def _page(self, cursor: str) -> _Page:
        query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
        body = self._asker.ask(Question(method="GET", path=f"/v1/cases?{urlencode(query)}"))
        if body is None:
            raise Unanswered("there is no list of cases", status=404)
        return understood(body, _Page)


def _next(page: _Page) -> str | None:
    """Return the cursor of the next page; None after the last."""
    if page.has_more is False:
        return None
    if page.has_more and not page.next_cursor:
        raise Unanswered("the list of cases has more, and does not say where", status=200)
    return page.next_cursor or None


def _word(status: Any) -> str | None:
    return status if isinstance(status, str) else None


def dialect(api: IfcgateApi) -> Dialect:
    """Return how IFCGATE is asked."""
    authorization = {"Authorization": f"Bearer {api.key}"}
    return Dialect(credentials=lambda question, url: authorization, secrets=(api.key,), complaint=_complaint)


def _complaint(content: Mapping[str, Any]) -> Complaint | None:
    """`{"error": {code, message, request_id, status}}`."""
    error = content.get("error")
    if not isinstance(error, dict) or "case_id" in content:
        return None
    code, status = error.get("code"), error.get("status")
    return Complaint(
        says=worded(error.get("code", ""), error.get("message", ""), error.get("request_id", "")),
        status=status if isinstance(status, int) else None,
        identifier=code if isinstance(code, str) else None,
    )
