"""Attempts: what becomes of an event whose handling failed. It is tried again, later each time; after some attempts it is a dead letter."""

from __future__ import annotations

import structlog

from handlers import config
from store.inbox import settling
from store.inbox.claims import Claimed
from store.system import backoff, clock
from store.text.counts import counted

log = structlog.get_logger()


def failed(token: str, event: Claimed, error: str) -> None:
    """Count a failed attempt, and give the event back. Raises what the database raises."""
    attempts, settings = event.attempts + 1, config.settings()
    log.error("handling an event failed", event_id=event.id, vendor=event.vendor, error=error, count=attempts)
    if attempts >= settings.attempts_max:
        settling.bury(event.sequence, token=token, reason=f"handling failed {counted(attempts, 'time')}, at last with {error}")
        return
    pause = backoff.spread(settings.retry_base, attempts, settings.retry_limit)
    settling.postpone(event.sequence, token=token, retry_at=clock.now() + pause, error=f"attempt {attempts} failed with {error}")
