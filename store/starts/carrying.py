"""Carrying verifications on: who does the next step, and how far it came. Each step is committed before the next one is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, exists, or_, select, update

from store.database.tables import ApplicantRow
from store.database.vendor_tables import VerificationRequest
from store.starts import asking, linking, requests, sealed
from store.starts.requests import ENDED, FailureKind, StartStatus
from store.starts.sealed import Secrets
from store.system import clock
from store.text.safe_text import plain

#: How long a step may take, and how long passing images on may. Then another process takes the verification over.
LEASE, UPLOAD_LEASE = timedelta(seconds=120), timedelta(minutes=15)

#: Results that a verification remembers, and how much of each.
ANSWERS_MAX, SAYS_CHARS_MAX = 20, 300


class LeaseLost(Exception):
    """Another process took the verification over."""


class Claimed(Struct, frozen=True, kw_only=True):
    """A verification to carry on, and what is sealed of it."""

    row: Row[Any]
    secrets: Secrets
    holder: str

    @property
    def id(self) -> str:
        return str(self.row.id)


# claims -------------------------------------------------------------------------------------------------------


def claim_due(connection: Connection, holder: str, *, environment: str, vendors: Sequence[str], most: int) -> list[str]:
    """Claim verifications whose next step is due; return their ids. A claim counts as an attempt."""
    now = clock.now()
    query = select(VerificationRequest.id).where(
        VerificationRequest.due_at <= now,
        VerificationRequest.environment == environment,
        VerificationRequest.vendor.in_(vendors),
        _is_free(now),
    )
    found = list(connection.execute(query.order_by(VerificationRequest.due_at).limit(most).with_for_update(skip_locked=True)).scalars())
    _hold(connection, VerificationRequest.id.in_(found), holder, now + LEASE)
    return found


def claim(connection: Connection, request_id: str, holder: str) -> Row[Any] | None:
    """Claim one verification, to pass images on; return its row. None if another process has it."""
    now = clock.now()
    row = requests.find(connection, request_id, lock=True)
    if row is None or (row.claimed_until is not None and row.claimed_until > now and row.claimed_by != holder):
        return None
    _hold(connection, VerificationRequest.id == request_id, holder, now + UPLOAD_LEASE)
    return requests.find(connection, request_id)


def reopen(connection: Connection, one: Claimed) -> Claimed:
    """Open a verification again that had a verdict; return it as it is then. Raises LeaseLost and, where another of the person is open,
    AlreadyOpen."""
    asking.reopen(connection, held(connection, one.id, one.holder).row)
    return held(connection, one.id, one.holder)


def held(connection: Connection, request_id: str, holder: str) -> Claimed:
    """Return a verification that is claimed, as it is now. Raises LeaseLost and Unopenable."""
    row = requests.find(connection, request_id)
    if row is None or row.claimed_by != holder:
        raise LeaseLost
    return Claimed(row=row, secrets=sealed.read(connection, row), holder=holder)


def release_of_crashed(connection: Connection, holder: str) -> None:
    """Give back what a crashed process of the same name had claimed."""
    mine = update(VerificationRequest).where(VerificationRequest.claimed_by == holder)
    connection.execute(mine.values(claimed_by=None, claimed_until=None))


def let_go(connection: Connection, request_id: str, holder: str) -> None:
    """Give a claim back. Nothing else changes."""
    mine = (VerificationRequest.id == request_id, VerificationRequest.claimed_by == holder)
    connection.execute(update(VerificationRequest).where(*mine).values(claimed_by=None, claimed_until=None))


def _hold(connection: Connection, those: ColumnElement[bool], holder: str, until: datetime) -> None:
    held = {"claimed_by": holder, "claimed_until": until, "attempts": VerificationRequest.attempts + 1}
    connection.execute(update(VerificationRequest).where(those).values(**held))


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(VerificationRequest.claimed_until.is_(None), VerificationRequest.claimed_until <= now)


# steps --------------------------------------------------------------------------------------------------------


def sending(connection: Connection, one: Claimed) -> None:
    """Record that a request is about to be sent that may begin something at the vendor. Its answer may be lost. Raises LeaseLost."""
    _change(connection, one, status=StartStatus.SENT, sent_at=one.row.sent_at or clock.now())


def linked(connection: Connection, one: Claimed, reference: str, **secrets: Any) -> None:
    """Record the vendor's reference: the person's link to it, and an applicant that is created, if it is new. Raises LeaseLost and
    linking.Erased.

    `secrets`: what the vendor's answer adds to what is sealed."""
    linking.link(connection, one.row, reference)
    _change(connection, one, reference=reference, linked_at=one.row.linked_at or clock.now())
    if secrets:
        sealed.change(connection, one.row, **secrets)


def linked_although_cancelled(connection: Connection, one: Claimed, reference: str) -> None:
    """Record the vendor's reference of a verification that was called off while its request was under way: the vendor has it, and its
    verdict counts. Any other verification stays as it is. Raises linking.Erased."""
    row = requests.find(connection, one.id, lock=True)
    if row is not None and row.status == StartStatus.CANCELLED and row.reference is None:
        linking.link(connection, row, reference)
        mine = update(VerificationRequest).where(VerificationRequest.id == one.id)
        connection.execute(mine.values(reference=reference, linked_at=clock.now()))


def reached(connection: Connection, one: Claimed, status: StartStatus, *, says: str, **secrets: Any) -> None:
    """Record that a verification came so far that nothing is to be done here until something else happens. Raises LeaseLost."""
    times = {"submitted_at": clock.now()} if status == StartStatus.SUBMITTED else {}
    _change(connection, one, status=status, due_at=None, attempts=0, failure=None, answers=_with(one.row, says), **times)
    told = sealed.NOT_NEEDED if status in (StartStatus.SUBMITTED, StartStatus.CANCELLED) else {}
    if told | secrets:
        sealed.change(connection, one.row, **told | secrets)
    let_go(connection, one.id, one.holder)


def uploaded(connection: Connection, one: Claimed, upload: dict[str, Any]) -> None:
    """Record an image that was passed on. Raises LeaseLost."""
    row = requests.find(connection, one.id, lock=True)
    _change(connection, one, uploads=[*(row.uploads if row else []), upload])


def again(connection: Connection, one: Claimed, says: str, *, at: datetime) -> None:
    """Record a step that could not be done now: it is tried again at a time."""
    _change(connection, one, due_at=at, answers=_with(one.row, says))
    let_go(connection, one.id, one.holder)


def waits_for_images(connection: Connection, one: Claimed, says: str, *, missing: Sequence[str] = ()) -> None:
    """Record that images could not be passed on, or were not enough: the caller sends them again."""
    missed = {"failure": {"kind": FailureKind.CALLER, "says": _short(says), "missing": list(missing)}} if missing else {"failure": None}
    _change(connection, one, status=StartStatus.WAITING_FOR_DOCUMENTS, due_at=None, answers=_with(one.row, says), **missed)
    let_go(connection, one.id, one.holder)


def failed(connection: Connection, one: Claimed, kind: FailureKind, says: str, *, missing: Sequence[str] = ()) -> None:
    """Record that a verification was given up, and why. Nothing is sent until somebody retries it."""
    failure = {"kind": kind, "says": _short(says), "missing": list(missing)}
    now = clock.now()
    _change(connection, one, status=StartStatus.FAILED, due_at=None, failure=failure, ended_at=now, answers=_with(one.row, says))
    let_go(connection, one.id, one.holder)


def unopenable(connection: Connection, request_id: str, holder: str) -> None:
    """Record that a claimed verification was given up, because its key was destroyed or is not configured. Raises LeaseLost."""
    row = requests.find(connection, request_id)
    if row is not None:
        one = Claimed(row=row, secrets=Secrets(), holder=holder)
        failed(connection, one, FailureKind.PERSON, "what is sealed of it cannot be opened: its key is not configured here")


def is_any_with_a_verdict(connection: Connection) -> bool:
    """Return whether there is an open verification that has a verdict, or was ended by its vendor."""
    return connection.execute(select(exists().where(*_open_with_a_verdict()))).scalar_one()


def end_those_with_a_verdict(connection: Connection) -> int:
    """Record which open verifications have a verdict, or were ended by their vendor; return how many."""
    ended = update(VerificationRequest).where(*_open_with_a_verdict())
    return connection.execute(ended.values(ended_at=clock.now())).rowcount


def _open_with_a_verdict() -> tuple[ColumnElement[bool], ...]:
    same = [getattr(ApplicantRow, name) == getattr(VerificationRequest, name) for name in ("vendor", "environment", "reference")]
    since = ApplicantRow.updated_at > VerificationRequest.opened_at
    verdict = exists().where(*same, ApplicantRow.status.in_(ENDED), since).correlate(VerificationRequest)
    return (VerificationRequest.ended_at.is_(None), verdict)


def _change(connection: Connection, one: Claimed, **values: Any) -> None:
    """Change a verification that is still claimed. Raises LeaseLost."""
    mine = (VerificationRequest.id == one.id, VerificationRequest.claimed_by == one.holder)
    if connection.execute(update(VerificationRequest).where(*mine).values(**values)).rowcount != 1:
        raise LeaseLost


def _with(row: Row[Any], says: str) -> list[dict[str, Any]]:
    return [*row.answers, {"at": clock.rfc3339(clock.now()), "says": _short(says)}][-ANSWERS_MAX:]


def _short(says: str) -> str:
    return plain(says)[:SAYS_CHARS_MAX]
