"""Rehearsals: how the simulator's forgeries differ from a stranger's. Both are refused; only a stranger's raise an alert.

A header holds a time and its HMAC by one of the vendor's sandbox secrets. It proves nothing about the delivery, and lets nothing in.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

HEADER = "X-Standing-Rehearsal"

#: How far the header's time may be from ours.
VALID = timedelta(minutes=5)


def header(secret: bytes, now: datetime) -> dict[str, str]:
    """Return the header for a delivery of a rehearsal."""
    moment = str(int(now.timestamp()))
    return {HEADER: f"{moment}.{_digest(secret, moment)}"}


def is_one(value: str | None, sandbox_secrets: Iterable[bytes], now: datetime) -> bool:
    """Return whether a request's header was made with a sandbox secret, within the last minutes."""
    moment, _, digest = (value or "").partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12) or not digest.isascii():
        return False
    if abs(now.timestamp() - int(moment)) > VALID.total_seconds():
        return False
    return any(hmac.compare_digest(_digest(secret, moment), digest) for secret in sandbox_secrets)


def _digest(secret: bytes, moment: str) -> str:
    return hmac.digest(secret, f"standing rehearsal {moment}".encode(), "sha256").hex()
