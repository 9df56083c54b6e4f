"""Checks of a verification before anything is kept or sent: what its vendor would refuse late is refused here.

Pure functions over what the caller gave. A problem names the field and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from msgspec import Struct

from store.starts.wanted import countries, document_checks
from store.starts.wanted.person import PERSON_CHARS_MAX, Document, Options, Person
from store.starts.wanted.problems import Problem
from store.text.names import NAME_CHARS_MAX, is_name, is_storable
from store.text.states import VendorEnvironment

VENDORS, MODES = ("ifcgate", "idngo", "idenfy"), ("hosted", "documents")

#: The longest id of a user that a vendor takes. Standing keeps none that is longer than NAME_CHARS_MAX.
USER_CHARS_MAX = {"ifcgate": NAME_CHARS_MAX, "idngo": 512, "idenfy": 100}

#: Letters that iDenfy takes in no name (https://documentation.idenfy.com/API/GeneratingIdentificationToken).
_NOT_IN_NAMES = frozenset('~!@#$%^*()_+={}[]\\|:;",/?')

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{3,}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BORN_AFTER = date(1900, 1, 1)


class Wanted(Struct, frozen=True, kw_only=True):
    """A verification that a caller wants to begin."""

    vendor: str
    mode: str
    external_user_id: str
    #: The level at IDnGO.
    level: str | None = None
    #: The workflow at IFCGATE.
    workflow: str | None = None
    person: Person | None = None
    documents: Sequence[Document] = ()
    environment: str = VendorEnvironment.LIVE
    #: What else iDenfy takes.
    options: Options | None = None
    #: Whether it is started although another is open, and why.
    force: bool = False
    reason: str | None = None


def problems(wanted: Wanted, *, today: date) -> list[Problem]:
    """Return what is wrong with a verification; nothing if it can be begun."""
    if wanted.vendor not in VENDORS:
        return [Problem("vendor", f"must be one of {', '.join(VENDORS)}")]
    if wanted.mode not in MODES:
        return [Problem("mode", "must be hosted or documents")]
    documents = document_checks.problems(wanted.documents, vendor=wanted.vendor, mode=wanted.mode)
    return [*_of_mode(wanted), *_of_user(wanted), *_of_person(wanted.person or Person(), wanted.vendor, today), *documents]


def _of_mode(wanted: Wanted) -> Iterator[Problem]:
    if wanted.vendor == "ifcgate" and wanted.mode == "hosted":
        yield Problem("mode", "must be documents: IFCGATE has no pages of its own")
    if wanted.options is not None and wanted.vendor != "idenfy":
        yield Problem("options", "must be left out: only iDenfy takes them")
    for field, vendor, value in (("level", "idngo", wanted.level), ("workflow", "ifcgate", wanted.workflow)):
        if wanted.vendor == vendor and value is None:
            yield Problem(field, f"is missing: {vendor} needs it")
        elif wanted.vendor != vendor and value is not None:
            yield Problem(field, f"belongs to {vendor} alone")
        elif value is not None and not _is_sendable(value):
            yield Problem(field, f"must be a printable name of at most {NAME_CHARS_MAX} characters")


def _is_sendable(value: str) -> bool:
    """Return whether a value can be kept as a name and be a part of a path."""
    return is_name(value) and value.isprintable() and value not in (".", "..")


def _of_user(wanted: Wanted) -> Iterator[Problem]:
    user, most = wanted.external_user_id, min(NAME_CHARS_MAX, USER_CHARS_MAX[wanted.vendor])
    if not _is_sendable(user) or len(user) > most:
        yield Problem("external_user_id", f"must be a printable name of at most {most} characters")
    if wanted.vendor == "idenfy" and not user.isascii():
        yield Problem("external_user_id", "must be ASCII: iDenfy takes no other letters")


def _of_person(person: Person, vendor: str, today: date) -> Iterator[Problem]:
    for field, value in person.values():
        if says := _wrong_text(field, value) or _wrong_form(field, value, today) or (vendor == "idenfy" and _wrong_name(field, value)):
            yield Problem(f"person.{field}", says)


def _wrong_text(field: str, value: str) -> str | None:
    if not value.strip() or not is_storable(value) or not value.isprintable():
        return "must be printable text"
    if len(value) > PERSON_CHARS_MAX[field]:
        return f"must have at most {PERSON_CHARS_MAX[field]} characters"
    return None


def _wrong_form(field: str, value: str, today: date) -> str | None:
    if field == "date_of_birth":
        return None if _is_birthday(value, today) else "must be a past date, as YYYY-MM-DD"
    says, is_right = _FORMS.get(field, ("", _anything))
    return None if is_right(value) else says


def _anything(_: str) -> bool:
    return True


#: The fields that have a form of their own: what is said of another form, and whether a value has it.
_FORMS: dict[str, tuple[str, Callable[[str], object]]] = {
    "sex": ("must be M or F", lambda value: value in ("M", "F")),
    "nationality": ("must be a country's code of two or three letters (ISO 3166-1)", countries.alpha_3),
    "country": ("must be a country's code of two or three letters (ISO 3166-1)", countries.alpha_3),
    "email": ("must be an e-mail address", _EMAIL.fullmatch),
    "phone": ("must be a phone number", _PHONE.fullmatch),
}


def _is_birthday(value: str, today: date) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        return _BORN_AFTER <= date.fromisoformat(value) < today
    except ValueError:
        return False


def _wrong_name(field: str, value: str) -> str | None:
    """Return what iDenfy would refuse in a name."""
    if field not in ("first_name", "last_name"):
        return None
    if _NOT_IN_NAMES & set(value) or any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return "must consist of letters: iDenfy refuses digits and most other characters"
    return None
