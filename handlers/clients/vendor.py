"""Asking a vendor: at its pace, with retries, and without credentials in any message."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from handlers.clients import http_client, vendor_errors
from handlers.clients.http_client import Line
from handlers.clients.pacing import Pace, Pacing
from handlers.clients.public_addresses import NotAllowed, Unreachable
from handlers.clients.retry_after import NOT_NOW, retry_after
from handlers.clients.vendor_errors import Complaint
from store.system import clock

T = TypeVar("T")
N = TypeVar("N", bound="Named")

#: As much as a delivery may have, unless configured otherwise.
ANSWER_BYTES_MAX = 5 * 1024 * 1024

#: The longest rest of which a vendor's word is taken.
REST_MAX = timedelta(days=30)


class VendorAnswer(Struct, frozen=True, kw_only=True):
    """A vendor's answer about one applicant."""

    #: The vendor's own id, as the answer names it.
    reference: str
    #: Byte for byte.
    body: bytes


class Listed(Struct, frozen=True, kw_only=True):
    """An applicant in a vendor's list."""

    reference: str
    #: The vendor's own word; None if the list gives none.
    status: str | None


class Named(Protocol):
    """An answer that names its applicant."""

    reference: str


class Client(Protocol):
    """A vendor's read API. It does not know the meaning of an answer."""

    @property
    def vendor(self) -> str: ...

    @property
    def may_be_polled(self) -> bool:
        """Whether the vendor allows questions about all applicants."""
        ...

    def listing(self) -> Iterator[Listed] | None:
        """Yield every applicant of the vendor's list; None if it has no list. Raises Unanswered, even in the middle."""
        ...

    def read(self, reference: str) -> VendorAnswer | None:
        """Return what the vendor says of an applicant; None if it knows no such applicant. Raises Unanswered."""
        ...


class Unanswered(Exception):
    """The vendor gave no answer that is understood. The message says what it answered, without credentials."""

    def __init__(self, says: str, *, status: int | None = None, again_at: datetime | None = None) -> None:
        super().__init__(says)
        #: The HTTP status, if there was one.
        self.status = status
        #: When the vendor asks to come back, if it does.
        self.again_at = again_at


class CredentialsRefused(Unanswered):
    """The vendor refuses the credentials: every further question would be refused, too."""


class _NotNow(Exception):
    """There was no answer, or the vendor cannot give it now."""

    def __init__(self, says: str, *, status: int | None = None, rest: timedelta = timedelta()) -> None:
        super().__init__(says)
        self.status, self.rest = status, rest


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request to a vendor."""

    method: str
    #: With its query, percent-encoded; it follows the API's address.
    path: str
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What differs between vendors in how they are asked."""

    #: The headers with which a request to a URL says who asks. They are made for each attempt.
    credentials: Callable[[str, str], Mapping[str, str]]
    #: What must not be in a message beside those headers.
    secrets: tuple[str, ...]
    #: An envelope's error; None if it is no error.
    complaint: Callable[[Mapping[str, Any]], Complaint | None]


class Asker:
    """Asks one vendor, one question at a time, for any thread."""

    def __init__(self, url: str, dialect: Dialect, *, per_minute: int, patience: Pacing, private_hosts: frozenset[str]) -> None:
        self._url, self._dialect, self._patience = url, dialect, patience
        self._line = Line(private_hosts=private_hosts, seconds_max=patience.answer_seconds_max, answer_bytes_max=ANSWER_BYTES_MAX)
        self._pace = Pace(per_minute=per_minute, watch=patience.watch)
        self._one_at_a_time = threading.Lock()

    def ask(self, question: Question) -> bytes | None:
        """Return the body of the vendor's answer; None if it knows no such thing. Raises Unanswered."""
        with self._one_at_a_time:
            attempt = 1
            while True:
                self._pace.wait()
                try:
                    return self._once(question)
                except _NotNow as trouble:
                    self._rest(trouble, attempt)
                attempt += 1

    def _rest(self, trouble: _NotNow, attempt: int) -> None:
        """Wait before the next attempt. Raises Unanswered after the last."""
        pause = self._patience.pause(attempt, asked_for=trouble.rest)
        if pause is None:
            again_at = clock.now() + trouble.rest if trouble.rest else None
            later = f", to be asked again at {clock.rfc3339(again_at)}" if again_at else ""
            raise Unanswered(f"{trouble} (attempt {attempt}{later})", status=trouble.status, again_at=again_at) from trouble
        self._patience.watch.sleep(pause.total_seconds())

    def _once(self, question: Question) -> bytes | None:
        url = self._url + question.path
        credentials = self._dialect.credentials(question.method, url)
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "Standing", **credentials}
        try:
            answer = self._line.ask(question.method, url, headers=headers, body=question.body)
        except NotAllowed as error:
            raise Unanswered(str(error)) from error
        except Unreachable as error:
            raise _NotNow(str(error)) from error
        return self._judged(answer, credentials)

    def _judged(self, answer: http_client.HttpResponse, credentials: Mapping[str, str]) -> bytes | None:
        content = vendor_errors.parsed(answer.body)
        complaint = self._dialect.complaint(content) if content is not None else None
        if answer.status == 200 and complaint is None:
            return _whole(answer)
        said = self._said(answer.status, complaint, credentials)
        if answer.status in (401, 403) or (complaint and complaint.credentials_refused):
            raise CredentialsRefused(f"the credentials are refused: {said}", status=answer.status)
        # A page of a proxy's, or of a server that is not the vendor's, does not say that there is no such applicant.
        if answer.status == 404 and (content is not None or not answer.body):
            return None
        rest = retry_after(answer.headers.get("retry-after", ""), now=clock.now(), most=REST_MAX)
        if answer.status in NOT_NOW or (complaint and complaint.not_now):
            raise _NotNow(said, status=answer.status, rest=rest)
        raise Unanswered(said, status=answer.status)

    def _said(self, status: int, complaint: Complaint | None, credentials: Mapping[str, str]) -> str:
        """Return the status and the vendor's own words. Words outside the vendor's envelope are not repeated."""
        if complaint is None:
            words = "a redirect, which is not followed" if 300 <= status < 400 else "without the vendor's word for it"
        else:
            words = vendor_errors.without(complaint.says, (*credentials.values(), *self._dialect.secrets))
        return f"HTTP {status}, {words}"


def understood(body: bytes, kind: type[T]) -> T:
    """Return an answer as the expected type. Raises Unanswered."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unanswered("the answer is not understood", status=200) from error


def answer(body: bytes | None, kind: type[N], *, asked: str) -> VendorAnswer | None:
    """Return the answer about an applicant, after a check that it is about that applicant. Raises Unanswered."""
    if body is None:
        return None
    about(understood(body, kind).reference, asked)
    return VendorAnswer(reference=asked, body=body)


def about(found: str, asked: str) -> None:
    """Check that an answer is about the applicant of the question. Raises Unanswered."""
    if found != asked:
        raise Unanswered("the answer is about another applicant than was asked for", status=200)


def segment(text: str) -> str:
    """Return an id as a part of a path. Raises Unanswered if no path can hold it."""
    try:
        encoded = quote(text, safe="")
    except UnicodeEncodeError as error:
        raise Unanswered("the reference cannot be asked for") from error
    if encoded in ("", ".", ".."):
        raise Unanswered("the reference cannot be asked for")
    return encoded


def _whole(answer: http_client.HttpResponse) -> bytes:
    if not answer.whole:
        raise Unanswered(f"the answer is larger than {ANSWER_BYTES_MAX} bytes", status=answer.status)
    return answer.body
