"""Names: what can be stored as a name, on every database."""

from __future__ import annotations

import re

#: The longest name (reference, user id, level, label) that is stored; a longer one is not taken for a name.
NAME_CHARS_MAX = 200

#: The form of an event's id; whatever else is asked for does not exist.
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_name(value: object) -> bool:
    """Return whether a value is a text that can be stored as a name: not blank, not too long, no NUL, no lone surrogate."""
    return isinstance(value, str) and 0 < len(value) <= NAME_CHARS_MAX and bool(value.strip()) and is_storable(value)


def as_name(value: object) -> str | None:
    """Return a value that can be stored as a name (a reference, a user id, a level, a label); None for any other."""
    return value if isinstance(value, str) and is_name(value) else None


def is_storable(text: str) -> bool:
    """Return whether every database can store a text."""
    try:
        return "\0" not in text and text.encode() is not None
    except UnicodeEncodeError:
        return False
