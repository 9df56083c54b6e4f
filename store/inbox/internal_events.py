"""Statements: events of our own kinds. What a person decided, what a vendor answered when it was asked, what was known before.

They are kept like a vendor's deliveries and handled by the same rules, so that each can be explained, replayed, and outvoted by newer news.
A header says which kind it is; the vendors' modules of the receiver keep no header of that name, so that no delivery can be one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from store.inbox import deliveries
from store.inbox.deliveries import Delivery
from store.states import ApplicantKey, Status
from store.system import clock

#: Which kind of statement an event is; a vendor's delivery has no such header.
KIND_HEADER = "Standing-Kind"

#: Its place among the vendor's news, where that is neither its own time nor that of its receipt.
ORDER_HEADER = "Standing-Order"

#: Its place in the order of receipt, where that is not its own; with a vendor's clock it means nothing.
RECEIPT_HEADER = "Standing-Receipt"

#: What was known before comes, in its own order, before everything that a vendor ever said.
BEFORE_ALL = 2**62


class Kind(StrEnum):
    """What kind of statement an event is."""

    #: A person decided.
    DECISION = "decision"
    #: The vendor was asked, and answered. The body is its answer, byte for byte.
    READ = "read"
    #: It was known before there was an event.
    IMPORT = "import"


class Ruling(StrEnum):
    """What a person may decide, and what it makes of an applicant."""

    #: Access, until newer news says otherwise.
    APPROVE = "approve"
    #: Refused.
    REJECT = "reject"
    #: Refused for now; the applicant may send again.
    RESUBMIT = "resubmit"


class DecisionBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person decided of an applicant."""

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
    #: It takes a second operator, whatever speaks against it.
    needs_two: bool = False
    #: The account of the operating system that acted, where it was on the command line.
    os_user: str | None = None
    #: Whether who decided proved it by a token: an account of the operating system proves no person, and decisions of older versions do
    #: not say.
    by_token: bool = False


class ImportBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an applicant stood, at a time, as a source of ours knew it."""

    reference: str
    status: Status
    at: datetime
    source: str
    external_user_id: str | None = None
    reasons: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()


def decided(key: ApplicantKey, body: DecisionBody, *, order: int | None = None, receipt: int | None = None) -> Delivery:
    """A person's decision. It stands at its own time, or where it is received, unless it is given a place."""
    return _statement(key.vendor, key.environment, Kind.DECISION, msgspec.json.encode(body), order=order, receipt=receipt)


def known_before(vendor: str, environment: str, body: ImportBody) -> Delivery:
    """What a source knew. Whatever the vendor itself ever said comes after it."""
    order = clock.microseconds(body.at) - BEFORE_ALL
    return _statement(vendor, environment, Kind.IMPORT, msgspec.json.encode(body), order=order)


def answered(vendor: str, environment: str, answer: bytes, *, receipt: int) -> Delivery:
    """What a vendor answered, and the newest event that was known before it was asked."""
    return _statement(vendor, environment, Kind.READ, answer, receipt=receipt)


def keep(connection: Connection, statements: Iterable[Delivery]) -> list[str]:
    """Keep statements; the ids of their events. The same statement again is the same event."""
    arrived = [deliveries.seal(statement) for statement in statements]
    kept: dict[str, str] = {}
    for part in deliveries.without_conflicts(arrived):
        kept |= dict(zip((one.id for one in part), deliveries.keep(connection, part), strict=True))
    return [kept[one.id] for one in arrived]


def kind(headers: dict[str, str]) -> Kind | None:
    """Which kind of statement an event with these headers is; None: it is a vendor's delivery."""
    found = headers.get(KIND_HEADER)
    return Kind(found) if found else None


def _statement(vendor: str, environment: str, kind: Kind, body: bytes, *, order: int | None = None, receipt: int | None = None) -> Delivery:
    places = {ORDER_HEADER: order, RECEIPT_HEADER: receipt}
    headers = {KIND_HEADER: kind.value} | {name: str(place) for name, place in places.items() if place is not None}
    identity = hashlib.sha256(b"\0".join([*(f"{name}={value}".encode() for name, value in headers.items()), body])).digest()
    return Delivery(vendor=vendor, environment=environment, headers=headers, body=body, identity=identity)
