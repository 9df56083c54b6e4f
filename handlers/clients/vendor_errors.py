"""Vendor errors: what vendors say instead of an answer, read from their envelopes, bounded, and without secrets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from handlers.clients.retry_after import readable

#: What stands where a credential was.
CUT_OUT = "[cut out]"

#: What stands where something about a person was. A shorter value is masked as a word of its own, and not within other words.
MASKED, WITHIN_WORDS_CHARS = "[masked]", 4

#: How credentials are written in a header, whoever's they are.
_AUTHORIZATION = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)

#: A message is not searched for credentials beyond that, nor shown.
_SEARCHED_CHARS_MAX = 20_000


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A vendor's error, in its own words."""

    says: str = field(repr=False)
    #: The vendor cannot answer now, whatever the HTTP status.
    not_now: bool = False
    #: The vendor does not take our credentials, whatever the HTTP status.
    credentials_refused: bool = False
    #: What kind of error it is, in the vendor's numbers and words.
    code: int | None = None
    identifier: str | None = None
    #: The HTTP status as the envelope has it.
    status: int | None = None
    #: The sentence alone, as the vendor wrote it: to be read here and not shown.
    message: str = field(default="", repr=False)


def parsed(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object of a body; None if it is none."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def worded(*parts: object) -> str:
    """Return the words and numbers of an envelope as one text."""
    return ": ".join(str(part) for part in parts if part != "" and isinstance(part, str | int | float) and not isinstance(part, bool))


def without(text: str, secrets: Iterable[str], *, personal: Iterable[str] = ()) -> str:
    """Return the beginning of a text on one line, with credentials cut out, and a person's data masked."""
    text = _replaced(text[:_SEARCHED_CHARS_MAX], secrets, CUT_OUT)
    return readable(_replaced(_AUTHORIZATION.sub(rf"\1 {CUT_OUT}", text), _spelled(tuple(personal)), MASKED))


def _replaced(text: str, found: Iterable[str], instead: str) -> str:
    for value in sorted(filter(None, found), key=len, reverse=True):
        pattern = re.escape(value)
        if instead == MASKED and len(value) < WITHIN_WORDS_CHARS:
            pattern = rf"(?<!\w){pattern}(?!\w)"
        text = re.sub(pattern, instead, text, flags=re.IGNORECASE)
    return text


def _spelled(values: tuple[str, ...]) -> set[str]:
    """Return the values as a vendor may repeat them, and each of their words that is long enough to be one."""
    words = {part for value in values for part in (value, *value.split())}
    spelled = {form for word in words for form in (word, _unaccented(word), word.upper(), re.sub(r"\W", "", word))}
    return {form for form in spelled if form in values or len(form) >= WITHIN_WORDS_CHARS}


def _unaccented(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
