"""What somebody does about a started verification: submit it, try it again, call it off."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, update

from store.access import audit
from store.access.operators import Actor
from store.database.vendor_tables import VerificationRequest
from store.starts import asking, requests, sealed
from store.starts.requests import StartMode, StartStatus
from store.system import clock


class WrongState(Exception):
    """The verification is not in a state in which that can be done. The message says which it is."""

    def __init__(self, row: Row[Any], what: str) -> None:
        super().__init__(f"verification {row.id} is {row.status}: it cannot be {what}")


def submit(connection: Connection, row: Row[Any], *, by: Actor, reason: str | None = None) -> None:
    """Have the vendor asked for a verdict, with what it has. Raises WrongState and, where another of the person is open, AlreadyOpen."""
    can = row.vendor == "idngo" and row.mode == StartMode.DOCUMENTS and row.reference is not None
    if not can or row.status not in (StartStatus.LINKED, StartStatus.WAITING_FOR_DOCUMENTS, StartStatus.SUBMITTED):
        raise WrongState(row, "submitted")
    asking.reopen(connection, row)
    _change(connection, row, status=StartStatus.LINKED, due_at=clock.now(), attempts=0, failure=None, **asking.UNCLAIMED)
    _record(connection, row, "submit a verification", by, reason)


def retry(connection: Connection, row: Row[Any], *, by: Actor, reason: str | None = None) -> None:
    """Have a verification that failed tried again, with the same key at the vendor, or one that waits tried at once, or have
    another link made of IDnGO's pages. Raises WrongState
    and, where another of the person is open, AlreadyOpen.

    Where the session of a lost answer is known, that begins another one. Where it is not known, the vendor is asked first."""
    if row.status == StartStatus.FAILED:
        asking.reopen(connection, row)
        # IDnGO's applicant stays one and the same. A session of iDenfy is used up, or no person can use it.
        goes_on = row.vendor == "idngo" and row.reference is not None
        before = {} if goes_on or row.reference is None else {"reference": None, "sent_at": None}
        begins = before | {"status": StartStatus.LINKED if goes_on else StartStatus.REQUESTED, "failure": None}
    elif row.due_at is not None or _has_a_link(row):
        begins = {}
    else:
        raise WrongState(row, "retried")
    # A process may be sending it. It keeps its claim: otherwise a second one would send it as well.
    _change(connection, row, due_at=clock.now(), attempts=0, **begins)
    _record(connection, row, "retry a verification", by, reason)


def _has_a_link(row: Row[Any]) -> bool:
    """Return whether the person has a link of IDnGO's, which runs out after a day: another one may be made."""
    is_open = row.ended_at is None and row.status == StartStatus.LINKED
    return is_open and row.vendor == "idngo" and row.mode == StartMode.HOSTED


def cancel(connection: Connection, row: Row[Any], *, by: Actor, reason: str | None = None) -> None:
    """Call a verification off, or set one aside that failed: nothing more is sent. The vendor keeps what it has, and its verdict still
    counts. Raises WrongState."""
    if row.status != StartStatus.FAILED and row.ended_at is not None:
        raise WrongState(row, "cancelled")
    _change(connection, row, status=StartStatus.CANCELLED, due_at=None, ended_at=row.ended_at or clock.now(), **asking.UNCLAIMED)
    sealed.forget_person(connection, row)
    _record(connection, row, "cancel a verification", by, reason)


def _change(connection: Connection, row: Row[Any], **values: Any) -> None:
    connection.execute(update(VerificationRequest).where(VerificationRequest.id == row.id).values(**values))


def _record(connection: Connection, row: Row[Any], action: str, by: Actor, reason: str | None) -> None:
    audit.write(connection, actor=by.name, action=action, subject=requests.audit_subject(row), reason=reason, os_user=by.os_user)
