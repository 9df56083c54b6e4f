"""The fence around the erased: a later event about one of them changes no applicant, and is erased with the transaction that reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice

from msgspec import structs
from sqlalchemy import Connection

from handlers.interpret import weigh
from handlers.rules import kept_news
from handlers.rules.news import EventReading, News, Unreadable
from store.applicants import erased
from store.inbox.events import InboxEvent
from store.inbox.sealing.encryption import Unopenable
from store.operations.delivery_counts import NEWS_OF_ERASED
from store.privacy.erasing import event_erasure
from store.privacy.erasing.event_erasure import Rewritten
from store.text.names import is_name
from store.text.states import ApplicantKey

#: A word of a body, as it is looked up among the erased, and how many of a body are.
WORD = re.compile(r"[\w.:@-]{4,200}")
WORDS_MAX = 5000

#: A string as JSON writes it.
QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


@dataclass(frozen=True)
class Fenced:
    """What is left of a batch, and which of its events are to be erased once they are settled."""

    batch: list[EventReading]
    rewritten: list[Rewritten] = field(default_factory=list)
    #: The erasures of the erased that they name.
    erasure_of: dict[ApplicantKey, str] = field(default_factory=dict)
    #: What is counted for somebody to look at, as `delivery_counts.count_noticed` takes it.
    noticed: list[tuple[str, str, str]] = field(default_factory=list)


def without_erased(connection: Connection, batch: list[EventReading]) -> Fenced:
    """Return a batch without what it says of erased applicants. Until this transaction ends, no other applicant is fenced."""
    erased.hold_fences(connection)
    if not erased.is_any(connection):
        return Fenced(batch)
    keys = [_keys(reading, *_words(reading.event) if _is_nameless(reading) else ()) for reading in batch]
    gone = erased.among(connection, {key for some in keys for key in some})
    found = Fenced([])
    for reading, some in zip(batch, keys, strict=True):
        theirs = {key: gone[key].erasure_id for key in some if key in gone and not gone[key].lets_in(reading.at)}
        if theirs:
            reading = _fence(connection, reading, theirs, found)
        found.batch.append(reading)
    return found


def erase_unhandled(connection: Connection, event: InboxEvent) -> bool:
    """Erase an event that cannot be handled, if its body holds the reference of an erased applicant; return whether it does."""
    erased.hold_fences(connection)
    keys = {ApplicantKey(event.vendor, event.environment, word) for word in _words(event) if is_name(word)}
    theirs = {key: one.erasure_id for key, one in erased.erased_here(connection, keys).items()}
    if theirs:
        event_erasure.lock_subjects(connection, [event])
        event_erasure.erase(connection, [Rewritten(event=event, kept_news=None, about=theirs)], theirs)
    return bool(theirs)


def _fence(connection: Connection, reading: EventReading, theirs: Mapping[ApplicantKey, str], found: Fenced) -> EventReading:
    """Return the reading of an event without some of its applicants, and note that it is to be erased."""
    event, others = reading.event, tuple(key.reference for key in _keys(reading) if key not in theirs)
    if reading.says is not None and not (event.replayed or event.repeat or event_erasure.is_known(connection, event)):
        found.noticed.append((event.vendor, event.environment, NEWS_OF_ERASED))
    found.erasure_of.update(theirs)
    left = _about(reading, others)
    found.rewritten.append(Rewritten(event=event, kept_news=kept_news.encode(left, others) if others else None, about=theirs))
    return left


def _about(reading: EventReading, others: Sequence[str]) -> EventReading:
    """Return what an event says of the others; if it names no other, that it was ignored."""
    if others and isinstance(reading.news, Unreadable):
        return reading
    if others and isinstance(reading.news, News):
        news = structs.replace(reading.news, references=tuple(others))
    else:
        news = News(event_type=None, says=None, because=event_erasure.REASON)
    return EventReading(event=reading.event, **structs.asdict(weigh(news, reading.occasion)))


def _keys(reading: EventReading, *words: str) -> list[ApplicantKey]:
    event = reading.event
    return [ApplicantKey(event.vendor, event.environment, reference) for reference in (*reading.references, *words)]


def _is_nameless(reading: EventReading) -> bool:
    return not reading.references or isinstance(reading.news, Unreadable)


def _words(event: InboxEvent) -> set[str]:
    """Return the texts of a body that names no applicant, as far as it could be read: one of them may be a reference."""
    try:
        body = event.body() if event.sealed_body else b""
    except Unopenable:
        return set()
    words = (match[0] for match in WORD.finditer(body.decode(errors="replace")))
    return set(islice(chain(_strings(body), words), WORDS_MAX))


def _strings(body: bytes) -> Iterator[str]:
    """Yield each string that is written in a body as in JSON, unescaped, whether the whole is JSON or not."""
    for match in QUOTED.finditer(body):
        with suppress(ValueError):
            yield json.loads(match[0])
