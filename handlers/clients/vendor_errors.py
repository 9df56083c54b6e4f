"""Vendor errors: what vendors say instead of an answer, read from their envelopes, bounded, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from handlers.clients.retry_after import readable

#: What stands where a credential was.
CUT_OUT = "[cut out]"

#: How credentials are written in a header, whoever's they are.
_AUTHORIZATION = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)

#: A message is not searched for credentials beyond that, nor shown.
_SEARCHED_CHARS_MAX = 20_000


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A vendor's error, in its own words."""

    says: str
    #: The vendor cannot answer now, whatever the HTTP status.
    not_now: bool = False
    #: The vendor does not take our credentials, whatever the HTTP status.
    credentials_refused: bool = False


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


def without(text: str, secrets: Iterable[str]) -> str:
    """Return the beginning of a text on one line, with credentials cut out."""
    text = text[:_SEARCHED_CHARS_MAX]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = re.sub(re.escape(secret), CUT_OUT, text, flags=re.IGNORECASE)
    return readable(_AUTHORIZATION.sub(rf"\1 {CUT_OUT}", text))
