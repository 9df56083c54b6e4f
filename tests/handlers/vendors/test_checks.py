"""The checks that strict schemas consist of: which values each accepts, and which place it names otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from handlers.config.vocabulary.words import PLAIN
from handlers.vendors.strict_schema import (
    KEY_CHARS_REMEMBERED,
    Check,
    a_flag,
    a_list,
    a_text,
    a_word,
    an_object,
    anything,
    not_understood,
    one_of,
    says_something,
)

WORDS = {"SANCTIONS": PLAIN}


def places(value: str, check: Check) -> list[str]:
    """What is not understood of a value under the key `part`."""
    return list(not_understood(b'{"part": ' + value.encode() + b"}", an_object({"part": check}), WORDS))


def within(body: str, **schema: Any) -> list[str]:
    return list(not_understood(body.encode(), an_object(**{"known": {}} | schema), WORDS))


@pytest.mark.parametrize(
    ("made", "accepted", "refused"),
    [
        (lambda: anything, ["7", '"any"', "[1]", '{"a": 1}'], []),
        (lambda: a_flag, ["true", "false"], ["0", "1", '"true"', "[true]"]),
        (lambda: a_text, ['"any text"'], ["7", "true", '["text"]']),
        (lambda: a_word, ['"SANCTIONS"'], ['"sanctions"', '"ANOTHER"', "7", '["SANCTIONS"]']),
        (lambda: one_of("ONE", "TWO"), ['"ONE"', '"TWO"'], ['"one"', '"THREE"', "1", '["ONE"]']),
        (lambda: a_list(a_flag), ["[true, false]"], ["true", '"text"', '{"a": true}']),
        (lambda: an_object({}), ['{"a": 1}'], ["7", '"text"', '[{"a": 1}]']),
    ],
)
def test_a_check_accepts_its_values_and_names_the_place_of_any_other(
    made: Callable[[], Check], accepted: list[str], refused: list[str]
) -> None:
    assert [places(value, made()) for value in accepted] == [[]] * len(accepted)
    assert [places(value, made()) for value in refused] == [["part"]] * len(refused)


@pytest.mark.parametrize("nothing", ["null", '""', "[]", "{}"])
def test_what_says_nothing_meets_no_check(nothing: str) -> None:
    assert places(nothing, a_flag) == []
    assert places(f"[true, {nothing}]", a_list(a_flag)) == []


@pytest.mark.parametrize(("value", "says"), [(None, False), ("", False), ([], False), ({}, False), (0, True), (False, True), (" ", True)])
def test_only_null_and_what_is_empty_say_nothing(value: object, says: bool) -> None:
    assert says_something(value) is says


def test_each_entry_of_a_list_is_named_by_its_number() -> None:
    assert places('[true, 7, null, "x"]', a_list(a_flag)) == ["part[1]", "part[3]"]
    assert places("[[true, 7], [8]]", a_list(a_list(a_flag))) == ["part[0][1]", "part[1][0]"]
    assert places('["SANCTIONS", "OTHER"]', a_list(a_word)) == ["part[1]"]


def test_each_known_key_meets_its_check_and_is_named_from_the_outside_in() -> None:
    inner = an_object({"flag": a_flag, "word": a_word})
    assert within('{"a": {"flag": 7, "word": "OTHER"}, "b": 1}', known={"a": inner, "b": a_text}) == ["a.flag", "a.word", "b"]


def test_the_words_of_the_vendor_reach_a_check_at_any_depth() -> None:
    assert within('{"a": {"b": ["SANCTIONS"]}}', known={"a": an_object({"b": a_list(a_word)})}) == []


def test_an_unknown_key_is_accepted_unless_the_object_is_closed() -> None:
    body = '{"a": {"further": 7, "empty": []}, "more": 7}'
    assert within(body, known={"a": an_object({})}) == []
    assert within(body, known={"a": an_object({}, only=True)}) == ["an unknown key in a"]
    assert within(body, known={"a": anything}, only=True) == ["an unknown key in the body"]


@pytest.mark.parametrize("spelled", ["final", "FINAL", "fi_nal", "fi nal", "ｆｉｎａｌ", "f-i-n-a-l"])
def test_a_known_key_in_another_spelling_is_not_understood(spelled: str) -> None:
    assert within(f'{{"{spelled}": true}}', known={"Final": a_flag}) == ["Final in another spelling"]
    assert within(f'{{"a": {{"{spelled}": true}}}}', known={"a": an_object({}, elsewhere=("Final",))}) == ["a.Final in another spelling"]


def test_letters_are_compared_in_keys_of_any_length() -> None:
    for length in (KEY_CHARS_REMEMBERED - 1, KEY_CHARS_REMEMBERED, KEY_CHARS_REMEMBERED + 1):
        assert within(f'{{"{"K" * length}": 7}}', known={"k" * length: a_flag}) == [f"{'k' * length} in another spelling"]


def test_a_key_of_another_place_is_not_understood_there_unless_it_says_nothing() -> None:
    assert within('{"tags": ["x"]}', elsewhere=("tags",)) == ["tags in another place"]
    assert within('{"tags": []}', elsewhere=("tags",)) == []
    assert within('{"tags": true}', known={"tags": a_flag}, elsewhere=("tags",)) == []


def test_a_key_that_counts_contradicts_itself_if_it_is_given_twice() -> None:
    twice = '{"a": {"x": 1, "x": 2, "y": 1, "y": 2}}'
    assert within(twice, known={"a": an_object({"x": anything})}) == ["a.x given twice"]
    assert within(twice, known={"a": an_object({}, once=("y",))}) == ["a.y given twice"]
    assert within(twice, known={"a": an_object({})}) == []
    assert within(twice, known={"a": an_object({"x": anything}, only=True)}) == [
        "a.x given twice",
        "a.a key given twice",
        "an unknown key in a",
    ]
    assert within('{"a": {"x": 1, "x": 1}}', known={"a": an_object({"x": anything})}) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1", True), ("1", "true", False), ("1", "1.0", False), ("0", "false", False), ('"a"', '"a"', True), ('"a"', '"b"', False),
        ("[1, 2]", "[1, 2]", True), ("[1, 2]", "[1, 3]", False), ("[1]", "[1, 1]", False), ("[1]", "[true]", False), ("[]", "{}", False),
        ('{"a": 1}', '{"a": 1}', True), ('{"a": 1}', '{"a": 2}', False), ('{"a": 1}', '{"b": 1}', False),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', True), ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ('{"a": 1, "a": 1}', '{"a": 1}', True), ('{"a": 2, "a": 1}', '{"a": 1}', False), ('{"a": 1}', '{"a": 2, "a": 1}', False),
        ("null", "null", True), ("null", '""', False),
    ],
)  # fmt: skip
def test_values_of_one_key_are_compared_as_json(one: str, other: str, same: bool) -> None:
    assert within(f'{{"x": {one}, "x": {other}}}', once=("x",)) == ([] if same else ["x given twice"])
    assert within(f'{{"x": {one}, "x": {one}, "x": {other}}}', once=("x",)) == ([] if same else ["x given twice"])


def test_each_place_is_named_once() -> None:
    assert within('{"a": 7, "A": 7, "a ": 8}', known={"a": a_flag}) == ["a", "a in another spelling"]


@pytest.mark.parametrize("body", ["[]", "7", "{", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"])
def test_what_is_no_object_that_can_be_read_is_not_understood(body: str) -> None:
    assert within(body) == ["the body"]
