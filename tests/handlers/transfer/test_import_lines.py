"""A file is imported only if every line of it is right; each that is not is named, and what it holds is not repeated."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handlers.cli.transfer import import_check, import_fields
from handlers.cli.transfer.import_check import Checked, FileChanged
from handlers.cli.transfer.import_fields import Known, Whose, Wrong
from store.inbox.internal_events import ImportBody
from store.system import clock
from store.text.states import Status

HEADER = "vendor,reference,status,at,source"
GOOD = "idngo,ref-1,approved,2025-01-02T03:04:05+02:00,old-crm"

GOOD_JSON = {"vendor": "idngo", "reference": "ref-1", "status": "approved", "at": "2025-01-02T01:04:05Z", "source": "old-crm"}
LINE = json.dumps(GOOD_JSON)
BODY = ImportBody(reference="ref-1", status=Status.APPROVED, at=datetime(2025, 1, 2, 1, 4, 5, tzinfo=UTC), source="old-crm")


def examine(path: Path, content: str | bytes, *, source: str | None = None) -> tuple[Checked | None, list[str]]:
    """Whether a file with this content can be imported, and what is said of its lines."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said: list[str] = []
    checked = import_check.check(
        path, source=source, on_rows=lambda _: None, on_wrong=lambda wrong: said.append(f"{wrong.line}: {'; '.join(wrong.problems)}")
    )
    return checked, said


def rows(path: Path, *, source: str | None = None) -> list[Known | Whose | Wrong]:
    return list(import_fields.read(path, source=source))


# what is right ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{GOOD}\n",
        f"{HEADER}\n{GOOD}",
        f"\ufeff{HEADER}\r\n{GOOD}\r\n\r\n",
        "at,source,status,vendor,reference\n2025-01-02 01:04:05z,old-crm,approved,idngo,ref-1\n",
        f"{HEADER},hits,reasons,external_user_id\n{GOOD},,,\n",
    ],
)
def test_a_csv_says_where_an_applicant_stood(tmp_path: Path, content: str) -> None:
    file = tmp_path / "known.csv"
    assert examine(file, content)[1] == []
    assert rows(file) == [Known("idngo", BODY)]


@pytest.mark.parametrize("content", [LINE, f"\ufeff{LINE}\r\n\n", json.dumps(GOOD_JSON | {"hits": None})])
def test_json_lines_say_the_same(tmp_path: Path, content: str) -> None:
    file = tmp_path / "known.jsonl"
    assert examine(file, content)[1] == []
    assert rows(file) == [Known("idngo", BODY)]


def test_reasons_and_hits_are_separated_by_spaces_or_semicolons_in_csv_and_lists_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER},reasons,hits\n{GOOD},BLACKLIST; SANCTIONS,blacklist sanctions\n")
    (tmp_path / "a.jsonl").write_text(json.dumps(GOOD_JSON | {"reasons": ["BLACKLIST", "SANCTIONS"], "hits": ["blacklist", "sanctions"]}))
    assert rows(tmp_path / "a.csv") == rows(tmp_path / "a.jsonl")
    [row] = rows(tmp_path / "a.csv")
    assert isinstance(row, Known)
    assert (row.body.reasons, row.body.hits) == (("BLACKLIST", "SANCTIONS"), ("blacklist", "sanctions"))


def test_the_source_that_is_given_is_that_of_the_lines_that_name_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}\n{GOOD}\n{GOOD.replace('old-crm', '')}\n")
    assert [row.body.source for row in rows(tmp_path / "a.csv", source="files") if isinstance(row, Known)] == ["old-crm", "files"]


def test_a_quoted_cell_may_hold_commas_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'{HEADER}\nidngo,"a, ""b""",approved,2025-01-02T03:04:05Z,old-crm\n')
    [row] = rows(tmp_path / "a.csv")
    assert isinstance(row, Known)
    assert row.body.reference == 'a, "b"'


def test_a_file_may_say_whose_cases_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("case_id,external_user_id\ncase-1,customer-1\n")
    (tmp_path / "a.jsonl").write_text('{"external_user_id": "customer-1", "case_id": "case-1"}\n')
    assert rows(tmp_path / "a.csv") == rows(tmp_path / "a.jsonl") == [Whose("case-1", "customer-1")]


# what is wrong ------------------------------------------------------------------------------------------------

WRONG_LINES = [
    (GOOD.replace("approved", "verified"), "status must be one of created, in_review, "),
    (GOOD.replace("approved", "Approved"), "status must be one of "),
    (GOOD.replace("idngo", "acme"), "vendor must be one of ifcgate, idngo, idenfy"),
    (GOOD.replace("ref-1", ""), "reference must be a text of 1 to 200 characters"),
    (GOOD.replace("ref-1", " "), "reference must be a text"),
    (GOOD.replace("ref-1", "r" * 201), "reference must be a text"),
    (GOOD.replace("old-crm", ""), "source must be a text"),
    (GOOD.replace("+02:00", ""), "at must be a time with its zone"),
    (GOOD.replace("2025-01-02T03:04:05+02:00", "2025-02-30T00:00:00Z"), "at must be a time"),
    (GOOD.replace("2025-01-02T03:04:05+02:00", ""), "at must be a time"),
    (GOOD.replace("2025", "9025"), "at is in the future"),
    (GOOD + ",more", "has 6 fields, and the header 5"),
    ("idngo,ref-1", "has 2 fields, and the header 5"),
    (GOOD.replace("ref-1", '"ref"-1'), "is no CSV"),
    (GOOD.replace("ref-1", "r\0f"), "is not UTF-8, holds a NUL"),
    (GOOD.encode().replace(b"ref-1", b"r\xe9f"), "is not UTF-8"),
    (GOOD.replace("ref-1", "r" * 100_000), "is longer than 100,000 bytes"),
]


@pytest.mark.parametrize(("line", "said"), WRONG_LINES)
def test_a_wrong_line_of_a_csv_is_named_and_the_others_are_looked_at(tmp_path: Path, line: str | bytes, said: str) -> None:
    raw = line if isinstance(line, bytes) else line.encode()
    checked, [first, second] = examine(tmp_path / "a.csv", b"\n".join([HEADER.encode(), GOOD.encode(), raw, GOOD.encode(), raw, b""]))
    assert checked is None
    assert (first.partition(": ")[0], second.partition(": ")[0]) == ("3", "5")
    assert said in first


WRONG_OBJECTS = [
    (GOOD_JSON | {"status": ["approved"]}, "status must be one of"),
    (GOOD_JSON | {"vendor": {}}, "vendor must be one of"),
    (GOOD_JSON | {"reference": 7}, "reference must be a text"),
    (GOOD_JSON | {"reference": "r\0f"}, "reference must be a text"),
    (GOOD_JSON | {"at": 1_700_000_000}, "at must be a time"),
    (GOOD_JSON | {"reasons": {"a": 1}}, "reasons must be a list"),
    (GOOD_JSON | {"reasons": [7]}, "reasons must be a text"),
    (GOOD_JSON | {"hits": ["aml", "luck"]}, "hits must be one of blacklist, sanctions"),
    (GOOD_JSON | {"external_user_id": ""}, "external_user_id must be a text"),
    (GOOD_JSON | {"name": "Maria"}, "unknown: name; there may be vendor, reference"),
    ({"reference": "ref-1"}, "vendor must be one of"),
    ({"case_id": "case-1", "external_user_id": "customer-1"}, "says where an applicant stood among lines that say whose"),
]


@pytest.mark.parametrize(("fields", "said"), WRONG_OBJECTS)
def test_a_wrong_object_is_named(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    content = "\n".join(map(json.dumps, [GOOD_JSON, fields, GOOD_JSON]))
    checked, [only] = examine(tmp_path / "a.jsonl", content)
    assert checked is None
    assert only.startswith(f"2: {said}")


NO_OBJECTS = [b"[1]", b"7", b"nonsense", b'{"vendor": "\xff"}', b'{"reference": "\\ud800"}', b"{" * 90_000, b"x" * 250_000]


@pytest.mark.parametrize("line", NO_OBJECTS)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: bytes) -> None:
    good = json.dumps(GOOD_JSON).encode()
    checked, [only] = examine(tmp_path / "a.jsonl", b"\n".join([good, line, good]))
    assert checked is None
    assert only.startswith(("2: is no JSON object", "2: is not UTF-8"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "1: the file says nothing"),
        (f"{HEADER}\n", "1: the file says nothing"),
        (f"{HEADER},status\n{GOOD},approved\n", "1: status is there twice"),
        (f"{HEADER},name\n{GOOD},Maria\n", "1: unknown: name; there may be vendor, reference, status"),
        (f"{HEADER},\n{GOOD},\n", "1: unknown: a column without a name"),
        ("vendor,reference,at\n", "1: status is missing"),
        ("case_id,external_user_id,vendor\n", "1: unknown: vendor; there may be case_id, external_user_id"),
        ("case_id\n", "1: external_user_id is missing"),
        (GOOD, "1: unknown: idngo, ref-1, approved"),
    ],
)
def test_a_header_that_cannot_be_right_is_named(tmp_path: Path, content: str, said: str) -> None:
    checked, [only] = examine(tmp_path / "a.csv", content)
    assert checked is None
    assert only.startswith(said)


def test_a_header_cannot_move_the_cursor(tmp_path: Path) -> None:
    assert "\x1b" not in examine(tmp_path / "a.csv", "\x1b[2J,vendor\n")[1][0]


def test_what_a_line_holds_is_never_repeated(tmp_path: Path) -> None:
    secret = "Maria-Beispiel"
    for name in HEADER.split(","):
        line = ",".join(secret if column == name else "" for column in HEADER.split(","))
        assert secret not in examine(tmp_path / "a.csv", f"{HEADER}\n{line}\n")[1][0]


def test_an_unclosed_quote_costs_its_record_and_the_file_but_no_memory(tmp_path: Path) -> None:
    checked, said = examine(tmp_path / "a.csv", f'{HEADER}\nidngo,"ref-1,approved\n' + f"{GOOD}\n" * 10)
    assert checked is None
    assert said[0].startswith("2: is no CSV")


def test_what_was_true_a_second_ago_is_known_and_what_will_be_is_not(tmp_path: Path) -> None:
    then, soon = (str(clock.rfc3339(clock.now() + timedelta(seconds=seconds))) for seconds in (-1, 60))
    lines = [HEADER, *(f"idngo,ref-1,approved,{at},old-crm" for at in (then, soon))]
    assert examine(tmp_path / "a.csv", "\n".join(lines))[1] == ["3: at is in the future"]


# a file that changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [f"{HEADER}\n{GOOD}\n{GOOD}\n", f"{HEADER}\n", f"{HEADER}\n{GOOD.replace('ref-1', 'reference-2')}\n"])
def test_a_file_that_was_changed_after_it_was_checked_is_not_imported(tmp_path: Path, content: str) -> None:
    file = tmp_path / "a.csv"
    checked, _ = examine(file, f"{HEADER}\n{GOOD}\n")
    assert checked
    file.write_text(content)
    with pytest.raises(FileChanged):
        list(import_check.again(checked))


def test_a_file_that_was_put_in_its_place_is_not_imported(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    checked, _ = examine(file, f"{HEADER}\n{GOOD}\n")
    assert checked
    (tmp_path / "b.csv").write_text(file.read_text())
    (tmp_path / "b.csv").replace(file)
    with pytest.raises(FileChanged):
        list(import_check.again(checked))
