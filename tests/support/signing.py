"""Signing as the vendors do, written down a second time: nothing here is the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid

IFCGATE_SECRET = "whsec_" + base64.b64encode(b"ifcgate's secret for the tests").decode()
IDNGO_SECRET = "idngo's secret, for the tests".replace(",", "")
IDNGO_SANDBOX_SECRET = "idngo's sandbox secret"
IDENFY_SECRET = "idenfy's key"


def headers(vendor: str, body: bytes, **options: object) -> dict[str, str]:
    """The headers that a vendor sends with a body."""
    return {"ifcgate": ifcgate, "idngo": idngo, "idenfy": idenfy}[vendor](body, **options)  # type: ignore[operator]


def idngo(body: bytes, *, secret: str = IDNGO_SECRET, algorithm: str = "HMAC_SHA256_HEX") -> dict[str, str]:
    name = {"HMAC_SHA1_HEX": "sha1", "HMAC_SHA256_HEX": "sha256", "HMAC_SHA512_HEX": "sha512"}[algorithm]
    return {"x-payload-digest": hmac.new(secret.encode(), body, name).hexdigest(), "x-payload-digest-alg": algorithm}


def idenfy(body: bytes, *, secret: str = IDENFY_SECRET, event_type: str = "IDENTIFICATION_MANUAL_FINISHED") -> dict[str, str]:
    return {"Idenfy-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), "Idenfy-Event-Type": event_type}


def ifcgate(body: bytes, *, secret: str = IFCGATE_SECRET, message_id: str | None = None, timestamp: int | None = None) -> dict[str, str]:
    message_id = message_id or f"msg_{uuid.uuid4().hex}"
    at = str(int(time.time()) if timestamp is None else timestamp)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(mac).decode()}
