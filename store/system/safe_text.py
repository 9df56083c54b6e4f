"""Safe text: values of others, made safe to show in a terminal and in a spreadsheet."""

from __future__ import annotations


def for_a_sheet(value: object) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    text = plain(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


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
