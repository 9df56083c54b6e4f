"""From a signed webhook to an applicant's state: HTTP in, applicant out."""

from __future__ import annotations

from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service


def test_an_approved_applicant_who_is_blacklisted_a_week_later_is_reversed(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    event = running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["BLACKLIST", "SANCTIONS"], at=after(days=7)))
    state = running.applicant("idngo", who)
    assert (state["status"], state["hits"], state["user_message"], state["ever_approved"]) == (
        "rejected",
        ["blacklist", "sanctions"],
        None,
        True,
    )
    last = running.history("idngo", who)[-1]
    assert (last["from"], last["to"], last["reversal"], last["event_id"]) == ("approved", "rejected", "adverse", event["id"])
