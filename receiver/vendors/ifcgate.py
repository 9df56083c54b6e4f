"""How IFCGATE signs.

Its page says that webhooks are signed, and not how. Standard Webhooks is the default
(https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md). A hex HMAC of the body in a header can be
configured. No other scheme is accepted.
"""

from __future__ import annotations

import base64
import hmac
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from receiver.vendors import base
from receiver.vendors.base import Forged, Headers, SigningKey, Stale, environment_of, sha256, signing_key
from store.config import signing_secret
from store.inbox.deliveries import Delivery
from store.system.environment import Environment

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

#: How far a signed timestamp may be off, either way.
TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class StandardWebhooks:
    """The signature covers id, time and body. Any of several signatures, separated by spaces, may match."""

    signature_header = SIGNATURE

    def authenticate(self, headers: Headers, body: bytes, keys: tuple[SigningKey, ...], *, now: datetime) -> Delivery:
        message_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
        if not message_id or not re.fullmatch(r"[0-9]{1,20}", timestamp):
            raise Forged
        key = _signing_key(headers.get(SIGNATURE, ""), keys, _signed(message_id, timestamp, body))
        if abs(int(timestamp) - now.timestamp()) > TOLERANCE.total_seconds():
            raise Stale
        return Delivery(
            vendor="ifcgate",
            environment=environment_of(key, body),
            headers={ID: message_id, TIMESTAMP: timestamp},
            body=body,
            identity=sha256(message_id.encode("latin-1", "replace"), body),
            signed_with=key.fingerprint,
        )

    def sign(self, body: bytes, secret: bytes, *, event_type: str, now: datetime) -> dict[str, str]:
        message_id, timestamp = f"msg_{uuid.uuid4().hex}", str(int(now.timestamp()))
        return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: "v1," + _digest(secret, _signed(message_id, timestamp, body))}


@dataclass(frozen=True)
class HexDigest:
    """The hex HMAC-SHA256 of the raw body, in a configured header."""

    signature_header: str

    def authenticate(self, headers: Headers, body: bytes, keys: tuple[SigningKey, ...], *, now: datetime) -> Delivery:
        key = signing_key(keys, headers.get(self.signature_header, ""), lambda secret: hmac.digest(secret, body, "sha256").hex())
        return Delivery(
            vendor="ifcgate",
            environment=environment_of(key, body),
            headers={},
            body=body,
            identity=sha256(body),
            signed_with=key.fingerprint,
        )

    def sign(self, body: bytes, secret: bytes, *, event_type: str, now: datetime) -> dict[str, str]:
        return {self.signature_header: hmac.digest(secret, body, "sha256").hex()}


def configure(environment: Environment) -> base.Scheme:
    """Return the scheme, as `IFCGATE_SIGNATURE` configures it."""
    chosen = environment.text("IFCGATE_SIGNATURE", "standard-webhooks")
    kind, _, header = chosen.partition(":")
    if kind == "hmac-sha256-hex" and base.is_header_name(header.strip()):
        return HexDigest(header.strip())
    if chosen != "standard-webhooks":
        environment.wrong("IFCGATE_SIGNATURE", "must be standard-webhooks, or hmac-sha256-hex:<header name>")
    return StandardWebhooks()


def parse_secret(text: str, scheme: base.Scheme) -> bytes:
    """Return the bytes of `whsec_` and base64; in the hex scheme those of the text itself."""
    if isinstance(scheme, HexDigest):
        return text.encode()
    return signing_secret(text)


def _signing_key(signatures: str, keys: tuple[SigningKey, ...], signed: bytes) -> SigningKey:
    """Return the key that made one of the signatures; unknown versions are skipped. Raises Forged."""
    digests = [(key, _digest(key.secret, signed).encode()) for key in keys]
    for signature in signatures.split():
        version, _, given = signature.partition(",")
        for key, digest in digests:
            if version == "v1" and hmac.compare_digest(digest, given.encode("latin-1", "replace")):
                return key
    raise Forged


def _signed(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("latin-1", "replace") + body


def _digest(secret: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
