"""Keys as settings give them: base64 of 32 bytes."""

from __future__ import annotations

import base64
import binascii

from store.system.environment import Environment

KEY_BYTES = 32


def parsed(text: str) -> bytes:
    """Return the bytes of a key. Raises ValueError with words that follow the setting's name."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"is not base64 of {KEY_BYTES} bytes")
    return key


def single(environment: Environment, name: str) -> bytes | None:
    """Return the key of a setting; None if it is not set, or is wrong, which the environment then reports."""
    text = environment.text(name)
    try:
        return parsed(text) if text else None
    except ValueError as error:
        environment.wrong(name, str(error))
        return None
