"""Asking a vendor: at its pace, with retries, and without credentials in any message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from handlers.clients.exchange import Dialect, Exchange, Question, VendorReply
from handlers.clients.http_client import HttpResponse, Line
from handlers.clients.pacing import Pace, Pacing
from handlers.clients.public_addresses import NotAllowed, Unreachable
from handlers.clients.retry_after import NOT_NOW
from store.system import clock

T = TypeVar("T")
N = TypeVar("N", bound="Named")

#: As much as a delivery may have, unless configured otherwise.
ANSWER_BYTES_MAX = 5 * 1024 * 1024


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


class Asker:
    """Asks one vendor, one question at a time, for any thread."""

    def __init__(self, url: str, dialect: Dialect, *, per_minute: int, patience: Pacing, private_hosts: frozenset[str]) -> None:
        self._exchange, self._patience = Exchange(url, dialect), patience
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
        try:
            reply = self._exchange.once(self._line, question)
        except NotAllowed as error:
            raise Unanswered(str(error)) from error
        except Unreachable as error:
            raise _NotNow(str(error)) from error
        return _judged(reply)


def _judged(reply: VendorReply) -> bytes | None:
    answer, complaint, said = reply.response, reply.complaint, reply.says
    if answer.status == 200 and complaint is None:
        return _whole(answer)
    if answer.status in (401, 403) or (complaint and complaint.credentials_refused):
        raise CredentialsRefused(f"the credentials are refused: {said}", status=answer.status)
    # A page of a proxy's, or of a server that is not the vendor's, does not say that there is no such applicant.
    if answer.status == 404 and (reply.content is not None or not answer.body):
        return None
    if answer.status in NOT_NOW or (complaint and complaint.not_now):
        raise _NotNow(said, status=answer.status, rest=reply.rest)
    raise Unanswered(said, status=answer.status)


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


def _whole(answer: HttpResponse) -> bytes:
    if not answer.whole:
        raise Unanswered(f"the answer is larger than {ANSWER_BYTES_MAX} bytes", status=answer.status)
    return answer.body
