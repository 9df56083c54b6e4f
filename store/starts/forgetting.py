"""Forgetting started verifications: those of the erased, and those that came to nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select

from store.database import bulk
from store.database.vendor_tables import VerificationRequest
from store.inbox.sealing import body_keys
from store.text.states import ApplicantKey


def forget(connection: Connection, keys: Collection[ApplicantKey], users: Collection[tuple[str, str]]) -> int:
    """Delete the verifications of applicants, and of users (`environment`, `external_user_id`), with their keys; return how many.

    What is under way for one of them at a vendor is not recorded any more."""
    theirs = [
        and_(VerificationRequest.environment == environment, VerificationRequest.external_user_id == user) for environment, user in users
    ]
    return _delete(connection, or_(bulk.of_applicants(VerificationRequest, keys), *theirs))


def is_any_unlinked(connection: Connection, *, before: datetime) -> bool:
    """Return whether there is a verification that `forget_unlinked` deletes."""
    return connection.execute(select(exists().where(_is_unlinked(before)))).scalar_one()


def forget_unlinked(connection: Connection, *, before: datetime) -> int:
    """Delete verifications that were asked for before a time, came to no reference, and of which nothing is to be done: no applicant will
    ever be theirs. Return how many."""
    return _delete(connection, _is_unlinked(before))


def _is_unlinked(before: datetime) -> ColumnElement[bool]:
    idle = (VerificationRequest.due_at.is_(None), VerificationRequest.claimed_by.is_(None))
    return and_(VerificationRequest.requested_at < before, VerificationRequest.reference.is_(None), *idle)


def _delete(connection: Connection, those: ColumnElement[bool]) -> int:
    gone = connection.execute(delete(VerificationRequest).where(those).returning(VerificationRequest.id)).scalars().all()
    if gone:
        body_keys.forget(connection, gone)
    return len(gone)
