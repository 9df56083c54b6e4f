"""The person and the documents of a verification, as a caller gives them.

Nothing of a person is in a representation, so that no log line and no traceback can show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict


class DocumentType(StrEnum):
    """A kind of document or image. Each vendor has its own word for it."""

    #: One image: the page with the photo.
    PASSPORT = "PASSPORT"
    #: Two images: both sides of a card.
    ID_CARD = "ID_CARD"
    DRIVER_LICENSE = "DRIVER_LICENSE"
    #: One image or two: it depends on the country.
    RESIDENCE_PERMIT = "RESIDENCE_PERMIT"
    #: A proof of address.
    UTILITY_BILL = "UTILITY_BILL"
    #: The person's face.
    SELFIE = "SELFIE"
    #: What the vendor is to recognise.
    OTHER = "OTHER"


class Side(StrEnum):
    """A side of a document that has two."""

    FRONT = "FRONT"
    BACK = "BACK"


#: What stands beside the document that shows who a person is.
BESIDE_IDENTITY = (DocumentType.SELFIE, DocumentType.UTILITY_BILL)

#: The documents that are incomplete without their back.
TWO_SIDED = frozenset({DocumentType.ID_CARD, DocumentType.DRIVER_LICENSE})

#: The documents that may have a side: every other one has a single image.
MAY_HAVE_SIDES = TWO_SIDED | {DocumentType.RESIDENCE_PERMIT, DocumentType.OTHER}


class Person(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a vendor compares a person's documents with. Every field is optional."""

    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    #: YYYY-MM-DD.
    date_of_birth: str | None = None
    #: M or F.
    sex: str | None = None
    #: Two or three letters (ISO 3166-1).
    nationality: str | None = None
    #: The country of residence: two or three letters.
    country: str | None = None
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    personal_number: str | None = None
    document_number: str | None = None

    def values(self) -> Iterator[tuple[str, str]]:
        """Yield each field that is given, and its value."""
        return ((name, value) for name, value in asdict(self).items() if value is not None)

    def __repr__(self) -> str:
        return "Person(…)"


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One image of a document: what it shows, and where it is."""

    type: DocumentType
    side: Side | None = None
    #: The country that issued it: two or three letters.
    country: str | None = None
    #: Where the vendor fetches it.
    url: str | None = None
    #: The name of the part of the caller's request that holds it.
    part: str | None = None

    def __repr__(self) -> str:
        return f"Document({self.type.value}, {self.side.value if self.side else 'no side'})"


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What iDenfy takes beside the person. Most of it is set in iDenfy's dashboard, and left out here."""

    #: Steps beside the document and the face, as iDenfy writes them: {country: {document type: {step: {…}}}}.
    additional_steps: dict[str, Any] | None = None
    #: The address that a utility bill is compared with.
    utility_bill_address: Annotated[str, Meta(max_length=255)] | None = None
    #: The result of a test, in iDenfy's DEV environment alone.
    dummy_status: Literal["APPROVED", "DENIED", "SUSPECTED", "EXPIRED"] | None = None
    #: How long the token is valid: an hour, unless it is said.
    expiry_seconds: Annotated[int, Meta(ge=60, le=30 * 86_400)] | None = None
    #: An id of yours that comes back with the result.
    external_ref: Annotated[str, Meta(max_length=40)] | None = None
    #: The images are taken although the document is not seen in them.
    skip_analysis: bool = False

    def __repr__(self) -> str:
        return "Options(…)"


#: How long a field of a person may be. iDenfy's limits where it has one, else a size that no true value reaches.
PERSON_CHARS_MAX = {
    "first_name": 100,
    "last_name": 100,
    "middle_name": 100,
    "date_of_birth": 10,
    "sex": 1,
    "nationality": 3,
    "country": 3,
    "email": 254,
    "phone": 32,
    "address": 255,
    "personal_number": 64,
    "document_number": 64,
}

#: A document's address, and the name of a part.
URL_CHARS_MAX, PART_CHARS_MAX = 2048, 100

#: The images of one verification.
DOCUMENTS_MAX = 20
