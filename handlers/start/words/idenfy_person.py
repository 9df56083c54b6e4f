"""What iDenfy is sent about a verification: the person, the limits on documents, and options, in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from store.starts.wanted.countries import alpha_2
from store.starts.wanted.document_types import IDENFY_WORDS
from store.starts.wanted.person import DocumentType, Options, Person

#: iDenfy has no field for a middle name: a caller gives all names of the document as the first name.
_FIELDS = {
    "first_name": "firstName",
    "last_name": "lastName",
    "date_of_birth": "dateOfBirth",
    "sex": "sex",
    "personal_number": "personalNumber",
    "document_number": "documentNumber",
    "address": "address",
}


def token(user: str, person: Person, *, types: Sequence[DocumentType], countries: Sequence[str], options: Options) -> dict[str, Any]:
    """Return what a token is asked for with."""
    told = {name: getattr(person, ours) for ours, name in _FIELDS.items()}
    address = options.utility_bill_address
    told |= {
        "nationality": alpha_2(person.nationality) if person.nationality else None,
        "documents": [IDENFY_WORDS[kind] for kind in dict.fromkeys(types) if kind in IDENFY_WORDS],
        "country": list(dict.fromkeys(filter(None, map(alpha_2, countries)))),
        "additionalSteps": options.additional_steps,
        "additionalData": {"UTILITY_BILL": {"address": address}} if address else None,
        "dummyStatus": options.dummy_status,
        "expiryTime": options.expiry_seconds,
        "externalRef": options.external_ref,
    }
    return {"clientId": user, "tokenType": "IDENTIFICATION"} | {name: value for name, value in told.items() if value}


def images_head(token_field: str, auth_token: str, country: str, kind: DocumentType | None, *, skip_analysis: bool) -> dict[str, Any]:
    """Return what is said of images before they are sent."""
    told = {token_field: auth_token, "country": alpha_2(country)}
    declared = IDENFY_WORDS.get(kind) if kind else None
    return told | ({"documentType": declared} if declared else {}) | ({"skipAnalysis": True} if skip_analysis else {})


def personal(person: Person | None, options: Options | None) -> tuple[str, ...]:
    """Return what a message must not repeat of the person."""
    address = options.utility_bill_address if options else None
    return (*(value for _, value in (person or Person()).values()), *([address] if address else []))
