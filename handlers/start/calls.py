"""One call to a vendor: at its pace, once, with a deadline, and its reply sorted. The caller decides about retries."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from handlers.clients import vendor
from handlers.clients.exchange import Dialect, Exchange, Question, VendorReply
from handlers.clients.http_client import Line
from handlers.clients.pacing import Pace, Pacing
from handlers.clients.public_addresses import NotAllowed, Unreachable
from handlers.clients.vendor import ANSWER_BYTES_MAX, Unanswered
from handlers.start import outcomes
from handlers.start.outcomes import Again, Refused
from store.starts.requests import FailureKind

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Api:
    """A vendor's API, as calls need it."""

    url: str
    dialect: Dialect
    #: The vendor's identifiers and numbers, and the fault that each stands for. None: the call may be tried again.
    words: Mapping[str | int, FailureKind | None]
    per_minute: int


class Calls:
    """Calls one vendor, for any number of threads. Each call has its own connection, so that none waits for another's answer."""

    def __init__(self, api: Api, *, patience: Pacing, private_hosts: frozenset[str]) -> None:
        self._exchange, self._words = Exchange(api.url, api.dialect), api.words
        self._private_hosts, self._seconds_max = private_hosts, patience.answer_seconds_max
        self._pace, self._one_at_a_time = Pace(per_minute=api.per_minute, watch=patience.watch), threading.Lock()

    def done(self, question: Question, *, further_seconds: float = 0) -> VendorReply:
        """Make a call; return the reply if the call succeeded. Raises Again, Refused.

        `further_seconds` is what the call may take beyond what a small one may."""
        reply = self.reply(question, further_seconds=further_seconds)
        if not outcomes.is_done(reply):
            raise self.trouble(reply)
        return reply

    def reply(self, question: Question, *, further_seconds: float = 0) -> VendorReply:
        """Make a call; return the reply, whatever its status. Raises Again if there is none, Refused if none can be had."""
        with self._one_at_a_time:
            self._pace.wait()
        line = Line(
            private_hosts=self._private_hosts,
            seconds_max=self._seconds_max + further_seconds,
            answer_bytes_max=ANSWER_BYTES_MAX,
        )
        try:
            reply = self._exchange.once(line, question)
        except NotAllowed as error:
            raise Refused(FailureKind.PERSON, str(error)) from error
        except Unreachable as error:
            raise Again(str(error), may_have_arrived=error.may_have_arrived) from error
        finally:
            line.close()
        if not reply.response.whole:
            raise Again(f"HTTP {reply.status}, and the answer is larger than {ANSWER_BYTES_MAX} bytes")
        return reply

    def known(self, question: Question) -> VendorReply | None:
        """Make a call about something; return the reply, or None if the vendor knows no such thing. Raises Again, Refused."""
        reply = self.reply(question)
        # A page of a proxy's, or of a server that is not the vendor's, does not say so.
        if reply.status == 404 and (reply.content is not None or not reply.response.body):
            return None
        if not outcomes.is_done(reply):
            raise self.trouble(reply)
        return reply

    def trouble(self, reply: VendorReply) -> Again | Refused:
        """Sort a reply that is no success."""
        return outcomes.trouble(reply, self._words)


def understood(reply: VendorReply, kind: type[T]) -> T:
    """Return the content of a success as the expected type. Raises Again: the vendor may have carried the call out."""
    try:
        return msgspec.json.decode(reply.response.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise outcomes.not_understood(reply) from error


def segment(text: str) -> str:
    """Return an id as a part of a path. Raises Refused if no path can hold it."""
    try:
        return vendor.segment(text)
    except Unanswered as error:
        raise Refused(FailureKind.CALLER, str(error)) from error
