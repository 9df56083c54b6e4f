"""Safe text: no letter of another's moves a cursor, turns the text around, or begins a formula; and counts read as a person says them."""

from __future__ import annotations

import json
import re

import pytest

from store.text import safe_text
from store.text.counts import counted

#: C0, DEL, C1, bidirectional marks and overrides, invisible letters, line ends, tags beyond the BMP.
HARMFUL = ["\x1b", "\x7f", "\x9b", "\u061c", "\u200e", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\U000e0041"]


@pytest.mark.parametrize("letter", HARMFUL, ids=ascii)
def test_json_says_the_same_and_shows_no_letter_that_a_terminal_obeys(letter: str) -> None:
    said = {"reference": f"é{letter}ж漢🙂", letter: [letter]}
    line = safe_text.as_json(said)
    assert line.isprintable()
    assert "é" in line
    assert "🙂" in line
    assert json.loads(line) == said


@pytest.mark.parametrize("letter", [letter for letter in HARMFUL if letter < "\U00010000"], ids=ascii)
def test_what_programs_are_told_of_a_reason_excludes_the_same_letters(letter: str) -> None:
    assert re.search(safe_text.SHOWABLE_WORDS, "Größe – 漢字, naïve") is not None
    assert re.search(safe_text.SHOWABLE_WORDS, f"because{letter}of") is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "＝1+1", "＋1", "－1", "＠A1", "﹢1", "⁼1", " =1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_text.for_a_sheet(text).startswith("'")


def test_a_cell_that_a_tab_or_a_line_end_begins_shows_it() -> None:
    assert [safe_text.for_a_sheet("\t=1"), safe_text.for_a_sheet("\n@A1")] == ["·=1", "·@A1"]


@pytest.mark.parametrize("text", ["5cb56e8e", "Ａ", "a=b", "", "漢"])
def test_any_other_cell_is_as_it_was(text: str) -> None:
    assert safe_text.for_a_sheet(text) == text


def test_a_count_is_in_the_singular_or_the_plural() -> None:
    assert [counted(1, "event"), counted(0, "event"), counted(2000, "match", "matches")] == ["1 event", "0 events", "2,000 matches"]
