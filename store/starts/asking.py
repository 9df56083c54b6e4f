"""Asking for a verification: once for each `Idempotency-Key`, and one at a time for each person at a vendor."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import IntegrityError

from store import database
from store.access import audit
from store.access.operators import Actor
from store.access.tokens import person as same_person
from store.applicants import table as applicants
from store.database.vendor_tables import VerificationRequest
from store.inbox.deliveries import new_event_id
from store.starts import requests, sealed
from store.starts.requests import ENDED, StartStatus
from store.starts.sealed import Secrets
from store.starts.wanted.checks import Wanted
from store.system import clock, fault_points
from store.text import traces

#: How long the same key gets the same answer.
REMEMBERED = timedelta(days=7)

#: How long a request may be under way that passes images on, and any other.
UPLOAD_MAX, ANSWER_MAX = timedelta(minutes=6), timedelta(seconds=30)

#: What takes a verification from the process that has it: that process does and records nothing more.
UNCLAIMED = {"claimed_by": None, "claimed_until": None}


class AlreadyOpen(Exception):
    """A verification of the same person at the same vendor is open."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"verification {request_id} of this person is open: it ends with a verdict, a failure or a cancellation")
        self.request_id = request_id


class KeyReused(Exception):
    """The key was used for another request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request")


class UnderWay(Exception):
    """The first request with this key is under way."""

    def __init__(self) -> None:
        super().__init__("the first request with this Idempotency-Key is under way")


class Asked(Struct, frozen=True, kw_only=True):
    """The row of a verification that was asked for, or the answer that the same request was given before."""

    id: str
    answer: dict[str, Any] | None
    #: The vendor has everything: an earlier request passed its images on, and was not answered.
    is_submitted: bool = False


def ask(connection: Connection, wanted: Wanted, *, by: Actor, key: str, images_follow: bool) -> Asked:
    """Write a verification down before anything is sent, once for each key of a caller.

    `images_follow`: the caller sends images with the request, and is answered after them; until then the key is under way. Without images
    the job beside a worker does the next step. Raises AlreadyOpen, KeyReused and UnderWay."""
    digest, content = _digest(by, key), _fingerprint(wanted)
    earlier = _earlier(connection, digest)
    if earlier is None and _insert(connection, wanted, by, digest, content, images_follow=images_follow):
        earlier = _earlier(connection, digest)
        assert earlier
        fault_points.reach("start written")
        return Asked(id=earlier.id, answer=None)
    earlier = earlier or _earlier(connection, digest)
    if earlier is None:
        raise AlreadyOpen(_open_one(connection, wanted.vendor, wanted.environment, wanted.external_user_id).id)
    return _again(connection, earlier, content, images_follow=images_follow)


def answered(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return the answer to a request: the verification as it is now. Whoever repeats the request gets the same answer."""
    fault_points.reach("start kept")
    answer = requests.describe(connection, row)
    sealed.change(connection, row, answer=answer)
    _no_longer_under_way(connection, row.id)
    return answer


def unanswered(connection: Connection, request_id: str) -> None:
    """Record that the images of a request could not be passed on: whoever repeats it goes on where it ended."""
    _no_longer_under_way(connection, request_id)
    mine = VerificationRequest.id == request_id
    untouched = (mine, VerificationRequest.status == StartStatus.REQUESTED, VerificationRequest.due_at.is_(None))
    connection.execute(update(VerificationRequest).where(*untouched).values(status=StartStatus.WAITING_FOR_DOCUMENTS))


def _no_longer_under_way(connection: Connection, request_id: str) -> None:
    connection.execute(update(VerificationRequest).where(VerificationRequest.id == request_id).values(answering_until=None))


def _again(connection: Connection, earlier: Row[Any], content: str, *, images_follow: bool) -> Asked:
    """Return what a repeated request gets. Raises KeyReused and UnderWay."""
    opened = sealed.read(connection, earlier)
    if not hmac.compare_digest(opened.fingerprint, content):
        raise KeyReused
    if opened.answer is not None:
        return Asked(id=earlier.id, answer=opened.answer)
    if earlier.answering_until is not None and earlier.answering_until > clock.now():
        raise UnderWay
    mine = update(VerificationRequest).where(VerificationRequest.id == earlier.id)
    connection.execute(mine.values(answering_until=_under_way_until(images_follow=images_follow)))
    return Asked(id=earlier.id, answer=None, is_submitted=earlier.status == StartStatus.SUBMITTED)


def _under_way_until(*, images_follow: bool) -> datetime:
    return clock.now() + (UPLOAD_MAX if images_follow else ANSWER_MAX)


def _earlier(connection: Connection, digest: bytes) -> Row[Any] | None:
    """Return the verification that a key means. A key that was used long ago means none."""
    mine = VerificationRequest.key_digest == digest
    old = update(VerificationRequest).where(mine, VerificationRequest.requested_at < clock.now() - REMEMBERED)
    connection.execute(old.values(key_digest=None))
    return connection.execute(select(VerificationRequest.__table__).where(mine).with_for_update()).one_or_none()


def _insert(connection: Connection, wanted: Wanted, by: Actor, digest: bytes, content: str, *, images_follow: bool) -> bool:
    """Write the row; return False if the person has an open one, or another request with the same key was faster. Raises AlreadyOpen."""
    _end_open_one(connection, wanted.vendor, wanted.environment, wanted.external_user_id, forced=wanted.force)
    request_id, now = new_event_id(), clock.now()
    secrets = Secrets(person=wanted.person, documents=list(wanted.documents), options=wanted.options, fingerprint=content)
    shown = [{"type": one.type, "side": one.side, "country": one.country} for one in wanted.documents]
    row = {
        "id": request_id, "vendor": wanted.vendor, "environment": wanted.environment, "external_user_id": wanted.external_user_id,
        "mode": wanted.mode, "level": wanted.level or wanted.workflow, "status": StartStatus.REQUESTED, "documents": shown, "uploads": [],
        "attempts": 0, "answers": [], "key_digest": digest, "answering_until": _under_way_until(images_follow=images_follow),
        "due_at": None if images_follow else now, "requested_by": by.name, "requested_at": now, "opened_at": now,
        "forced": wanted.reason if wanted.force else None, "trace": (traces.current() or traces.begin()).kept,
    }  # fmt: skip
    made = database.insert(VerificationRequest).values(**row).on_conflict_do_nothing().returning(VerificationRequest.id)
    if connection.execute(made).first() is None:
        return False
    body = sealed.seal(connection, request_id, secrets)
    connection.execute(update(VerificationRequest).where(VerificationRequest.id == request_id).values(sealed=body))
    subject = audit.user_subject(wanted.external_user_id)
    audit.write(
        connection, actor=by.name, action=f"start a verification at {wanted.vendor}", subject=subject, reason=wanted.reason,
        os_user=by.os_user,
    )  # fmt: skip
    return True


def reopen(connection: Connection, row: Row[Any]) -> None:
    """Open a verification again that had ended. Raises AlreadyOpen if another of the person is open."""
    if row.ended_at is not None:
        _end_open_one(connection, row.vendor, row.environment, row.external_user_id, forced=False)
        mine = update(VerificationRequest).where(VerificationRequest.id == row.id)
        try:
            with connection.begin_nested():
                connection.execute(mine.values(ended_at=None, opened_at=clock.now()))
        except IntegrityError as error:  # Another one was asked for at the same moment.
            raise AlreadyOpen(_open_one(connection, row.vendor, row.environment, row.external_user_id).id) from error


def _end_open_one(connection: Connection, vendor: str, environment: str, external_user_id: str, *, forced: bool) -> None:
    """End the person's open verification, if it has a verdict or another is forced. Raises AlreadyOpen."""
    row = _open_one(connection, vendor, environment, external_user_id)
    if row is None:
        return
    if not has_verdict(connection, row) and not forced:
        raise AlreadyOpen(row.id)
    unsent = {"status": StartStatus.CANCELLED, "due_at": None} | UNCLAIMED
    ended = {"ended_at": clock.now()} | (unsent if row.sent_at is None else {})
    connection.execute(update(VerificationRequest).where(VerificationRequest.id == row.id).values(**ended))
    if row.sent_at is None:
        sealed.forget_person(connection, row)


def _open_one(connection: Connection, vendor: str, environment: str, external_user_id: str) -> Any:
    mine = (
        VerificationRequest.vendor == vendor,
        VerificationRequest.environment == environment,
        VerificationRequest.external_user_id == external_user_id,
        VerificationRequest.ended_at.is_(None),
    )
    return connection.execute(select(VerificationRequest.__table__).where(*mine).with_for_update()).one_or_none()


def has_verdict(connection: Connection, row: Row[Any]) -> bool:
    """Return whether the applicant of a verification got a verdict since it was opened, or the vendor ended it."""
    found = applicants.find_shown(connection, requests.key_of(row)) if row.reference else None
    return found is not None and found.status in ENDED and found.updated_at > row.opened_at


def _digest(by: Actor, key: str) -> bytes:
    """Return what a key of a caller is known by. Two tokens of one person are one caller."""
    return hashlib.sha256(msgspec.json.encode([same_person(by.name), key])).digest()


def _fingerprint(wanted: Wanted) -> str:
    """Return what is the same for the same request. It is kept sealed: it could tell a guess about a person."""
    return hashlib.sha256(msgspec.json.encode(wanted, order="deterministic")).hexdigest()
