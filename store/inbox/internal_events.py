"""Internal events: a person's decision, a vendor's answer to a question, a customer from before.

They are kept like a vendor's deliveries and handled by the same rules. So each can be explained, replayed and overridden by newer
news. A header names their kind. The vendors' modules of the receiver keep no header of that name, so no delivery can pose as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from store.inbox import deliveries, delivery_rows
from store.inbox.deliveries import Delivery
from store.system import clock
from store.text.states import ApplicantKey, Status

#: Which kind of statement an event is; a vendor's delivery has no such header.
KIND_HEADER = "Standing-Kind"

#: Its place among the vendor's news, where that is neither its own time nor that of its receipt.
ORDER_HEADER = "Standing-Order"

#: Its place in the order of receipt, where that is not its own; with a vendor's clock it means nothing.
RECEIPT_HEADER = "Standing-Receipt"

#: What was known before comes, in its own order, before everything that a vendor ever said.
BEFORE_ALL = 2**62


#: With this the types of our own events begin, and no vendor's.
OUR_TYPES = "standing."

#: The type of a person's decision, as the inbox shows it.
DECISION_TYPE = "standing.decision"


class Kind(StrEnum):
    """The kind of an internal event."""

    #: A person decided.
    DECISION = "decision"
    #: The vendor was asked, and answered. The body is its answer, byte for byte.
    READ = "read"
    #: It was known before there was an event.
    IMPORT = "import"
    #: A verification was started here, and the vendor named its reference.
    START = "start"
    #: What is left of a vendor's delivery that named several applicants, since one of them was erased: the news of the others.
    KEPT = "kept"


class Ruling(StrEnum):
    """What a person may decide, and the status that follows."""

    #: Access, until newer news says otherwise.
    APPROVE = "approve"
    #: Refused.
    REJECT = "reject"
    #: Refused for now; the applicant may send again.
    RESUBMIT = "resubmit"


class DecisionBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person's decision about an applicant."""

    reference: str
    ruling: Ruling
    by: str
    reason: str
    at: datetime
    #: The hits against which it was decided, or confirmed.
    against: tuple[str, ...] = ()
    #: The events that spoke against an approval and were known: one stands against no others.
    seen: tuple[str, ...] = ()
    #: The second operator, where there is one.
    confirmed_by: str | None = None
    #: Why the second operator confirmed it. Confirmations of older versions do not say.
    confirmation: str | None = None
    #: Who took it back before it was confirmed, and why.
    withdrawn_by: str | None = None
    withdrawal: str | None = None
    #: It takes a second operator, whatever speaks against it.
    needs_two: bool = False
    #: The account of the operating system that acted, where it was on the command line.
    os_user: str | None = None
    #: Whether who decided proved it by a token: an account of the operating system proves no person, and decisions of older versions do
    #: not say.
    by_token: bool = False


class ImportBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The status of an applicant at a time, as a source of ours recorded it."""

    reference: str
    status: Status
    at: datetime
    source: str
    external_user_id: str | None = None
    reasons: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()


class StartBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A verification that was started here."""

    reference: str
    external_user_id: str
    verification_id: str
    #: Who asked for it.
    by: str
    at: datetime


def decided(key: ApplicantKey, body: DecisionBody, *, order: int | None = None, receipt: int | None = None) -> Delivery:
    """Return the delivery of a person's decision. It is ordered at its own time or at its receipt, unless it is given a place."""
    content = msgspec.json.encode(body)
    # With its type, so that the list of decisions has it at once, and not only after a worker handled it.
    return _statement(key.vendor, key.environment, Kind.DECISION, content, order=order, receipt=receipt, event_type=DECISION_TYPE)


def known_before(vendor: str, environment: str, body: ImportBody) -> Delivery:
    """Return the delivery of an import. Everything that the vendor itself ever said comes after it."""
    order = clock.microseconds(body.at) - BEFORE_ALL
    return _statement(vendor, environment, Kind.IMPORT, msgspec.json.encode(body), order=order)


def started(vendor: str, environment: str, body: StartBody) -> Delivery:
    """Return the delivery that a verification was started here. Everything that the vendor itself ever says comes after it."""
    order = clock.microseconds(body.at) - BEFORE_ALL
    return _statement(vendor, environment, Kind.START, msgspec.json.encode(body), order=order)


def answered(vendor: str, environment: str, answer: bytes, *, receipt: int) -> Delivery:
    """Return the delivery of a vendor's answer, ordered after the newest event that was known before the question."""
    return _statement(vendor, environment, Kind.READ, answer, receipt=receipt)


def keep(connection: Connection, statements: Iterable[Delivery]) -> list[str]:
    """Keep internal events; return their ids. The same content again is the same event."""
    arrived = [deliveries.seal(statement) for statement in statements]
    kept: dict[str, str] = {}
    for part in deliveries.without_conflicts(arrived):
        kept |= dict(zip((one.id for one in part), delivery_rows.keep(connection, part), strict=True))
    return [kept[one.id] for one in arrived]


def kind(headers: dict[str, str]) -> Kind | None:
    """Return the kind of the internal event with these headers; None for a vendor's delivery."""
    found = headers.get(KIND_HEADER)
    return Kind(found) if found else None


def _statement(
    vendor: str, environment: str, kind: Kind, body: bytes, *, order: int | None = None, receipt: int | None = None,
    event_type: str | None = None,
) -> Delivery:  # fmt: skip
    places = {ORDER_HEADER: order, RECEIPT_HEADER: receipt}
    headers = {KIND_HEADER: kind.value} | {name: str(place) for name, place in places.items() if place is not None}
    identity = hashlib.sha256(b"\0".join([*(f"{name}={value}".encode() for name, value in headers.items()), body])).digest()
    return Delivery(vendor=vendor, environment=environment, headers=headers, body=body, identity=identity, event_type=event_type)
