"""Visibility: no caller sees an applicant that was erased; privacy officers alone see one that is restricted, and its events."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Row

from store.access import audit
from store.applicants import erased, feed, table
from store.applicants.feed import Transition
from store.applicants.table import Applicant
from store.inbox import events
from store.system import clock
from store.text.states import ApplicantKey


class Hidden(Exception):
    """The caller may not see it. `kind` is the type of the problem; the message says why."""

    kind = ""


class Restricted(Hidden):
    """The caller is no privacy officer."""

    kind = "restricted"

    def __init__(self) -> None:
        super().__init__("this applicant is restricted: only privacy officers may look")


class Erased(Hidden):
    """It was erased, by an erasure that is named where the applicant is."""

    kind = "erased"

    def __init__(self, *, erased_at: str | None, erasure_id: str | None = None) -> None:
        super().__init__(f"this was erased at {erased_at}{f' (erasure {erasure_id})' if erasure_id else ''}")
        self.erased_at, self.erasure_id = erased_at, erasure_id


def find(connection: Connection, key: ApplicantKey, *, is_officer: bool) -> Applicant | None:
    """Return an applicant without registers and objections; None if it is unknown. Raises Hidden."""
    found = table.find_shown(connection, key)
    if found is None:
        refuse_erased(connection, key)
    else:
        refuse_restricted(found, is_officer=is_officer)
    return found


def refuse_erased(connection: Connection, key: ApplicantKey) -> None:
    """Raise Erased for an applicant that was erased."""
    gone = erased.find(connection, key)
    if gone is not None:
        raise Erased(erased_at=clock.rfc3339(gone.erased_at), erasure_id=gone.erasure_id)


def refuse_restricted(applicant: Applicant, *, is_officer: bool = False) -> None:
    """Raise Restricted for an applicant that is restricted."""
    if applicant.restricted and not is_officer:
        raise Restricted


def restricted_among(connection: Connection, keys: Collection[ApplicantKey]) -> set[ApplicantKey]:
    """Return those of the applicants that are restricted."""
    return {key for key, one in table.among(connection, keys).items() if one.restricted} if keys else set()


def find_event(connection: Connection, event_id: str, *, is_officer: bool, with_body: bool = False) -> dict[str, Any] | None:
    """Return an event as it is shown; None if it is unknown. Raises Restricted and, of an event whose body was erased, Erased.

    `with_body`: the body is to be read. It is refused if any applicant that it names is restricted. Raises Unopenable."""
    found = events.find(connection, event_id)
    if found is None:
        return None
    if with_body and found["erased_at"]:
        raise Erased(erased_at=found["erased_at"])
    if not is_officer and events.is_restricted(connection, found["id"], with_body=with_body):
        raise Restricted
    return found


def acts(connection: Connection, *, is_officer: bool, about: ApplicantKey | None = None, **wanted: Any) -> list[Row[Any]]:
    """Return acts of the audit log, as `audit.listing`. Those that name restricted applicants are privacy officers' alone. Raises
    Restricted."""
    if about and not is_officer and restricted_among(connection, [about]):
        raise Restricted
    return audit.listing(connection, about=about, with_restricted=is_officer, **wanted)


def restrict(before: Applicant) -> tuple[Applicant, Transition | None]:
    """Return an applicant restricted, and the change to report; None if it was restricted before, or is not shown to any caller yet."""
    if before.restricted:
        return before, None
    after = structs.replace(before, restricted=True, version=before.version + bool(before.version), updated_at=clock.now())
    return after, feed.transition(before, after, ["restricted"], None) if after.version else None
