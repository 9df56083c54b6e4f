"""A running service logs what is held and erased: its log holds after each, whichever process erased the rows."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from store import database
from store.database.log_tables import Leaf
from store.proof.kinds import LeafKind
from store.proof.verification import run
from store.system import clock
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy import queued
from tests.support.privacy.calls import DEPUTY, approve, erased, restricted, send, until_done
from tests.support.service import Service, eventually


def leaves(kind: LeafKind) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).where(Leaf.kind == kind)).scalar_one()


@pytest.mark.usefixtures("kept")
def test_the_log_holds_whatever_is_held_and_erased_and_comes_later(service: Service) -> None:
    who, other = payloads.new_applicant(), payloads.new_applicant()
    for reference in (who, other):
        service.told("idngo", payloads.idngo(reference, answer="GREEN"))
    hold = send(service, "/v1/holds", vendor="idngo", reference=who, reason="a court asks", review_at=clock.rfc3339(clock.now())).json["id"]
    assert send(service, f"/v1/holds/{hold}/lift", token=DEPUTY, reason="it is over").status == 200
    made = erased(service, vendor="idngo", reference=who)
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(days=1)))
    refused = approve(service, restricted(service, vendor="idngo", reference=other))
    assert until_done(service, refused)["id"] != made
    eventually(queued.is_all_logged, "everything to be logged")
    queued.check_log()
    assert run.verify_all().faults == []
    assert leaves(LeafKind.ERASURE_DONE) == 2
    assert all(leaves(kind) for kind in (LeafKind.HOLD, LeafKind.HOLD_LIFTED, LeafKind.ERASURE, LeafKind.ERASURE_DECIDED, LeafKind.EMPTIED))
