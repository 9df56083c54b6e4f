"""Reading payloads: helpers that trust no value to be of its documented type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import msgspec

from handlers.config import Settings
from handlers.rules.news import News, Unreadable
from store.text import json_body
from store.text.names import as_name, is_storable

Payload = TypeVar("Payload", bound=msgspec.Struct)

#: The longest comment that is kept to be shown to an applicant.
COMMENT_CHARS_MAX = 10_000

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?( ?(Z|[+-]\d\d:?\d\d))?", re.ASCII | re.IGNORECASE)


class Interpret(Protocol):
    """Turn an event into news. Raises Unreadable."""

    def __call__(self, headers: dict[str, str], body: bytes, settings: Settings) -> News: ...


class InterpretAnswer(Protocol):
    """Turn a vendor's answer to a question into news. Raises Unreadable: such an answer repairs nothing."""

    def __call__(self, body: bytes, settings: Settings) -> News: ...


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """How a vendor's events and answers are interpreted, and whether they carry a time that orders them."""

    interpret: Interpret
    interpret_answer: InterpretAnswer
    has_clock: bool


#: The type of what a vendor answered.
READ = "standing.read"


def decode(body: bytes, payload: type[Payload]) -> Payload:
    """Return the fields of a JSON object that a payload struct names. Raises Unreadable."""
    try:
        return json_body.decode(body, payload)
    except json_body.NoObject as error:
        raise Unreadable("the body is not a JSON object") from error


def moves_nothing(event_type: str | None, references: tuple[str, ...], *, known: bool) -> News:
    """Return the news of an event that moves nothing. Of a type that the vendor is not known to send the reason says so."""
    name = event_type or "a type that cannot be read"
    because = f"{name} moves nothing" if known else f"unknown type: {name}"
    return News(event_type=event_type, references=references, says=None, because=because, is_unknown_type=not known)


def names(values: object) -> tuple[str, ...]:
    """Return the names in a list, in its order, each once; other values are left out."""
    entries: Iterable[object] = values if isinstance(values, list) else ()
    return tuple(dict.fromkeys(entry for entry in map(as_name, entries) if entry is not None))


def comment(value: object) -> str | None:
    """Return a text for people, if the value is a text that can be stored."""
    return value if isinstance(value, str) and 0 < len(value) <= COMMENT_CHARS_MAX and is_storable(value) else None


def moment(text: object, *, zone_needed: bool) -> datetime | None:
    """Return the time of a text, in UTC. A text without a zone is taken as UTC, unless a zone is required."""
    if not isinstance(text, str) or not (match := _MOMENT.fullmatch(text)) or (zone_needed and not match[2]):
        return None
    try:
        found = datetime.fromisoformat(text.upper().replace(" ", "T", 1).replace(" ", ""))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
