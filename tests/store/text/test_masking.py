"""Masking: what of a body is shown to whoever may not see personal data."""

from __future__ import annotations

import json

import pytest

from store.text import masking


def test_the_fields_of_the_rules_are_shown_and_all_others_are_masked() -> None:
    body = {
        "applicantId": "a-1",
        "reviewResult": {"reviewAnswer": "RED", "rejectLabels": ["SANCTIONS"], "moderationComment": "Dear Maria"},
        "info": {"firstName": "Maria", "age": 41, "isAdult": True, "note": None, "aliases": ["Mia", ["M."]]},
    }
    assert json.loads(masking.readable(json.dumps(body).encode())) == {
        "applicantId": "a-1",
        "reviewResult": {"reviewAnswer": "RED", "rejectLabels": ["SANCTIONS"], "moderationComment": "•••"},
        "info": {"firstName": "•••", "age": "•••", "isAdult": True, "note": None, "aliases": ["•••", ["•••"]]},
    }


def test_what_lies_within_a_field_that_is_shown_is_masked_by_its_own_name() -> None:
    assert masking.masked({"status": {"overall": "APPROVED", "docFirstName": "Maria"}}) == {
        "status": {"overall": "APPROVED", "docFirstName": "•••"}
    }


def test_revealed_nothing_is_masked() -> None:
    assert json.loads(masking.readable(b'{"firstName": "Maria"}', reveal=True)) == {"firstName": "Maria"}


@pytest.mark.parametrize(
    "body", [b"", b"Maria", b"\x00\xff\xfe", b'{"a": 1} Maria', b"[" * 100_000, b'{"a":' * 3_000 + b"1" + b"}" * 3_000]
)
def test_of_a_body_that_is_no_json_only_its_length_is_shown(body: bytes) -> None:
    assert masking.readable(body) == f"{len(body):,} bytes that are no JSON"


def test_a_lone_surrogate_stays_escaped() -> None:
    assert "\\ud800" in masking.readable(rb'{"type": "\ud800"}')
