"""Bodies as JSON, for both rooms alike: what one finds in a body, the other must find."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

Shape = TypeVar("Shape", bound=msgspec.Struct)


class NoObject(Exception):
    """The body is no JSON object."""


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """The fields of a JSON object that a shape names. Raises NoObject.

    A lone surrogate or a number beyond all bounds in one field spoils no other: for such bodies the standard library is asked."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    try:
        return msgspec.convert(json.loads(body.decode(), parse_constant=_refuse), shape)
    except (ValueError, RecursionError) as error:
        raise NoObject from error


def values_of(body: bytes, key: str) -> list[Any]:
    """Return every value that a JSON object gives for a key, however the key is escaped; none if the body is no JSON object."""
    try:
        # Lists of pairs, so that no key is lost; only the outermost list is the body's own.
        pairs = json.loads(body.decode(), object_pairs_hook=tuple, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return []
    return [value for name, value in pairs if name == key] if isinstance(pairs, tuple) else []


def _refuse(constant: str) -> float:
    """NaN and the infinities are no JSON."""
    raise ValueError(constant)
