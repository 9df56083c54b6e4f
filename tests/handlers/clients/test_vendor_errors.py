"""A vendor's words, without credentials and without what was sent of a person."""

from __future__ import annotations

import pytest

from handlers.clients.vendor_errors import without


@pytest.mark.parametrize(
    ("said", "personal", "shown"),
    [
        ("José and JOSÉ and jose and JOSE", ("José",), "[masked] and [masked] and [masked] and [masked]"),
        ("Straße, STRASSE", ("Straße",), "[masked], [masked]"),
        ("LI is in the limit, li.", ("Li",), "[masked] is in the limit, [masked]."),
        ("call +77015550101", ("+7 (701) 555-01-01",), "call +[masked]"),
        ("call +7 (701) 555-01-01", ("+7 (701) 555-01-01",), "call [masked]"),
        ("Main St 1, Springfield", ("1 Main St, Springfield",), "[masked] St 1, [masked]"),
        ("XANNAX", ("anna",), "X[masked]X"),
        ("nothing", ("",), "nothing"),
        ("a.c is not abc", ("a.c",), "[masked] is not abc"),
    ],
)
def test_what_was_sent_of_a_person_is_masked(said: str, personal: tuple[str, ...], shown: str) -> None:
    assert without(said, (), personal=personal) == shown


def test_a_credential_is_cut_out_before_a_person_is_masked() -> None:
    assert without("Bearer abc of geheim and Anna", ("geheim",), personal=("Anna",)) == "Bearer [cut out] of [cut out] and [masked]"
