"""Deliveries: one authentic HTTP request each, encrypted with an id, and what makes two of them the same event."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from store.inbox.sealing.encryption import NO_MASTER_KEY, WrappedKey, keyring
from store.system import clock
from store.text import traces
from store.text.states import Outcome


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One authentic HTTP request, as the vendor's module describes it."""

    vendor: str
    environment: str
    #: The headers worth keeping, never a signature.
    headers: dict[str, str]
    body: bytes
    #: A digest. Two deliveries with one identity are the same event: without a subject always, and with a subject as long as the event is
    #: the subject's latest.
    identity: bytes
    #: A digest of what the event is about, of a vendor whose deliveries have no id of their own.
    subject: bytes | None = None
    #: The fingerprint of the secret that signed it. It is counted, and not kept with the event.
    signed_with: str | None = None
    #: The event's type, where it is known before the body is interpreted.
    event_type: str | None = None


#: What every event begins with.
NEW_EVENT_DEFAULTS = {"status": Outcome.PENDING, "deliveries": 1, "attempts": 0, "suspect": False, "replayed": False}


class EventKey(NamedTuple):
    """The digest that all deliveries of one event share: the event's identity, or its subject."""

    vendor: str
    environment: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class SealedDelivery:
    """An encrypted delivery, with the id that its event gets if the delivery is the first."""

    id: str
    vendor: str
    environment: str
    headers: dict[str, str]
    identity: bytes
    subject: bytes | None
    body_sha256: bytes
    #: A record that an older version spooled names the master key that sealed the body itself, and has no data key.
    key_id: str
    sealed_body: bytes
    received_at: datetime
    data_key: WrappedKey | None = None
    event_type: str | None = None
    #: The trace of the request, as `store.text.traces` keeps it. A record that an older version spooled has none.
    trace: str | None = None

    @property
    def key(self) -> EventKey:
        """Return the key of the event: by its subject if it has one, else by its identity."""
        return EventKey(self.vendor, self.environment, self.subject or self.identity)

    @property
    def row(self) -> dict[str, Any]:
        """Return the row of a new event."""
        row = vars(self) | NEW_EVENT_DEFAULTS | {"identity": None if self.subject else self.identity}
        # A record of an old form lacks some, even their defaults.
        row |= {"event_type": self.event_type, "trace": self.trace}
        row.pop("data_key", None)
        return row


def seal(delivery: Delivery) -> SealedDelivery:
    """Encrypt a delivery, and give it an id, and the trace of the work that is being done, else a new one."""
    event_id = new_event_id()
    sealed = keyring().seal(delivery.body, event_id=event_id)
    return SealedDelivery(
        id=event_id,
        vendor=delivery.vendor,
        environment=delivery.environment,
        headers=delivery.headers,
        identity=delivery.identity,
        subject=delivery.subject,
        body_sha256=hashlib.sha256(delivery.body).digest(),
        key_id=NO_MASTER_KEY,
        sealed_body=sealed.body,
        received_at=clock.now(),
        data_key=sealed.key,
        event_type=delivery.event_type,
        trace=(traces.current() or traces.begin()).kept,
    )


def without_conflicts(arrived: Iterable[SealedDelivery]) -> list[list[SealedDelivery]]:
    """Split deliveries into parts, in their order. No part holds two deliveries of one event or subject."""
    parts: list[dict[EventKey, SealedDelivery]] = []
    places: dict[EventKey, int] = {}
    for arrival in arrived:
        place = places[arrival.key] = places.get(arrival.key, -1) + 1
        if place == len(parts):
            parts.append({})
        parts[place][arrival.key] = arrival
    return [list(part.values()) for part in parts]


def first_id_of(moment: datetime) -> str:
    """Return the smallest id that an event of this time or later can have."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return str(uuid.UUID(int=milliseconds << 80))


def new_event_id() -> str:
    """Return a UUID of version 7. It sorts by time, to about a quarter of a microsecond (RFC 9562, section 6.2, method 3)."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random.getrandbits(62)))
