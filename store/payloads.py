"""Bodies as JSON, for both rooms alike: what one finds in a body, the other must find."""

from __future__ import annotations

import json
from typing import TypeVar

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


def _refuse(constant: str) -> float:
    """NaN and the infinities are no JSON."""
    raise ValueError(constant)
