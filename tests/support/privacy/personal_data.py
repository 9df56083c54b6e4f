"""Persons who decide about personal data, and applicants whose last event was long ago, written straight into the tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, update

from handlers.privacy import erase
from store import config, database
from store.access import audit
from store.access.operators import Actor
from store.applicants import mentions, visibility
from store.applicants import table as applicants
from store.applicants.mentions import Mention
from store.applicants.table import Applicant
from store.database.tables import EventRow
from store.inbox import deliveries as arrivals
from store.inbox import record as inbox
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import DataSubject
from store.system import clock
from store.text.states import ApplicantKey, Outcome, Status

#: Two privacy officers, an operator, and an account that proves no person.
OFFICER, OTHER = Actor("officer", True), Actor("Deputy", True)
OPERATOR, ACCOUNT = Actor("night", True), Actor("root", False, "root")

T = TypeVar("T")


def do(act: Callable[..., T], *given: Any, **named: Any) -> T:
    """Return what an act of the store returns, committed."""
    return database.write(lambda connection: act(connection, *given, **named))


def see(look: Callable[..., T], *given: Any, **named: Any) -> T:
    return database.read(lambda connection: look(connection, *given, **named))


def work_off() -> int:
    """Carry out every erasure that is to be; return how many were done."""
    return sum(erase.carry_out(erasure_id) for erasure_id in database.write(erasures.ahead))


def set_rules(monkeypatch: pytest.MonkeyPatch, rules: str) -> None:
    monkeypatch.setenv("RETENTION", rules)
    config.settings.cache_clear()


def event(vendor: str = "idngo", *, at: datetime, body: bytes = b"{}", environment: str = "live", **values: Any) -> tuple[str, int]:
    """Keep an event that was received and handled at a time; return its id and its sequence."""
    identity = hashlib.sha256(body + vendor.encode() + str(clock.now()).encode()).digest()
    made = arrivals.Delivery(vendor=vendor, environment=environment, headers={}, body=body, identity=identity, subject=None)
    event_id = inbox.record(made).event_id

    def settle(connection: Connection) -> int:
        values_then = {"status": Outcome.APPLIED, "reason": "so it is", "received_at": at, "settled_at": at} | values
        settled = update(EventRow).where(EventRow.id == event_id).values(**values_then)
        return int(connection.execute(settled.returning(EventRow.sequence)).scalar_one())

    return event_id, database.write(settle)


def known(
    reference: str,
    *,
    last_event: datetime,
    user: str | None = None,
    vendor: str = "idngo",
    environment: str = "live",
    approved: bool = False,
    verdict: Status | None = None,
) -> ApplicantKey:
    """Write down an applicant whose newest event was received at a time."""
    key = ApplicantKey(vendor, environment, reference)
    _, sequence = event(vendor, at=last_event, body=reference.encode(), environment=environment)
    one = Applicant(
        **key._asdict(),
        external_user_id=user,
        ever_approved=approved,
        last_verdict={"status": verdict.value} if verdict else None,
        updated_at=clock.now(),
        version=1,
    )
    said = Mention(
        **key._asdict(), event_sequence=sequence, place=1, rank=0, said="x", meant="x", outcome=Outcome.APPLIED, why="x", superseded_by=None
    )  # fmt: skip

    def write(connection: Connection) -> None:
        applicants.save(connection, [one])
        mentions.remember(connection, [said])

    database.write(write)
    return key


def restricted(reference: str) -> ApplicantKey:
    """A restricted applicant."""
    key = known(reference, last_event=clock.now())

    def restrict(connection: Connection) -> None:
        applicants.save(connection, [visibility.restrict(one)[0] for one in applicants.lock(connection, [key]).values()])

    database.write(restrict)
    return key


def of(key: ApplicantKey) -> DataSubject:
    return DataSubject(environment=key.environment, vendor=key.vendor, reference=key.reference)


def of_user(user: str) -> DataSubject:
    return DataSubject(environment="live", external_user_id=user)


def actions() -> list[str]:
    """The actions in the audit log, oldest first."""
    return [row.action for row in see(audit.listing, limit=100)]
