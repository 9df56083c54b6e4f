"""What can be stored as a name, on every database."""

from __future__ import annotations

from store.database.columns import NAME_CHARS_MAX


def is_name(value: object) -> bool:
    """Whether a value is a text that can be stored as a name: not blank, not too long, no NUL, no lone surrogate."""
    return isinstance(value, str) and 0 < len(value) <= NAME_CHARS_MAX and bool(value.strip()) and is_storable(value)


def is_storable(text: str) -> bool:
    """Whether every database can store a text."""
    try:
        return "\0" not in text and text.encode() is not None
    except UnicodeEncodeError:
        return False
