"""Outcomes: how the answer to a call that begins a verification is sorted. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from handlers.clients.exchange import VendorReply
from handlers.clients.retry_after import NOT_NOW
from store.starts.requests import FailureKind
from store.system import clock


class Again(Exception):
    """The call cannot be carried out now, or its result is unknown: it may be tried later."""

    def __init__(self, says: str, *, again_at: datetime | None = None, may_have_arrived: bool = True) -> None:
        super().__init__(says)
        self.says = says
        #: When the vendor asks to come back, if it does.
        self.again_at = again_at
        #: Whether the vendor may have carried the call out. False only if it surely has not.
        self.may_have_arrived = may_have_arrived


class Refused(Exception):
    """The vendor refuses the call, and a retry would not help."""

    def __init__(
        self, fault: FailureKind, says: str, *, missing: tuple[str, ...] = (), code: int | None = None, identifier: str | None = None
    ) -> None:
        super().__init__(says)
        self.fault = fault
        #: The vendor's words, bounded, without credentials and without what was sent of the person.
        self.says = says
        #: The steps that the vendor still waits for.
        self.missing = missing
        #: The vendor's number and its word for the error, if it gives any; without a number of its own, the HTTP status.
        self.code, self.identifier = code, identifier


#: What an HTTP status says where the vendor has no word that says more. Others of 400 to 499 are the caller's fault.
OF_STATUS = {401: FailureKind.CONTRACT, 402: FailureKind.CONTRACT, 403: FailureKind.CONTRACT, 413: FailureKind.CALLER}

#: Statuses that only a vendor gives with its own words; without them, a proxy or a wrong address answered.
_CALLERS_FAULT = range(400, 500)

#: The vendor's state forbids the call. It asks to come back if that passes soon.
_CONFLICT = 409

#: The vendor has done nothing: it counts calls before it reads them.
_TOO_MANY = 429


def is_done(reply: VendorReply) -> bool:
    """Return whether a call succeeded."""
    return 200 <= reply.status < 300 and reply.complaint is None


def trouble(reply: VendorReply, words: Mapping[str | int, FailureKind | None]) -> Again | Refused:
    """Sort a reply that is no success. `words` are the vendor's identifiers and numbers, or HTTP statuses that mean something
    else there; None: the call may be tried again."""
    complaint, status = reply.complaint, status_of(reply)
    if status == _CONFLICT and reply.rest:
        return _again(reply)
    said = (complaint.identifier, complaint.code) if complaint else ()
    for word in (*said, status):
        if word is not None and word in words:
            fault = words[word]
            return refusal(reply, fault) if fault else _again(reply)
    # An error within a success that nothing sorts: whether the vendor has carried the call out is not known.
    if status in NOT_NOW or status < 300 or (complaint and complaint.not_now):
        return _again(reply)
    return refusal(reply, _of_status(reply, status))


def status_of(reply: VendorReply) -> int:
    """Return the HTTP status of a reply; that of its envelope if an error came as a success."""
    said = reply.complaint.status if reply.complaint else None
    return said if said is not None and reply.status < 300 else reply.status


def refusal(reply: VendorReply, fault: FailureKind, *, missing: tuple[str, ...] = ()) -> Refused:
    """Return a reply as a refusal, in the vendor's words."""
    complaint = reply.complaint
    code = complaint.code if complaint else None
    return Refused(
        fault,
        reply.says,
        missing=missing,
        code=status_of(reply) if code is None else code,
        identifier=complaint.identifier if complaint else None,
    )


def not_understood(reply: VendorReply) -> Again:
    """Return what a success without the expected content is: the vendor may have carried the call out."""
    return Again(f"HTTP {reply.status}, and the answer is not understood", may_have_arrived=True)


def _again(reply: VendorReply) -> Again:
    again_at = clock.now() + reply.rest if reply.rest else None
    return Again(reply.says, again_at=again_at, may_have_arrived=status_of(reply) != _TOO_MANY)


def _of_status(reply: VendorReply, status: int) -> FailureKind:
    if status in OF_STATUS:
        return OF_STATUS[status]
    return FailureKind.CALLER if status in _CALLERS_FAULT and reply.complaint else FailureKind.PERSON
