"""Checks of a verification's documents: types, sides, countries, and where the images are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from store.starts.wanted import countries
from store.starts.wanted.document_types import IDENFY_WORDS
from store.starts.wanted.person import (
    BESIDE_IDENTITY,
    DOCUMENTS_MAX,
    MAY_HAVE_SIDES,
    PART_CHARS_MAX,
    TWO_SIDED,
    URL_CHARS_MAX,
    Document,
    DocumentType,
    Side,
)
from store.starts.wanted.problems import Problem
from store.text.names import is_storable
from store.text.web_addresses import web_address

#: Documents of several pages, each of which IDnGO takes as an image of its own.
_MAY_HAVE_PAGES = (DocumentType.UTILITY_BILL, DocumentType.OTHER)


def problems(documents: Sequence[Document], *, vendor: str, mode: str) -> list[Problem]:
    """Return what is wrong with the documents of a verification: all at once, or those that are sent again."""
    if len(documents) > DOCUMENTS_MAX:
        return [Problem("documents", f"must be at most {DOCUMENTS_MAX}")]
    found = [problem for place, document in enumerate(documents) for problem in _of_one(f"documents[{place}]", document, vendor, mode)]
    if mode == "hosted":
        return [*found, *_of_hosted(documents, vendor)]
    if vendor == "ifcgate":
        return found
    return [*found, *_of_sides(documents, vendor), *(_of_idenfy(documents) if vendor == "idenfy" and documents else ())]


def problems_of_parts(documents: Sequence[Document]) -> list[Problem]:
    """Return what is wrong with the documents of a request that has images: each image is a part of its own."""
    if not documents:
        return [Problem("documents", "is missing: this request has images")]
    parts = Counter(document.part for document in documents)
    missing = {None: "is missing: this request has images"}
    twice = {part: "is named twice: each image is a part of its own" for part, count in parts.items() if count > 1}
    wrong = twice | missing
    return [Problem(f"documents[{place}].part", wrong[one.part]) for place, one in enumerate(documents) if one.part in wrong]


def _of_one(place: str, document: Document, vendor: str, mode: str) -> Iterator[Problem]:
    if document.country is not None and not countries.alpha_3(document.country):
        yield Problem(f"{place}.country", "must be a country's code of two or three letters (ISO 3166-1)")
    if document.side == Side.BACK and document.type not in MAY_HAVE_SIDES:
        yield Problem(f"{place}.side", "must be left out: this type has a single image")
    yield from _of_source(place, document, vendor, mode)
    if mode == "documents" and document.country is None and _needs_country(document, vendor):
        yield Problem(f"{place}.country", f"is missing: {vendor} needs it")


def _needs_country(document: Document, vendor: str) -> bool:
    return vendor == "idngo" or (vendor == "idenfy" and document.type not in BESIDE_IDENTITY)


def _of_source(place: str, document: Document, vendor: str, mode: str) -> Iterator[Problem]:
    """Yield what is wrong with where the image is: only IFCGATE fetches it; in hosted mode there is none."""
    if document.url is not None and (vendor != "ifcgate" or mode == "hosted"):
        yield Problem(f"{place}.url", "must be left out: only IFCGATE fetches documents")
    if document.part is not None and (vendor == "ifcgate" or mode == "hosted"):
        yield Problem(f"{place}.part", "must be left out: no image is sent for it")
    if document.part is not None and not _is_part(document.part):
        yield Problem(f"{place}.part", f"must be printable text of at most {PART_CHARS_MAX} characters")
    if vendor == "ifcgate" and document.url is None:
        yield Problem(f"{place}.url", "is missing: IFCGATE fetches the document there")
    elif document.url is not None and not _is_address(document.url):
        yield Problem(f"{place}.url", f"must be an https address of at most {URL_CHARS_MAX} characters, without credentials or a fragment")


def _is_part(name: str) -> bool:
    return 0 < len(name) <= PART_CHARS_MAX and name.isprintable() and is_storable(name)


def _is_address(url: str) -> bool:
    if len(url) > URL_CHARS_MAX:
        return False
    try:
        return bool(web_address(url, plain_http=False))
    except ValueError:
        return False


def _of_hosted(documents: Sequence[Document], vendor: str) -> Iterator[Problem]:
    """Yield what the pages of a vendor cannot be limited to."""
    if vendor == "idngo" and documents:
        yield Problem("documents", "must be left out: at IDnGO the level decides which documents are asked for")
    for place, document in enumerate(documents):
        if vendor == "idenfy" and document.type not in IDENFY_WORDS:
            yield Problem(f"documents[{place}].type", f"must be one of {', '.join(IDENFY_WORDS)}")


def _of_sides(documents: Sequence[Document], vendor: str) -> Iterator[Problem]:
    """Yield the sides that are missing, and those that are given twice."""
    sides: dict[tuple[DocumentType, str | None], Counter[Side | None]] = defaultdict(Counter)
    for document in documents:
        country = countries.alpha_3(document.country or "")
        sides[document.type, country][_side(document)] += 1
    for (kind, _), found in sides.items():
        if kind in TWO_SIDED and set(found) != {Side.FRONT, Side.BACK}:
            yield Problem("documents", f"{kind.value} needs an image with side FRONT and one with side BACK")
        elif Side.BACK in found and Side.FRONT not in found:
            yield Problem("documents", f"{kind.value} has a BACK and no FRONT")
        if max(found.values()) > 1 and (vendor == "idenfy" or kind not in _MAY_HAVE_PAGES):
            yield Problem("documents", f"{kind.value} is given twice with the same side and country")


def _side(document: Document) -> Side | None:
    return document.side if document.type in MAY_HAVE_SIDES else None


def _of_idenfy(documents: Sequence[Document]) -> Iterator[Problem]:
    """Yield what a single call for all images cannot say: it has one document, of one country, and the face."""
    shown = {(document.type, countries.alpha_2(document.country or "")) for document in documents if document.type not in BESIDE_IDENTITY}
    if len(shown) != 1:
        yield Problem("documents", "must show exactly one identity document of one country: iDenfy checks one at a time")
    if not any(document.type == DocumentType.SELFIE for document in documents):
        yield Problem("documents", "must have a SELFIE: iDenfy compares the document with a face")
