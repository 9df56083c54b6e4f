"""What IDnGO is sent of a person and of a document, in its own words (https://docs.sumsub.com/reference/create-applicants)."""

from __future__ import annotations

from typing import Any

from store.starts.wanted.countries import alpha_3
from store.starts.wanted.document_types import IDNGO_WORDS
from store.starts.wanted.person import MAY_HAVE_SIDES, Document, Person, Side

_FIELDS = {
    "first_name": "firstName",
    "last_name": "lastName",
    "middle_name": "middleName",
    "date_of_birth": "dob",
    "sex": "gender",
    "personal_number": "tin",
}
_COUNTRIES = {"nationality": "nationality", "country": "country"}

_SIDES = {Side.FRONT: "FRONT_SIDE", Side.BACK: "BACK_SIDE"}


def applicant(user: str, person: Person | None) -> dict[str, Any]:
    """Return what an applicant is created with. E-mail and phone do not belong to the fixed data."""
    found = person or Person()
    told = {"email": found.email, "phone": found.phone, "fixedInfo": fixed_info(found)}
    return {"externalUserId": user, "type": "individual"} | {name: value for name, value in told.items() if value}


def fixed_info(person: Person) -> dict[str, Any]:
    """Return what IDnGO compares the documents with."""
    told: dict[str, Any] = {name: getattr(person, ours) for ours, name in _FIELDS.items()}
    told |= {name: alpha_3(getattr(person, ours) or "") for ours, name in _COUNTRIES.items()}
    if person.address:
        where = {"street": person.address} | ({"country": told["country"]} if told["country"] else {})
        told["addresses"] = [where]
    return {name: value for name, value in told.items() if value}


def metadata(document: Document) -> dict[str, Any]:
    """Return what is said of an image."""
    told = {"idDocType": IDNGO_WORDS[document.type], "country": alpha_3(document.country or "")}
    side = _SIDES[document.side] if document.side and document.type in MAY_HAVE_SIDES else None
    return told | ({"idDocSubType": side} if side else {})


def personal(person: Person | None) -> tuple[str, ...]:
    """Return what a message must not repeat of the person."""
    return tuple(value for _, value in (person or Person()).values())
