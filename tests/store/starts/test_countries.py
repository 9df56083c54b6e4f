"""Countries' codes, converted."""

from __future__ import annotations

import pytest

from store.starts.wanted.countries import _PAIRS, alpha_2, alpha_3


def test_every_country_has_one_code_of_two_letters_and_one_of_three() -> None:
    pairs = _PAIRS.split()
    assert len(pairs) == len({pair[:2] for pair in pairs}) == len({pair[2:] for pair in pairs}) == 250
    assert all(pair.isalpha() and pair.isupper() and len(pair) == 5 for pair in pairs)
    assert all(alpha_3(pair[:2]) == pair[2:] and alpha_2(pair[2:]) == pair[:2] for pair in pairs)


@pytest.mark.parametrize(
    ("two", "three"),
    [("DE", "DEU"), ("KZ", "KAZ"), ("GB", "GBR"), ("CH", "CHE"), ("CI", "CIV"), ("KP", "PRK"), ("KR", "KOR"), ("LT", "LTU"), ("XK", "XKX")],
)
def test_each_form_gives_the_other_and_itself(two: str, three: str) -> None:
    assert [alpha_2(two), alpha_2(three), alpha_2(three.lower())] == [two] * 3
    assert [alpha_3(two), alpha_3(three), alpha_3(two.lower())] == [three] * 3


def test_a_passport_of_kosovo_names_it_otherwise() -> None:
    assert (alpha_2("RKS"), alpha_3("RKS")) == ("XK", "XKX")


@pytest.mark.parametrize("code", ["", "D", "UK", "XX", "XXX", "EUR", "D E", "276", "DEUT", "ß"])
def test_what_is_no_country_has_no_code(code: str) -> None:
    assert (alpha_2(code), alpha_3(code)) == (None, None)
