"""Retry-After, and the words of a server's answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: Answers that say that the server cannot answer now, whatever the request was.
NOT_NOW = (408, 425, 429, *range(500, 600))

#: No server is left alone for longer than that, whatever it asks for.
RETRY_AFTER_MAX = timedelta(hours=6)

#: What of an answer's words is remembered.
SAID_CHARS_MAX = 200


def retry_after(text: str, *, now: datetime, most: timedelta = RETRY_AFTER_MAX) -> timedelta:
    """Return how long a server asks to wait: seconds or a date (RFC 9110, 10.2.3); none if it says neither."""
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), most)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(timedelta(), min(until - now, most))


def readable(text: str) -> str:
    """Return the beginning of an answer, on one line, without anything that a terminal would interpret."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:SAID_CHARS_MAX]
