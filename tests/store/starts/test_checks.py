"""What is refused before a verification is kept or sent: each problem names its field, and repeats no value."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from store.starts.wanted.checks import Wanted, problems
from store.starts.wanted.person import PERSON_CHARS_MAX, Document, DocumentType, Person, Side

TODAY = date(2026, 11, 30)
BASE: dict[str, dict[str, Any]] = {
    "ifcgate": {"mode": "documents", "workflow": "onboarding-default"},
    "idngo": {"mode": "hosted", "level": "basic-kyc-level"},
    "idenfy": {"mode": "hosted"},
}
each_vendor = pytest.mark.parametrize("vendor", list(BASE))


def wanted(like: str, **different: Any) -> Wanted:
    """A verification at a vendor, with these fields otherwise."""
    return Wanted(**{"vendor": like, "external_user_id": "user-7", **BASE[like], **different})


def fields(asked: Wanted) -> list[str]:
    return [problem.field for problem in problems(asked, today=TODAY)]


def image(kind: str, side: str | None = None, country: str | None = "DE", **where: str) -> Document:
    return Document(type=DocumentType(kind), side=Side(side) if side else None, country=country, **where)


CARD = (image("ID_CARD", "FRONT"), image("ID_CARD", "BACK"))
FACE = image("SELFIE")


@each_vendor
def test_a_verification_with_nothing_else_can_be_begun(vendor: str) -> None:
    assert problems(wanted(vendor), today=TODAY) == []


@each_vendor
def test_a_whole_person_can_be_sent(vendor: str) -> None:
    person = Person(
        first_name="Anna-Lena",
        last_name="O'Neill Петрова",
        middle_name="M.",
        date_of_birth="1990-02-28",
        sex="F",
        nationality="kaz",
        country="KZ",
        email="anna@example.com",
        phone="+7 (701) 555-01-01",
        address="Abay 1, Almaty",
        personal_number="900228400123",
        document_number="N1234567",
    )
    assert problems(wanted(vendor, person=person), today=TODAY) == []


@pytest.mark.parametrize(
    ("vendor", "different", "field"),
    [
        ("ifcgate", {"vendor": "else"}, "vendor"),
        ("idngo", {"mode": "else"}, "mode"),
        ("ifcgate", {"mode": "hosted"}, "mode"),
        ("ifcgate", {"workflow": None}, "workflow"),
        ("ifcgate", {"level": "a"}, "level"),
        ("idngo", {"level": None}, "level"),
        ("idngo", {"level": ".."}, "level"),
        ("idngo", {"level": "a\nb"}, "level"),
        ("idngo", {"workflow": "a"}, "workflow"),
        ("idenfy", {"level": "a"}, "level"),
        ("idenfy", {"external_user_id": "a" * 101}, "external_user_id"),
        ("idenfy", {"external_user_id": "пользователь"}, "external_user_id"),
        ("idngo", {"external_user_id": "a" * 201}, "external_user_id"),
        ("idngo", {"external_user_id": "."}, "external_user_id"),
        ("ifcgate", {"external_user_id": " "}, "external_user_id"),
        ("ifcgate", {"external_user_id": "a\0"}, "external_user_id"),
        ("ifcgate", {"external_user_id": "\ud800"}, "external_user_id"),
    ],
)
def test_what_a_vendor_cannot_do_is_refused(vendor: str, different: dict[str, Any], field: str) -> None:
    assert fields(wanted(vendor, **different)) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", "a" * 101),
        ("first_name", ""),
        ("first_name", "Anna\n"),
        ("first_name", "\ud800"),
        ("last_name", "Anna/Lena"),
        ("last_name", 'the "great"'),
        ("last_name", "---"),
        ("last_name", "Anna 2"),
        ("date_of_birth", "2026-11-30"),
        ("date_of_birth", "1990-02-30"),
        ("date_of_birth", "1890-02-03"),
        ("date_of_birth", "28.02.1990"),
        ("date_of_birth", "1990-W09"),
        ("date_of_birth", "١٩٩٠-02-28"),
        ("sex", "f"),
        ("sex", "X"),
        ("nationality", "UK"),
        ("country", "Deu "),
        ("email", "anna"),
        ("email", "anna@example"),
        ("email", "anna lena@example.com"),
        ("phone", "call me"),
        ("address", "a" * 256),
        ("personal_number", "1" * 65),
        ("document_number", " "),
    ],
)
def test_a_value_that_cannot_be_true_is_refused_and_not_repeated(field: str, value: str) -> None:
    [problem] = problems(wanted("idenfy", person=Person(**{field: value})), today=TODAY)
    assert problem.field == f"person.{field}"
    assert len(value) < 4 or value not in problem.says


def test_other_vendors_take_the_letters_that_idenfy_refuses_in_names() -> None:
    assert fields(wanted("idngo", person=Person(first_name="Anna/Lena"))) == []


def test_every_field_of_a_person_has_a_limit() -> None:
    assert set(PERSON_CHARS_MAX) == set(Person.__struct_fields__)


def test_a_person_is_not_in_its_representation() -> None:
    assert repr(Person(first_name="Anna")) == "Person(…)"
    shown = repr(wanted("idngo", person=Person(first_name="Anna"), documents=[image("PASSPORT", part="anna.jpg")]))
    assert "Anna" not in shown
    assert "anna.jpg" not in shown


@pytest.mark.parametrize("body", [b'{"firstname": "Anna"}', b'{"first_name": 7}', b'{"first_name": ["Anna"]}'])
def test_a_field_that_is_not_known_or_of_another_kind_is_no_person(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(body, type=Person)
    assert "Anna" not in str(raised.value)


# documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
def test_the_documents_may_come_later(vendor: str) -> None:
    assert fields(wanted(vendor, mode="documents")) == []


@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
def test_a_card_with_both_sides_and_a_face_is_complete(vendor: str) -> None:
    assert fields(wanted(vendor, mode="documents", documents=[*CARD, FACE, image("UTILITY_BILL")])) == []


@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
@pytest.mark.parametrize("kind", ["ID_CARD", "DRIVER_LICENSE"])
@pytest.mark.parametrize("side", ["FRONT", "BACK", None])
def test_a_card_without_one_of_its_sides_is_refused(vendor: str, kind: str, side: str | None) -> None:
    assert fields(wanted(vendor, mode="documents", documents=[image(kind, side), FACE])) == ["documents"]


def test_two_sides_of_two_countries_make_no_card() -> None:
    mixed = [image("ID_CARD", "FRONT", "DE"), image("ID_CARD", "BACK", "AT"), FACE]
    assert fields(wanted("idngo", mode="documents", documents=mixed)) == ["documents", "documents"]


def test_a_countrys_two_codes_are_one_country() -> None:
    documents = [image("ID_CARD", "FRONT", "DE"), image("ID_CARD", "BACK", "DEU"), FACE]
    assert fields(wanted("idenfy", mode="documents", documents=documents)) == []


def test_a_residence_permit_may_have_one_side_or_two() -> None:
    for sides in ([None], ["FRONT"], ["FRONT", "BACK"]):
        assert fields(wanted("idngo", mode="documents", documents=[image("RESIDENCE_PERMIT", side) for side in sides])) == []
    assert fields(wanted("idngo", mode="documents", documents=[image("RESIDENCE_PERMIT", "BACK")])) == ["documents"]


def test_a_passport_has_no_back() -> None:
    assert fields(wanted("idngo", mode="documents", documents=[image("PASSPORT", "BACK")])) == ["documents[0].side"]


@pytest.mark.parametrize(
    ("vendor", "documents", "found"),
    [
        ("idngo", [image("PASSPORT", country=None)], ["documents[0].country"]),
        ("idngo", [image("SELFIE", country=None)], ["documents[0].country"]),
        ("idngo", [image("PASSPORT", country="UK")], ["documents[0].country"]),
        ("idngo", [image("PASSPORT"), image("PASSPORT")], ["documents"]),
        ("idngo", [image("UTILITY_BILL"), image("UTILITY_BILL")], []),
        ("idenfy", [image("PASSPORT"), FACE, image("UTILITY_BILL"), image("UTILITY_BILL")], ["documents"]),
        ("idenfy", [image("PASSPORT"), image("SELFIE", country=None)], []),
        ("idenfy", [image("PASSPORT", country=None), FACE], ["documents[0].country"]),
        ("idenfy", [image("PASSPORT")], ["documents"]),
        ("idenfy", [FACE], ["documents"]),
        ("idenfy", [image("PASSPORT"), *CARD, FACE], ["documents"]),
        ("idngo", [image("PASSPORT", url="https://files.example.com/a")], ["documents[0].url"]),
        ("idngo", [image("PASSPORT", part="")], ["documents[0].part"]),
        ("idngo", [image("PASSPORT", part="a\r\nX: y")], ["documents[0].part"]),
        ("idngo", [image("OTHER")] * 21, ["documents"]),
        ("ifcgate", [image("PASSPORT", url="https://files.example.com/a?b=c")], []),
        ("ifcgate", [image("ID_CARD", country=None, url="https://files.example.com/a")], []),
        ("ifcgate", [image("PASSPORT")], ["documents[0].url"]),
        ("ifcgate", [image("PASSPORT", part="a", url="https://files.example.com/a")], ["documents[0].part"]),
        ("ifcgate", [image("PASSPORT", url="http://files.example.com/a")], ["documents[0].url"]),
        ("ifcgate", [image("PASSPORT", url="https://user:secret@files.example.com/a")], ["documents[0].url"]),
        ("ifcgate", [image("PASSPORT", url="file:///etc/passwd")], ["documents[0].url"]),
        ("ifcgate", [image("PASSPORT", url="https://[")], ["documents[0].url"]),
        ("ifcgate", [image("PASSPORT", url="https://files.example.com/" + "a" * 2048)], ["documents[0].url"]),
    ],
)
def test_documents_are_refused_by_their_field(vendor: str, documents: list[Document], found: list[str]) -> None:
    assert fields(wanted(vendor, mode="documents", documents=documents)) == found


@pytest.mark.parametrize(
    ("vendor", "documents", "found"),
    [
        ("idenfy", [image("PASSPORT"), image("ID_CARD", country=None)], []),
        ("idenfy", [FACE], ["documents[0].type"]),
        ("idenfy", [image("PASSPORT", part="a")], ["documents[0].part"]),
        ("idngo", [image("PASSPORT")], ["documents"]),
    ],
)
def test_pages_of_a_vendor_can_be_limited_where_it_can(vendor: str, documents: list[Document], found: list[str]) -> None:
    assert fields(wanted(vendor, documents=documents)) == found
