"""Endpoints: signed webhooks to downstream (`signing`). An endpoint is notified of a change until it answers 2xx."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from handlers import config
from handlers.clients.http_client import SECONDS_MAX, HttpResponse
from handlers.clients.public_addresses import Unreachable
from handlers.clients.retry_after import NOT_NOW, SAID_CHARS_MAX, readable, retry_after
from handlers.notify import http_sender
from handlers.notify.http_sender import CONNECTIONS_MAX
from handlers.notify.signing import message, message_id, signed
from handlers.notify.subscribers import AT_ONCE, GIVEN_WAY, Gone, NotNow, Refused
from store.applicants import feed
from store.system import clock
from store.text.states import Reversal


def key_of(url: str) -> str:
    """Return the key under which an endpoint is kept. It depends on the address alone, which may hold a secret."""
    return f"{str(urlsplit(url).hostname)[:80]} {hashlib.sha256(url.encode()).hexdigest()[:8]}"


class Endpoint:
    """An address to which changes are sent."""

    is_foreign = False

    def __init__(self, url: str, *, title: str, at_once: int = AT_ONCE) -> None:
        self._url, self.name, self.title, self.at_once = url, key_of(url), title, at_once

    def wants(self, change: Any) -> bool:
        settings = config.settings()
        if change.environment not in settings.environments:
            return False
        if change.to_status == feed.ERASED:
            return True  # Whatever it was sent before is to be erased there, too.
        if settings.notify_on == "adverse":
            return bool(change.reversal == Reversal.ADVERSE)
        return settings.notify_on == "all" or bool(change.from_status != change.to_status)

    def tell(self, entry: dict[str, Any]) -> str:
        return asyncio.run(self.send(entry))

    async def send(self, entry: dict[str, Any]) -> str:
        """Send a change; return the answer in a few words. Raises as `tell` does."""
        if entry["type"] == feed.ERASED:
            return GIVEN_WAY
        settings, body = config.settings(), message(entry)
        headers = signed(body, message_id=message_id(entry), secrets=settings.notify_secrets, now=clock.now())
        try:
            seconds = min(SECONDS_MAX, settings.reaction_seconds_max)
            answer = await http_sender.post(
                self._url, body=body, headers=headers, private_hosts=settings.private_hosts, seconds_max=seconds
            )
        except Unreachable as error:
            raise NotNow(str(error)) from error
        return _judged(answer)


def endpoints() -> list[Endpoint]:
    """Return the configured endpoints. Each has its own connections, so that one that hangs takes none from another."""
    given = config.settings().notify_urls
    at_once = min(AT_ONCE, CONNECTIONS_MAX // max(len(given), 1))
    alike = Counter(one.title for one in given)
    titles = {one.url: one.title if alike[one.title] == 1 else f"{one.title} {key_of(one.url)[-8:]}" for one in given}
    return [Endpoint(one.url, title=titles[one.url], at_once=at_once) for one in given]


def _judged(answer: HttpResponse) -> str:
    words = readable(answer.body[: 4 * SAID_CHARS_MAX].decode("utf-8", "replace"))
    said = f"{answer.status} {words}".strip()
    if 200 <= answer.status < 300:
        return said
    if answer.status == 410:
        raise Gone(said)
    if answer.status in NOT_NOW:
        raise NotNow(said, rest=retry_after(answer.headers.get("retry-after", ""), now=clock.now()))
    raise Refused(f"{said} (a redirect, which is not followed)" if 300 <= answer.status < 400 else said)
