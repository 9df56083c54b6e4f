"""A person decides: an event like any other, which newer news outvotes, and which approves against a hit only with a second operator."""

from __future__ import annotations

from typing import Any

import pytest

from store.states import Outcome
from tests.handlers.telling import Delivery, decided, document, idngo, ifcgate, monitoring, stands, statuses, told, verdict
from tests.payloads import after

RED: dict[str, Any] = {"answer": "RED", "reject": "FINAL"}


def red(hours: float = 0, *labels: str) -> Delivery:
    return idngo(**RED, labels=list(labels or ("FORGERY",)), at=after(hours=hours))


def green(hours: float = 0) -> Delivery:
    return idngo(answer="GREEN", at=after(hours=hours))


def decide(ruling: str, hours: float, **more: Any) -> Delivery:
    return decided("idngo", ruling, at=after(hours=hours), **more)


@pytest.mark.parametrize(("ruling", "status"), [("approve", "approved"), ("reject", "rejected"), ("resubmit", "resubmission_requested")])
def test_a_decision_puts_an_applicant_where_it_says_and_leaves_the_vendors_word(ruling: str, status: str) -> None:
    before, now = (one.applicant for one in told(idngo(answer="YELLOW", at=after()), decide(ruling, 1)))
    assert (before.status, now.status) == ("needs_review", status)
    assert (now.vendor_status, now.final, now.level, now.as_of) == (before.vendor_status, before.final, before.level, before.as_of)
    assert now.decision is not None
    assert {name: now.decision[name] for name in ("status", "by", "confirmed_by", "reason", "state")} == {
        "status": status, "by": "night", "confirmed_by": None, "reason": "looked into", "state": "stands",
    }  # fmt: skip
    assert now.last_verdict is not None
    assert now.last_verdict["status"] == status


def test_newer_news_of_the_vendor_outvotes_a_decision_and_older_news_does_not() -> None:
    assert statuses(red(), decide("approve", 2), red(1), red(3)) == ["rejected", "approved", "approved", "rejected"]
    last = told(red(), decide("approve", 2), red(3))[-1]
    assert (last.reversal, last.applicant.decision and last.applicant.decision["state"]) == ("adverse", "outvoted")


def test_a_decision_that_takes_an_approval_away_is_a_reversal() -> None:
    assert told(green(), decide("reject", 1))[-1].reversal == "adverse"
    assert told(green(), decide("reject", 1), decide("approve", 2))[-1].reversal == "reinstated"


def test_an_older_decision_than_what_is_known_is_superseded() -> None:
    late = told(green(2), decide("reject", 1))[-1]
    assert (late.applicant.status, late.applicant.decision and late.applicant.decision["state"]) == ("approved", "outvoted")


def test_an_approval_against_a_hit_waits_for_a_second_operator() -> None:
    waits = decide("approve", 1, against=("sanctions",))
    [_, waiting, confirmed] = told(red(0, "SANCTIONS"), waits, decide("approve", 1, against=("sanctions",), confirmed_by="day"))
    assert (waiting.applicant.status, waiting.outcome) == ("rejected", Outcome.APPLIED)
    assert waiting.reason.endswith("rejected until a second operator confirms it")
    assert (waiting.changed, waiting.reversal, waiting.applicant.ever_approved) == (["decision"], None, False)
    now = confirmed.applicant
    assert (now.status, now.hits, now.decision and now.decision["confirmed_by"]) == ("approved", ["sanctions"], "day")
    assert now.ever_approved


def test_a_hit_of_which_nobody_knew_when_it_was_decided_takes_a_second_operator_too() -> None:
    assert statuses(idngo(answer="YELLOW", at=after()), decide("approve", 2), red(1, "SANCTIONS")) == [
        "needs_review", "approved", "rejected",
    ]  # fmt: skip
    confirmed = decide("approve", 2, against=("pep",), confirmed_by="day")
    assert stands(red(0, "PEP"), confirmed).status == "approved"
    assert stands(red(0, "PEP"), confirmed, red(1, "PEP", "SANCTIONS")).status == "rejected"


def test_who_confirms_takes_the_decisions_place_so_that_news_in_between_outvotes_both() -> None:
    story = [red(0, "PEP"), decide("approve", 1, against=("pep",)), red(2, "PEP")]
    assert stands(*story, decide("approve", 1, against=("pep",), confirmed_by="day")).status == "rejected"


@pytest.mark.parametrize(("confirmed_by", "status"), [(None, "needs_review"), ("day", "approved")])
def test_an_open_alert_takes_a_second_operator_and_a_newer_alert_covers_what_was_decided(confirmed_by: str | None, status: str) -> None:
    approval = decided("idenfy", "approve", at=after(), against=("aml",), confirmed_by=confirmed_by)
    story = [verdict(final=True), monitoring("ALERT"), approval]
    assert stands(*story).status == status
    assert "MONITORING_ALERT" in stands(*story).flags
    assert stands(*story, monitoring("ALERT", case="m-2")).status == "needs_review"


def test_an_alert_that_is_cleared_leaves_what_was_decided() -> None:
    story = [verdict("DENIED", final=True), decided("idenfy", "approve", at=after()), monitoring("ALERT"), monitoring("ACTIVE")]
    assert statuses(*story) == ["rejected", "approved", "needs_review", "approved"]


def test_a_decision_looks_past_a_document_that_has_expired_and_not_past_a_deletion() -> None:
    expired = [verdict(final=True), document()]
    assert statuses(*expired, decided("idenfy", "approve", at=after()), document()) == [
        "approved", "document_expired", "approved", "document_expired",
    ]  # fmt: skip
    assert stands(green(), idngo("applicantDeleted", at=after(hours=1)), decide("approve", 2)).status == "deleted"
    assert stands(green(), idngo("applicantDeactivated", at=after(hours=1)), decide("approve", 2)).status == "deactivated"


def test_without_a_vendors_clock_what_is_not_final_does_not_outvote_a_decision() -> None:
    story = [verdict("DENIED", final=True), decided("idenfy", "approve", at=after())]
    assert stands(*story, verdict("DENIED", "IDENTIFICATION_AUTO_FINISHED", final=False)).status == "approved"
    assert stands(*story, verdict("DENIED", final=True)).status == "rejected"


def test_a_reset_takes_a_decision_back() -> None:
    last = stands(red(), decide("approve", 1), idngo("applicantReset", at=after(hours=2)))
    assert (last.status, last.last_verdict, last.decision and last.decision["state"]) == ("created", None, "outvoted")


def test_what_a_decision_says_is_told_in_words() -> None:
    decision = told(ifcgate("rejected"), decided("ifcgate", "approve", at=after(hours=1)))[-1]
    assert decision.reason == "night decided: approve (looked into): approved"
