"""JSON bodies, decoded alike by `receiver` and `handlers`: both find the same values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

Shape = TypeVar("Shape", bound=msgspec.Struct)

#: Python makes no number of more than some thousand digits.
DIGITS_MAX = 1000


def forms_of(name: str) -> set[bytes]:
    """Return a name as a body may hold it: plain, or as JSON writes it, with every letter beyond ASCII escaped, or none."""
    return {form.encode() for form in (name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1])}


def holds_any(body: bytes, forms: Iterable[bytes]) -> bool:
    """Return whether a body holds one of the forms of names."""
    return any(form in body for form in forms)


class NoObject(Exception):
    """The body is no JSON object."""


def decode(body: bytes, shape: type[Shape]) -> Shape:
    """Return the fields of a JSON object that a struct names. Raises NoObject.

    A lone surrogate, or a number beyond all bounds, in one field spoils no other field: the standard library decodes such bodies."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    try:
        return msgspec.convert(json.loads(body.decode(), parse_constant=_refuse), shape)
    except (ValueError, RecursionError) as error:
        raise NoObject from error


def decode_whole(body: bytes, as_object: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Return the whole body; objects are lists of pairs, in which a key may occur twice. Raises NoObject.

    Tolerates whatever `decode` tolerates in parts that it does not read: bytes that are no UTF-8, numbers of any length."""
    try:
        return _decoder(as_object).decode(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise NoObject from error


def values_of(body: bytes, key: str) -> list[Any]:
    """Return every value that a JSON object gives for a key, however the key is escaped; none if the body is no JSON object."""
    try:
        # Tuples of pairs, so that no key is lost; only the outermost is the body's own.
        pairs = decode_whole(body, tuple)
    except NoObject:
        return []
    return [value for name, value in pairs if name == key] if isinstance(pairs, tuple) else []


@lru_cache(maxsize=8)
def _decoder(as_object: Callable[[list[tuple[str, Any]]], Any]) -> json.JSONDecoder:
    """Return the decoder for one way to build objects. It keeps no state. Decoding a small body takes less time than building a decoder."""
    return json.JSONDecoder(object_pairs_hook=as_object, parse_int=_integer, strict=False)


def _integer(digits: str) -> int | str:
    """Return a number; its digits if Python refuses to build a number of that length."""
    return int(digits) if len(digits) <= DIGITS_MAX else digits


def _refuse(constant: str) -> float:
    """Refuse NaN and the infinities, which are no JSON."""
    raise ValueError(constant)
