"""Cursors: a place in a list, as a text that a caller gives back."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

Place = TypeVar("Place")


def encode(place: list[Any]) -> str:
    """Return the cursor of a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode(cursor: str, shape: type[Place]) -> Place:
    """Return the place of a cursor. Raises ValueError."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(text, type=shape)
        for moment in (part for part in place if isinstance(part, datetime)):  # type: ignore[attr-defined]
            moment.astimezone(UTC)
        return place
    except (binascii.Error, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise ValueError("not a cursor") from error
