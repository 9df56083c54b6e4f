"""Strict schemas: whether every part of a body that reports a screening, a tag or a label is understood.

A schema consists of checks. A check yields each place that says something and is not understood, by documented names and never by
content. Null, `""`, `[]` and `{}` say nothing, under any key.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from handlers.config.vocabulary.words import Words
from store.text import json_body

#: Yields the places within a value that are not understood; what was found, its place, the vendor's words.
Check = Callable[[object, str, Words], Iterator[str]]

#: Longer keys are not remembered by their letters: they would fill the memory.
KEY_CHARS_REMEMBERED = 64


class Object(dict[str, Any]):
    """A JSON object. If a key occurs more than once, the last value counts, and all values are kept in `given`."""

    given: Mapping[str, list[Any]] = MappingProxyType({})

    def contradicts(self, key: str) -> bool:
        """Return whether the object holds a key more than once, with different values."""
        first, *others = self.given.get(key, (None,))
        return not all(_same(first, other) for other in others)

    @cached_property
    def is_clear(self) -> bool:
        """Return whether no key contradicts itself."""
        return not any(map(self.contradicts, self.given))


def not_understood(body: bytes, schema: Check, words: Words) -> tuple[str, ...]:
    """Return the places of a body that say something which the schema does not understand."""
    try:
        return tuple(dict.fromkeys(schema(json_body.decode_whole(body, _object), "", words)))
    except (json_body.NoObject, RecursionError):
        return ("the body",)


def says_something(value: object) -> bool:
    """Return whether a value says anything at all."""
    return value is not None and value not in ("", [], {})


# checks -------------------------------------------------------------------------------------------------------


def anything(value: object, place: str, words: Words) -> Iterator[str]:
    """Accept any value."""
    return iter(())


def a_flag(value: object, place: str, words: Words) -> Iterator[str]:
    """Accept true or false."""
    if not isinstance(value, bool):
        yield place


def a_text(value: object, place: str, words: Words) -> Iterator[str]:
    """Accept a text; its content is checked elsewhere."""
    if not isinstance(value, str):
        yield place


def a_word(value: object, place: str, words: Words) -> Iterator[str]:
    """Accept a word of the vendor's table."""
    if not isinstance(value, str) or value not in words:
        yield place


def one_of(*documented: str) -> Check:
    """Accept one of the documented words."""

    def check(value: object, place: str, words: Words) -> Iterator[str]:
        if not isinstance(value, str) or value not in documented:
            yield place

    return check


def a_list(of: Check) -> Check:
    """Accept a list in which each entry that says something is understood."""

    def check(value: object, place: str, words: Words) -> Iterator[str]:
        if not isinstance(value, list):
            yield place
            return
        for number, entry in enumerate(value):
            if says_something(entry):
                yield from of(entry, f"{place}[{number}]", words)

    return check


def an_object(known: Mapping[str, Check], *, only: bool = False, once: Collection[str] = (), elsewhere: Collection[str] = ()) -> Check:
    """Accept an object with known keys, in the vendor's spelling.

    `only`: any other key that says something is not understood. `once`: further keys that must not occur twice with different values.
    `elsewhere`: keys that the vendor documents in another place, so that they are not understood here."""
    spelled = {_letters(key): key for key in (*elsewhere, *known)}

    def check(value: object, place: str, words: Words) -> Iterator[str]:
        if not isinstance(value, Object):
            yield place or "the body"
            return
        for key in value.given:
            if (only or key in known or key in once) and value.contradicts(key):
                yield f"{_within(place, key if key in known or key in once else 'a key')} given twice"
        for key, part in value.items():
            if not says_something(part):
                continue
            if key in known:
                yield from known[key](part, _within(place, key), words)
            elif meant := spelled.get(_letters(key)):
                yield f"{_within(place, meant)} in another {'place' if key == meant else 'spelling'}"
            elif only:
                yield f"an unknown key in {place or 'the body'}"

    return check


# JSON ---------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> Object:
    found = Object(pairs)
    if len(found) < len(pairs):
        given: dict[str, list[Any]] = {}
        for key, value in pairs:
            given.setdefault(key, []).append(value)
        found.given = {key: values for key, values in given.items() if len(values) > 1}
    return found


def _same(one: object, other: object) -> bool:
    """Return whether two values are equal in JSON: true is not 1. An object that contradicts itself equals nothing."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Object) and isinstance(other, Object):
        return one.is_clear and other.is_clear and one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _letters(key: str) -> str:
    """Return the letters and digits of a key, whatever their case or width. Keys of usual length are cached."""
    return _remembered_letters(key) if len(key) <= KEY_CHARS_REMEMBERED else _letters_of(key)


def _letters_of(key: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", key) if letter.isalnum()).casefold()


_remembered_letters = lru_cache(maxsize=2048)(_letters_of)


def _within(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
