"""Strict reading: whether the parts of a body that report a screening, a tag or a label are understood whole.

A schema is made of checks. A check yields each place that says something and is not understood, by the names that the vendor documents
and never by what the body holds. Null, `""`, `[]` and `{}` say nothing, whatever the key is called.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from handlers.vocabulary.words import Words

#: Yields the places within a value that are not understood; what was found, its place, the vendor's words.
Check = Callable[[object, str, Words], Iterator[str]]


class Object(dict[str, Any]):
    """A JSON object, and which of its keys stand in it twice with different values."""

    repeated: frozenset[str] = frozenset()


def not_understood(body: bytes, schema: Check, words: Words) -> tuple[str, ...]:
    """Return the places of a body that say something which the schema does not understand."""
    try:
        found = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return ("the body",)
    return tuple(dict.fromkeys(schema(found, "", words)))


def says_something(value: object) -> bool:
    """Return whether a value says anything at all."""
    return value is not None and value not in ("", [], {})


# checks -------------------------------------------------------------------------------------------------------


def anything(value: object, place: str, words: Words) -> Iterator[str]:
    """Any shape."""
    return iter(())


def a_flag(value: object, place: str, words: Words) -> Iterator[str]:
    """True or false."""
    if not isinstance(value, bool):
        yield place


def a_text(value: object, place: str, words: Words) -> Iterator[str]:
    """A text, which others read."""
    if not isinstance(value, str):
        yield place


def a_word(value: object, place: str, words: Words) -> Iterator[str]:
    """A word of the vendor's table."""
    if not isinstance(value, str) or value not in words:
        yield place


def one_of(*documented: str) -> Check:
    """One of the documented words."""

    def check(value: object, place: str, words: Words) -> Iterator[str]:
        if not isinstance(value, str) or value not in documented:
            yield place

    return check


def a_list(of: Check) -> Check:
    """A list; each entry that says something is understood."""

    def check(value: object, place: str, words: Words) -> Iterator[str]:
        if not isinstance(value, list):
            yield place
            return
        for number, entry in enumerate(value):
            if says_something(entry):
                yield from of(entry, f"{place}[{number}]", words)

    return check


def an_object(known: Mapping[str, Check], *, only: bool = False, once: Collection[str] = (), elsewhere: Collection[str] = ()) -> Check:
    """An object with known keys, in the vendor's spelling.

    `only`: any other key that says something is not understood. `once`: further keys that may not stand in it twice with different
    values. `elsewhere`: keys that the vendor documents in another place, so that one here is not understood."""
    spelled = {_letters(key) for key in (*known, *elsewhere)}

    def check(value: object, place: str, words: Words) -> Iterator[str]:
        if not isinstance(value, Object):
            yield place or "the body"
            return
        for key in value.repeated:
            if only or key in known or key in once:
                yield f"{_within(place, key if key in known or key in once else 'a key')} given twice"
        for key, part in value.items():
            if not says_something(part):
                continue
            if key in known:
                yield from known[key](part, _within(place, key), words)
            elif only or _letters(key) in spelled:
                yield f"an unknown key in {place or 'the body'}"

    return check


# JSON ---------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> Object:
    found = Object(pairs)
    if len(found) < len(pairs):
        values: dict[str, Any] = {}
        found.repeated = frozenset(key for key, value in pairs if not _same(values.setdefault(key, value), value))
    return found


def _same(one: object, other: object) -> bool:
    """Whether two values are the same in JSON: true is not 1."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _letters(key: str) -> str:
    """A key by its letters and digits alone, whatever their case or width."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", key) if letter.isalnum()).casefold()


def _within(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
