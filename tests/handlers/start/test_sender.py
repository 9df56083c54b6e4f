"""The sender does the next step of a verification at a played vendor, while somebody else acts on it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import Row, update

from handlers.start import sender
from handlers.start.ifcgate import IfcgateStart
from receiver.simulator.vendor_server import Vendors
from store import database
from store.access.operators import Actor
from store.applicants import table as applicants
from store.database.vendor_tables import VerificationRequest
from store.inbox.sealing import body_keys
from store.starts import acting, asking, carrying, requests
from store.starts.requests import StartMode
from store.starts.wanted.checks import Wanted
from store.starts.wanted.person import Document, DocumentType
from store.system import clock
from store.text.states import ApplicantKey
from tests.support.vendors.played import play, seen

BY, HOLDER = Actor(name="onboarding", by_token=True), "a sender"
WANTED: dict[str, dict[str, Any]] = {
    "idenfy": {"mode": StartMode.HOSTED},
    "ifcgate": {
        "mode": StartMode.DOCUMENTS,
        "workflow": "onboarding-default",
        "documents": [Document(type=DocumentType.PASSPORT, url="https://files.example.com/passport")],
    },
}


def asked(vendor: str, user: str, **more: Any) -> str:
    wanted = Wanted(vendor=vendor, external_user_id=user, **WANTED[vendor], **more)
    return database.write(lambda connection: asking.ask(connection, wanted, by=BY, key=uuid.uuid4().hex, images_follow=False)).id


def carry_on(verification: str, vendor: str) -> Row[Any]:
    """Do the next step of a verification, and no other; return its row."""
    mine = update(VerificationRequest).where(VerificationRequest.id == verification)
    database.write(lambda connection: connection.execute(mine.values(due_at=clock.now())))
    found = database.write(lambda connection: carrying.claim_due(connection, HOLDER, environment="live", vendors=[vendor], most=9))
    assert verification in found
    sender.carry_on(verification, HOLDER)
    return row(verification)


def row(verification: str) -> Row[Any]:
    found = database.read(lambda connection: requests.find(connection, verification))
    assert found is not None
    return found


def cancel(verification: str) -> None:
    database.write(lambda connection: acting.cancel(connection, requests.find(connection, verification, lock=True), by=BY))


def test_a_session_that_was_never_bought_is_not_bought_after_another_was_forced(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"fault": "429", "times": 1, "path": "/api/v2/token"})
    user = uuid.uuid4().hex
    first = asked("idenfy", user)
    assert carry_on(first, "idenfy").status == "sent"
    asked("idenfy", user, force=True, reason="the person waits")
    assert carry_on(first, "idenfy").status == "cancelled"
    assert seen(vendors, "idenfy")["credits"] == 0


def test_what_is_called_off_while_it_is_sent_is_not_forgotten(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    user = uuid.uuid4().hex
    verification = asked("ifcgate", user)
    verify = IfcgateStart.verify

    def meanwhile(*given: Any, **named: Any) -> str:
        case = verify(*given, **named)
        cancel(verification)
        return case

    monkeypatch.setattr(IfcgateStart, "verify", meanwhile)
    found = carry_on(verification, "ifcgate")
    assert (found.status, found.due_at, found.claimed_by) == ("cancelled", None, None)
    key = ApplicantKey("ifcgate", "live", found.reference)
    linked = database.read(lambda connection: applicants.among(connection, [key]))
    assert linked[key].external_user_id == user


@pytest.mark.usefixtures("vendors")
def test_one_that_cannot_be_opened_is_given_up_and_shown() -> None:
    verification = asked("ifcgate", uuid.uuid4().hex)
    database.write(lambda connection: body_keys.forget(connection, [verification]))
    given_up = carry_on(verification, "ifcgate")
    assert (given_up.status, given_up.failure["kind"]) == ("failed", "person")
    shown = database.read(lambda connection: requests.describe(connection, given_up))
    assert shown["redirect_url"] is None
