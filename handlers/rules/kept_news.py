"""Kept news: what a delivery that named several applicants said of those who are not erased. It takes the place of the body.

It holds all that the rules read, so that the others' state, explanation and replay are as before."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec import Struct

from handlers.rules.news import EventReading, News, Unreadable


class NotRead(Struct, frozen=True, kw_only=True, tag=True):
    """Why a body could not be read, and the applicant that it named all the same."""

    reason: str
    event_type: str | None
    reference: str | None


class Said(News, frozen=True, kw_only=True, tag=True):
    """The news of a body."""


class KeptNews(Struct, frozen=True, kw_only=True):
    """The news of an event whose body is erased, and the hash of that body, which decides between two at the same place."""

    news: Said | NotRead
    body_sha256: str


def encode(reading: EventReading, references: Collection[str]) -> bytes:
    """Return the news of a reading as it is kept, about these applicants alone."""
    news = reading.news
    if isinstance(news, Unreadable):
        kept: Said | NotRead = NotRead(reason=news.reason, event_type=news.event_type, reference=news.reference)
    else:
        kept = Said(**{name: getattr(news, name) for name in News.__struct_fields__} | {"references": tuple(references)})
    return msgspec.json.encode(KeptNews(news=kept, body_sha256=reading.occasion.body_sha256))


def decode(body: bytes) -> tuple[News, str]:
    """Return what is kept, and the hash of the body that said it. Raises Unreadable, as the body did."""
    try:
        kept = msgspec.json.decode(body, type=KeptNews)
    except msgspec.MsgspecError as error:
        raise Unreadable("the kept news is not of its form") from error
    if isinstance(kept.news, NotRead):
        raise Unreadable(kept.news.reason, event_type=kept.news.event_type, reference=kept.news.reference)
    return kept.news, kept.body_sha256
