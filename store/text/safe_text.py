"""Safe text: values of others, made safe to show in a terminal and in a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import msgspec

#: What a spreadsheet takes for the beginning of a formula; letters of full width and the like count as what they look like.
FORMULA = ("=", "+", "-", "@")

#: Letters that move a cursor, hide, or turn the direction of the text: those of the BMP, as regular expressions write them.
_HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb"
)

#: A text without such letters that holds something to read.
SHOWABLE_WORDS = f"^[^{_HIDDEN}]*[^{_HIDDEN}\\x20\\xa0][^{_HIDDEN}]*$"


def for_a_sheet(value: object) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    text = plain(value)
    return f"'{text}" if unicodedata.normalize("NFKC", text[:8]).lstrip().startswith(FORMULA) else text


#: How long a reason may be that somebody gives for an act.
REASON_CHARS_MAX = 1000


def is_reason(text: str) -> bool:
    """Return whether a text can be given as the reason of an act: printable, not blank, of a bounded length."""
    return 0 < len(text) <= REASON_CHARS_MAX and text.isprintable() and bool(text.strip())


def plain(value: object) -> str:
    """Return a value as text in which nothing moves the cursor or changes colours."""
    if value is None or value == []:
        return ""
    text = value if isinstance(value, str) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "·" for letter in text)


def as_json(value: Any) -> str:
    """Return a value as JSON on one line, in which what a terminal could obey (C0, C1, bidirectional marks) is escaped."""
    text = msgspec.json.encode(value).decode()
    return text if text.isprintable() else re.sub(r"[^ -~]", _escaped, text)


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    if letter.isprintable():
        return letter
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
