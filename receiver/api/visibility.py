"""Who may see an applicant: no caller, once it is erased; privacy officers alone, while it is restricted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from receiver.web.auth import Caller
from receiver.web.problems import Problem
from store.applicants import erased
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.privacy import shown
from store.states import ApplicantKey
from store.system import clock

#: An applicant, and how it is shown.
Described = tuple[Applicant, dict[str, Any]]


def refuse_erased(connection: Connection, key: ApplicantKey) -> None:
    """Raise the problem 410 of an applicant that was erased."""
    gone = erased.find(connection, key)
    if gone is not None:
        raise was_erased(erased_at=clock.rfc3339(gone.erased_at), erasure_id=gone.erasure_id)


def find(connection: Connection, key: ApplicantKey, caller: Caller) -> Applicant | None:
    """Return the applicant, if it is known. Raises the problem of one that the caller may not see: 403 while it is restricted, 410 once it
    is erased."""
    found = applicants.find_shown(connection, key)
    if found is None:
        refuse_erased(connection, key)
    elif found.restricted and not caller.is_privacy_officer:
        raise Problem(403, "This applicant is restricted: only privacy officers may look.", kind="restricted")
    return found


def was_erased(**more: str | None) -> Problem:
    """Return the problem 410, with the members that its type has."""
    return Problem(410, "This was erased.", {"Cache-Control": "no-store"}, kind="erased", **more)


def described(connection: Connection, found: Sequence[Applicant], caller: Caller) -> list[dict[str, Any]]:
    """Return applicants as the caller sees them."""
    return shown.describe_all(connection, found, with_held=caller.is_privacy_officer)


def beside(connection: Connection, found: Sequence[Applicant], caller: Caller) -> list[Described]:
    """Return the same beside each applicant, whose place in a list its description does not tell."""
    return list(zip(found, described(connection, found, caller), strict=True))
