"""How iDenfy signs: `Idenfy-Signature`, a hex HMAC-SHA256 of the raw body, by the notification's signing key.

Nothing in the scheme tells one delivery from another: no id, no time, and the type is in a header outside the
signature. So an event is the same only as long as it is the latest of its subject; `scanRef` alone would drop the
final verdict and every reversal.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from receiver.vendors import base
from receiver.vendors.base import Headers, SigningKey, environment_of, peek, sha256, signing_key
from store.inbox.deliveries import Delivery
from store.system.environment import Environment

#: The documented types; all others count as one.
TYPES = frozenset({
    "IDENTIFICATION", "IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_EXPIRED",
    "IDENTIFICATION_CANCELLED", "IDENTIFICATION_RESUBMITTED", "DOCUMENT_EXPIRATION", "VIDEO_CALL_FINISHED", "AML_MONITORING",
    "AML_MONITORING_EXPIRATION", "AGE_ESTIMATION", "BANK_CARD_VERIFICATION_COMPLETED", "BANK_VERIFICATION", "ACCOUNT_CHECK",
    "FACIAL_AUTHENTICATION", "COMPANY_REVIEW", "COMPANY_DELETE", "COMPANY_AML_REVIEW", "COMPANY_INFO_REQUEST", "COMPANY_EXPIRATION",
    "COMPANY_SUBMIT", "GOV_ORDERED_DOCUMENT", "SOS_REPORT",
})  # fmt: skip
UNKNOWN = "an unknown type"

SIGNATURE = "Idenfy-Signature"
TYPE = "Idenfy-Event-Type"


class Names(msgspec.Struct):
    scanRef: Any = None
    monitoringId: Any = None


@dataclass(frozen=True)
class IdenfySignature:
    signature_header = SIGNATURE

    def authenticate(self, headers: Headers, body: bytes, keys: tuple[SigningKey, ...], *, now: datetime) -> Delivery:
        key = signing_key(keys, headers.get(SIGNATURE, ""), lambda secret: hmac.digest(secret, body, "sha256").hex())
        event_type = headers.get(TYPE, "")
        return Delivery(
            vendor="idenfy",
            environment=environment_of(key, body),
            headers={TYPE: event_type} if event_type else {},
            body=body,
            identity=sha256(_kind(event_type).encode(), body),
            subject=_subject(event_type, body),
            signed_with=key.fingerprint,
        )

    def sign(self, body: bytes, secret: bytes, *, event_type: str, now: datetime) -> dict[str, str]:
        return {SIGNATURE: hmac.digest(secret, body, "sha256").hex(), TYPE: event_type}


def configure(environment: Environment) -> IdenfySignature:
    return IdenfySignature()


def parse_secret(text: str, scheme: base.Scheme) -> bytes:
    return text.encode()


def _subject(event_type: str, body: bytes) -> bytes:
    """Return what the event is about: its `scanRef`, else its `monitoringId`, else its type."""
    names = peek(body, Names)
    for field in ("scanRef", "monitoringId"):
        value = getattr(names, field)
        if (isinstance(value, str) and value) or isinstance(value, int):
            return sha256(field.encode(), str(value).encode("utf-8", "surrogatepass"))
    return sha256(b"type", _kind(event_type).encode())


def _kind(event_type: str) -> str:
    """Return the type, as far as it distinguishes events. The header is not signed: neither its spelling nor an unknown type makes a new
    event."""
    kind = event_type.strip().upper().replace(" ", "_").replace("CANCELED", "CANCELLED")
    if kind.startswith("ID_VERIFICATION"):
        kind = "IDENTIFICATION" + kind.removeprefix("ID_VERIFICATION")
    return kind if kind in TYPES or not kind else UNKNOWN
