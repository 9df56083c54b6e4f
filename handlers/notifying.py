"""Signed webhooks to downstream, in the form of Standard Webhooks: an endpoint is told of a change until it says 2xx.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from handlers import config, outbound
from handlers.outbound import Answer, Unreachable
from handlers.subscribers import Gone, NotNow, Refused
from store import clock
from store.states import Reversal

#: Answers that say that the endpoint is at fault, and not the change.
NOT_NOW = (408, 425, 429, *range(500, 600))

#: No endpoint is left alone for longer than that, whatever it asks for.
RETRY_AFTER_MAX = timedelta(hours=6)

#: What of an answer's body is remembered.
SAID_CHARS_MAX = 200


class Endpoint:
    """An address to which changes are sent."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.host = str(urlsplit(url).hostname)
        # The address may hold what nobody else should know.
        self.name = f"{self.host[:80]} {hashlib.sha256(url.encode()).hexdigest()[:8]}"

    def wants(self, change: Any) -> bool:
        settings = config.settings()
        if change.environment not in settings.environments:
            return False
        if settings.notify_on == "adverse":
            return bool(change.reversal == Reversal.ADVERSE)
        return settings.notify_on == "all" or bool(change.from_status != change.to_status)

    def tell(self, entry: dict[str, Any]) -> str:
        settings, body = config.settings(), message(entry)
        headers = signed(body, message_id=message_id(entry), secrets=settings.notify_secrets, now=clock.now())
        try:
            answer = outbound.ask("POST", self._url, body=body, headers=headers, private_hosts=settings.private_hosts)
        except Unreachable as error:
            raise NotNow(str(error)) from error
        return _judged(answer)


def message(entry: dict[str, Any]) -> bytes:
    """What is sent: the change as the feed shows it, its type, and when it happened."""
    return msgspec.json.encode({"type": entry["type"], "timestamp": entry["at"], "data": entry})


def message_id(entry: dict[str, Any]) -> str:
    """The same at each attempt, and another for each change. The signature's form allows no full stop in it."""
    return f"chg_{entry['cursor'].replace('.', '_')}"


def signed(body: bytes, *, message_id: str, secrets: tuple[bytes, ...], now: datetime) -> dict[str, str]:
    """The headers: signed with every secret, so that a receiver can change from one to the next."""
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


def endpoints() -> list[Endpoint]:
    """The configured endpoints."""
    return [Endpoint(url) for url in dict.fromkeys(config.settings().notify_urls)]


def _judged(answer: Answer) -> str:
    said = f"{answer.status} {_readable(answer.body)}".strip()
    if 200 <= answer.status < 300:
        return said
    if answer.status == 410:
        raise Gone(said)
    if answer.status in NOT_NOW:
        raise NotNow(said, rest=retry_after(answer.headers.get("retry-after", ""), now=clock.now()))
    raise Refused(f"{said} (a redirect, which is not followed)" if 300 <= answer.status < 400 else said)


def retry_after(text: str, *, now: datetime) -> timedelta:
    """How long a server asks to be left alone: seconds or a date (RFC 9110, 10.2.3); none if it says neither."""
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(timedelta(), min(until - now, RETRY_AFTER_MAX))


def _readable(body: bytes) -> str:
    text = body[: 4 * SAID_CHARS_MAX].decode("utf-8", "replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:SAID_CHARS_MAX]
