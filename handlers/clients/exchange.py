"""One exchange with a vendor: a request with the credentials of that moment, and its reply, in words without credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from handlers.clients import vendor_errors
from handlers.clients.http_client import HttpResponse, Line
from handlers.clients.request_body import NOTHING, Body
from handlers.clients.retry_after import retry_after
from handlers.clients.vendor_errors import Complaint
from store.system import clock

#: The longest rest of which a vendor's word is taken.
REST_MAX = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request to a vendor."""

    method: str
    #: With its query, percent-encoded; it follows the API's address.
    path: str
    body: Body = field(default=NOTHING, repr=False)
    content_type: str = "application/json"
    #: Headers beside the credentials.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What the request says of a person: masked if the vendor repeats it.
    personal: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What differs between vendors in how they are asked."""

    #: The headers with which a request to a URL says who asks. They are made for each attempt.
    credentials: Callable[[Question, str], Mapping[str, str]]
    #: What must not be in a message beside those headers.
    secrets: tuple[str, ...]
    #: An envelope's error; None if it is no error.
    complaint: Callable[[Mapping[str, Any]], Complaint | None]


@dataclass(frozen=True, kw_only=True)
class VendorReply:
    """What a vendor replied, whatever that is."""

    response: HttpResponse
    #: The JSON object of its body; None if the body is none.
    content: Mapping[str, Any] | None = field(repr=False)
    #: The vendor's own word for an error; None if it reports none.
    complaint: Complaint | None = field(repr=False)
    #: The status and the vendor's own words, bounded, without credentials and without what was sent of a person.
    says: str
    #: How long the vendor asks to wait; zero if it does not.
    rest: timedelta

    @property
    def status(self) -> int:
        return self.response.status


class Exchange:
    """Sends requests to the API of one vendor."""

    def __init__(self, url: str, dialect: Dialect) -> None:
        self._url, self._dialect = url, dialect

    def once(self, line: Line, question: Question) -> VendorReply:
        """Send a request once; return the reply, whatever its status. Raises Unreachable."""
        url = self._url + question.path
        credentials = self._dialect.credentials(question, url)
        always = {"Accept": "application/json", "Content-Type": question.content_type, "User-Agent": "Standing"}
        response = line.ask(question.method, url, headers=always | dict(question.headers) | dict(credentials), body=question.body)
        content = vendor_errors.parsed(response.body)
        complaint = self._dialect.complaint(content) if content is not None else None
        return VendorReply(
            response=response,
            content=content,
            complaint=complaint,
            says=self._said(response.status, complaint, credentials, question.personal),
            rest=retry_after(response.headers.get("retry-after", ""), now=clock.now(), most=REST_MAX),
        )

    def _said(self, status: int, complaint: Complaint | None, credentials: Mapping[str, str], personal: tuple[str, ...]) -> str:
        """Return the status and the vendor's own words. Words outside the vendor's envelope are not repeated."""
        if complaint is None:
            words = "a redirect, which is not followed" if 300 <= status < 400 else "without the vendor's word for it"
        else:
            secrets = (*credentials.values(), *self._dialect.secrets)
            words = vendor_errors.without(complaint.says, secrets, personal=personal)
        return f"HTTP {status}, {words}"
