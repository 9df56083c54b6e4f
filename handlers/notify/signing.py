"""What is sent to an endpoint, and its signature: Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from typing import Any

import msgspec


def message(entry: dict[str, Any]) -> bytes:
    """Return what is sent: the change as the feed shows it, its type, and its time."""
    return msgspec.json.encode({"type": entry["type"], "timestamp": entry["at"], "data": entry})


def message_id(entry: dict[str, Any]) -> str:
    """Return the id of a change: the same at each attempt. The form of the signature allows no full stop in it."""
    return f"chg_{entry['cursor'].replace('.', '_')}"


def signed(body: bytes, *, message_id: str, secrets: tuple[bytes, ...], now: datetime) -> dict[str, str]:
    """Return the headers, signed with every secret, so that a receiver can change from one to the next."""
    timestamp = str(int(now.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{base64.b64encode(hmac.digest(secret, content, 'sha256')).decode()}" for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Standing",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }
