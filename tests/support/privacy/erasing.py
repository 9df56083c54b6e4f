"""Erasures in this process: two applicants, one of whom is erased, and what is found of them then."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from sqlalchemy import inspect, select, text

from handlers import process
from handlers.privacy import erase
from handlers.replay import rebuild
from store import database
from store.applicants import table as applicants
from store.database.engine import engine
from store.database.tables import EventRow
from store.inbox import claims
from store.inbox import deliveries as arrivals
from store.inbox import record as inbox
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, DataSubject, Stage
from store.system import clock
from store.text.states import ApplicantKey
from tests.support.telling import Delivery

#: What is to be found nowhere.
MARK, USER = "mArK3dreference00000001", "mArK3duser"
GONE, OTHER = ApplicantKey("idngo", "live", MARK), ApplicantKey("idngo", "live", "somebodyelse000000000001")


def keep(delivery: Delivery, *, subject: bytes | None = None) -> str:
    identity = hashlib.sha256(repr(delivery.headers).encode() + delivery.body).digest()
    made = arrivals.Delivery(
        vendor=delivery.vendor, environment="live", headers=delivery.headers, body=delivery.body, identity=identity, subject=subject
    )
    return inbox.record(made).event_id


def handle_all() -> None:
    holder = claims.new_holder()
    while process.handle_some(holder):
        pass


def about(key: ApplicantKey, delivery: Delivery) -> Delivery:
    """IDnGO's delivery, about another applicant."""
    body = json.loads(delivery.body) | {"applicantId": key.reference, "externalUserId": USER if key == GONE else "somebody-else"}
    return replace(delivery, body=json.dumps(body).encode())


def shown(key: ApplicantKey) -> dict[str, Any] | None:
    with database.reading() as connection:
        found = applicants.find(connection, key)
        return applicants.describe(found) | {"registers": found.registers} if found else None


def approved(subject: DataSubject, **values: Any) -> str:
    """The id of an erasure that is to be carried out."""
    given = {"stage": Stage.APPROVED, "cause": Cause.REQUEST, "by": "officer"} | values
    return database.write(lambda connection: erasures.create(connection, subject, **given))


def erase_now(subject: DataSubject) -> str:
    """The id of an erasure that is done."""
    made = approved(subject, decided_by="deputy", decided_at=clock.now())
    assert erase.carry_out(made)
    return made


def whole_database() -> str:
    """Every value of every column, as text: bytes as they are and, where they are one, opened."""
    found = []
    with database.reading() as connection:
        for table in inspect(engine()).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                found += [str(value) for value in row]
        for event in connection.execute(select(EventRow.sealed_body)).scalars():
            found.append(repr(event))
    return "\n".join(found)


def differences() -> list[Any]:
    """What a rebuild would change."""
    return list(rebuild.differences(rebuild.find_renamed(lambda _: None), on_applicants=lambda _: None))
