"""Acts about personal data: their data subjects, how they are recorded, and that the second person is another one."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

from store.access import audit, digests
from store.access.operators import Actor
from store.access.tokens import person
from store.database.privacy_tables import PrivacyState
from store.privacy.errors import NotPossible, SamePerson
from store.text.states import ApplicantKey


class DataSubject(Struct, frozen=True, kw_only=True):
    """The subject of an erasure or a hold: a user, or one applicant."""

    environment: str
    external_user_id: str | None = None
    vendor: str | None = None
    reference: str | None = None

    @classmethod
    def of_row(cls, row: Any) -> DataSubject:
        """Return the data subject of an erasure or a hold, from its row."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})

    @property
    def key(self) -> ApplicantKey:
        """Return the applicant that is named; of a user, one with empty names."""
        return ApplicantKey(self.vendor or "", self.environment, self.reference or "")

    @property
    def digest(self) -> bytes:
        """Return the keyed digest, by which an open erasure for the same is found, and which stays. Raises NoIndexKey."""
        if self.external_user_id is not None:
            return digests.of_user(self.environment, self.external_user_id)
        return digests.of_applicant(self.key)

    @property
    def audit_subject(self) -> str:
        """Return how the audit log names them."""
        return audit.applicant_subject(self.key) if self.external_user_id is None else audit.user_subject(self.external_user_id)


class Action(StrEnum):
    """An act about personal data. The rule `audit` of RETENTION never removes one."""

    REQUEST = "request an erasure"
    APPROVE = "approve an erasure"
    REFUSE = "refuse an erasure"
    READMIT = "readmit"
    CONFIRM_VENDOR = "confirm a vendor's deletion"
    PLACE_HOLD = "place a hold"
    LIFT_HOLD = "lift a hold"
    END_RELATIONSHIP = "end a relationship"
    REOPEN_RELATIONSHIP = "reopen a relationship"
    RUN_RETENTION = "run retention"
    ACCEPT_LEDGER = "accept-ledger"


def record(connection: Connection, action: Action, subject: DataSubject, *, by: Actor, reason: str | None) -> None:
    """Record an act in the audit log, with its data subject."""
    audit.write(connection, actor=by.name, action=action, subject=subject.audit_subject, reason=reason, os_user=by.os_user)


def record_other(connection: Connection, action: Action, subject: str, *, by: Actor, reason: str | None, touched: int) -> None:
    """Record an act that names no data subject."""
    audit.write(connection, actor=by.name, action=action, subject=subject, reason=reason, touched=touched, os_user=by.os_user)


def take_turn(connection: Connection) -> None:
    """Wait for the others who decide about erasures and holds, until the transaction's end: two of them cannot miss each other."""
    connection.execute(select(PrivacyState.id).with_for_update())


def check_second(by: Actor, first: str) -> None:
    """Check that the second person proves to be another one than the first. Raises NotPossible without a token, and SamePerson."""
    if not by.by_token:
        raise NotPossible("the second person acts with a token, one of PRIVACY_TOKENS: give --token-file or STANDING_TOKEN")
    if person(by.name) == person(first):
        raise SamePerson(f"{first} began it: it takes another person")
