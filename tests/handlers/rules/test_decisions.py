"""A person decides: an event like any other, which newer news outvotes, and which approves only against what was seen.

Against a hit or an open alert it takes a second operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from handlers.rules.objections import person_decisions
from handlers.rules.registers import JUDGEMENT, PROPOSAL, registers_of
from store.text.states import Outcome
from tests.support.payloads import after
from tests.support.telling import AUTO, Delivery, decided, document, idngo, ifcgate, monitoring, stands, statuses, told, verdict


def red(hours: float = 0, *labels: str) -> Delivery:
    return idngo(answer="RED", reject="FINAL", labels=list(labels or ("FORGERY",)), at=after(hours=hours))


def green(hours: float = 0) -> Delivery:
    return idngo(answer="GREEN", at=after(hours=hours))


def decide(story: Sequence[Delivery], ruling: str, *, at: datetime, **more: Any) -> Delivery:
    """What a person decides who sees where the story so far leads."""
    objections = stands(*story).objections
    against = tuple(hit for objection in objections for hit in objection["hits"])
    seen = tuple(objection["event_id"] for objection in objections)
    return decided(story[0].vendor, ruling, at=at, against=against, seen=seen, **more)


def then(*story: Delivery, ruling: str = "approve", hours: float = 1, **more: Any) -> list[Delivery]:
    """A story, and what a person decides upon it."""
    return [*story, decide(story, ruling, at=after(hours=hours), **more)]


def state(*story: Delivery) -> str:
    decision = stands(*story).decision
    assert decision is not None
    return str(decision["state"])


@pytest.mark.parametrize(("ruling", "status"), [("approve", "approved"), ("reject", "rejected"), ("resubmit", "resubmission_requested")])
def test_a_decision_puts_an_applicant_where_it_says_and_leaves_the_vendors_word(ruling: str, status: str) -> None:
    before, now = (one.applicant for one in told(*then(idngo(answer="YELLOW", at=after()), ruling=ruling)))
    assert (before.status, now.status) == ("needs_review", status)
    assert (now.vendor_status, now.final, now.level, now.as_of) == (before.vendor_status, before.final, before.level, before.as_of)
    assert now.decision == {
        "status": status, "by": "night", "confirmed_by": None, "reason": "looked into", "state": "stands", "at": "2026-05-04T10:30:00.250Z",
        "event_id": "event-1",
    }  # fmt: skip
    assert now.last_verdict == {"status": status, "level": None, "as_of": "2026-05-04T10:30:00.250Z"}


def test_newer_news_of_the_vendor_outvotes_a_decision_and_older_news_that_was_seen_does_not() -> None:
    story = then(red(), hours=2)
    assert statuses(*story, red(3)) == ["rejected", "approved", "rejected"]
    last = told(*story, red(3))[-1]
    assert (last.reversal, last.applicant.decision and last.applicant.decision["state"]) == ("adverse", "outvoted")
    assert statuses(*then(red(), ruling="reject", hours=2), green(1)) == ["rejected", "rejected", "rejected"]


def test_an_approval_waits_for_a_second_operator_if_older_news_against_it_was_not_seen() -> None:
    story = then(red(), hours=2)
    assert statuses(*story, red(1))[-1] == "rejected"
    assert state(*story, red(1)) == "waits_for_confirmation"
    assert statuses(*then(verdict("DENIED", AUTO), hours=2), verdict("DENIED", final=True))[-1] == "rejected"
    # It was kept before the decision, and handled after it.
    backlog = [verdict("REVIEWING"), verdict("DENIED", final=True), decide([verdict("REVIEWING")], "approve", at=after(hours=1))]
    assert stands(*backlog).status == "rejected"


def test_a_decision_that_takes_an_approval_away_is_a_reversal() -> None:
    rejected = then(green(), ruling="reject")
    assert told(*rejected)[-1].reversal == "adverse"
    assert told(*then(*rejected, hours=2))[-1].reversal == "reinstated"


def test_an_older_decision_than_what_is_known_is_superseded() -> None:
    late = told(green(2), decided("idngo", "reject", at=after(hours=1)))[-1]
    assert (late.applicant.status, late.applicant.decision and late.applicant.decision["state"]) == ("approved", "outvoted")


def test_an_approval_against_a_hit_waits_for_a_second_operator() -> None:
    [_, waiting] = told(*then(red(0, "SANCTIONS")))
    assert (waiting.applicant.status, waiting.outcome) == ("rejected", Outcome.APPLIED)
    assert waiting.reason.endswith("rejected until a second operator confirms it")
    assert (waiting.changed, waiting.reversal, waiting.applicant.ever_approved) == (["decision"], None, False)
    now = stands(*then(red(0, "SANCTIONS")), decide([red(0, "SANCTIONS")], "approve", at=after(hours=1), confirmed_by="day"))
    assert (now.status, now.hits, now.decision and now.decision["confirmed_by"]) == ("approved", ["sanctions"], "day")
    assert now.ever_approved


def test_what_waits_for_a_second_operator_never_was_a_verdict() -> None:
    story = [*then(red(0, "SANCTIONS")), idngo("applicantPending", status="pending", at=after(hours=2))]
    found = stands(*story)
    assert (found.status, found.last_verdict and found.last_verdict["status"], state(*story)) == ("in_review", "rejected", "outvoted")
    assert told(*story, red(3, "SANCTIONS"))[-1].reversal is None


def test_a_hit_of_which_nobody_knew_when_it_was_decided_takes_a_second_operator_too() -> None:
    story = then(idngo(answer="YELLOW", at=after()), hours=2)
    assert statuses(*story, red(1, "SANCTIONS")) == ["needs_review", "approved", "rejected"]
    confirmed = then(red(0, "PEP"), hours=2, confirmed_by="day")
    assert stands(*confirmed).status == "approved"
    assert stands(*confirmed, red(1, "PEP", "SANCTIONS")).status == "rejected"


def test_a_hit_of_a_step_that_is_no_verdict_can_be_approved_against_too() -> None:
    story = [verdict("SUSPECTED", AUTO, tags=["FACE_BLACKLISTED"])]
    assert stands(*then(*story)).status != "approved"
    assert stands(*then(*story, confirmed_by="day")).status == "approved"


@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
def test_a_withdrawn_proposal_leaves_what_was_decided_before_it(vendor: str) -> None:
    base = red(0, "PEP") if vendor == "idngo" else verdict("DENIED", tags=["FACE_BLACKLISTED"], final=True)
    story = then(base, ruling="reject", hours=1)
    proposed = decide([base], "approve", at=after(hours=2), needs_two=True)
    taken_back = decide([base], "approve", at=after(hours=2), needs_two=True, withdrawn_by="day", withdrawal="mistaken", receipt=3)
    assert state(*story, proposed) == "waits_for_confirmation"
    last = told(*story, proposed, taken_back)[-1]
    assert last.applicant.decision is not None
    assert (last.applicant.status, last.applicant.decision["state"]) == ("rejected", "withdrawn")
    assert last.applicant.grounds[0]["name"] == "a person's decision"
    assert last.reason.endswith("withdrawn by day (mistaken): rejected")


def test_a_proposal_does_not_lift_a_rejection_that_a_person_decided() -> None:
    story = then(green(), ruling="reject", hours=1)
    proposed = decide(story, "approve", at=after(hours=2), needs_two=True)
    found = stands(*story, proposed)
    assert (found.status, found.last_verdict and found.last_verdict["status"]) == ("rejected", "rejected")
    confirmed = decide(story, "approve", at=after(hours=2), needs_two=True, confirmed_by="day")
    assert statuses(*story, proposed, confirmed) == ["approved", "rejected", "rejected", "approved"]
    # Confirmed and withdrawn at the same moment: two operators agreed.
    withdrawn = decide(story, "approve", at=after(hours=2), needs_two=True, withdrawn_by="dusk")
    for order in ([confirmed, withdrawn], [withdrawn, confirmed]):
        assert (state(*story, proposed, *order), stands(*story, proposed, *order).status) == ("stands", "approved")


def test_who_confirms_takes_the_decisions_place_so_that_news_in_between_outvotes_both() -> None:
    story = [*then(red(0, "PEP")), red(2, "PEP")]
    assert stands(*story, decide(story, "approve", at=after(hours=1), confirmed_by="day")).status == "rejected"
    scans = [*then(verdict("DENIED", final=True)), monitoring("ALERT")]
    confirmed = decide(scans, "approve", at=after(hours=1), confirmed_by="day", receipt=2)
    assert stands(*scans, confirmed).status == "needs_review"


@pytest.mark.parametrize(("confirmed_by", "status"), [(None, "needs_review"), ("day", "approved")])
def test_an_open_alert_takes_a_second_operator_and_another_alert_covers_what_was_decided(confirmed_by: str | None, status: str) -> None:
    story = then(verdict(final=True), monitoring("ALERT"), confirmed_by=confirmed_by)
    assert stands(*story).status == status
    assert "MONITORING_ALERT" in stands(*story).flags
    assert stands(*story, monitoring("ALERT", case="m-2")).status == "needs_review"


def test_an_older_alert_that_was_not_seen_is_not_looked_past() -> None:
    def case(name: str, hours: float) -> Delivery:
        return idngo("amlCaseRejected", at=after(hours=hours), amlCaseId=name)

    story = then(green(), case("a", 1), hours=3, confirmed_by="day")
    assert statuses(*story, case("b", 2)) == ["approved", "needs_review", "approved", "needs_review"]


def test_an_alert_that_is_cleared_leaves_what_was_decided() -> None:
    story = [*then(verdict("DENIED", final=True)), monitoring("ALERT"), monitoring("ACTIVE")]
    assert statuses(*story) == ["rejected", "approved", "needs_review", "approved"]


def test_a_decision_looks_past_a_document_that_has_expired_and_not_past_a_deletion() -> None:
    assert statuses(*then(verdict(final=True), document()), document()) == [
        "approved", "document_expired", "approved", "document_expired",
    ]  # fmt: skip
    assert stands(*then(green(), idngo("applicantDeleted", at=after(hours=1)), hours=2)).status == "deleted"
    assert stands(*then(green(), idngo("applicantDeactivated", at=after(hours=1)), hours=2)).status == "deactivated"


def test_without_a_vendors_clock_what_is_not_final_does_not_outvote_what_was_decided_over_a_final_verdict() -> None:
    story = then(verdict("DENIED", final=True))
    assert stands(*story, verdict("DENIED", AUTO, final=False)).status == "approved"
    assert stands(*story, verdict("DENIED", final=True)).status == "rejected"


def test_a_reset_takes_a_decision_back() -> None:
    last = stands(*then(red()), idngo("applicantReset", at=after(hours=2)))
    assert (last.status, last.last_verdict, last.decision and last.decision["state"]) == ("created", None, "outvoted")


def test_what_a_decision_says_is_told_in_words() -> None:
    assert told(*then(ifcgate("rejected")))[-1].reason == "night decided: approve (looked into): approved"


@pytest.mark.parametrize(("confirmed_by", "status"), [(None, "needs_review"), ("day", "rejected")])
def test_a_decision_that_takes_two_persons_waits_for_the_second_whatever_speaks_against_it(confirmed_by: str | None, status: str) -> None:
    story = then(idngo(answer="YELLOW", at=after()), ruling="reject", needs_two=True, confirmed_by=confirmed_by)
    assert stands(*story).status == status
    assert state(*story) == ("stands" if confirmed_by else "waits_for_confirmation")
    decision = stands(*story).decision
    assert decision is not None
    assert not {"needs_two", "seen"} & decision.keys()


@pytest.mark.parametrize(
    ("story", "grounds"),
    [
        (
            then(idngo(answer="YELLOW", at=after())),
            [("approved", "a person's decision", "event-1"), ("needs_review", "the newest verdict or progress", "event-0")],
        ),
        (
            then(red(0, "SANCTIONS")),
            [
                ("rejected", "the newest verdict or progress", "event-0"),
                ("approved", "a person's decision, once a second operator confirms it", "event-1"),
            ],
        ),
        (
            [*then(green(), ruling="reject"), green(2)],
            [
                ("approved", "the newest verdict or progress", "event-2"),
                ("rejected", "a person's decision, before newer news", "event-1"),
            ],
        ),
        (
            [*then(verdict("DENIED", final=True)), monitoring("ALERT")],
            [
                ("needs_review", "a monitoring alert", "event-2"),
                ("approved", "a person's decision", "event-1"),
                ("rejected", "the final verdict", "event-0"),
            ],
        ),
        (
            [*then(verdict(final=True), document(), monitoring("ALERT"), confirmed_by="day")],
            [
                ("approved", "a person's decision", "event-3"),
                ("needs_review", "a monitoring alert", "event-2"),
                ("document_expired", "an expired document", "event-1"),
                ("approved", "the final verdict", "event-0"),
            ],
        ),
    ],
)
def test_the_grounds_of_a_status_name_the_decision_and_what_it_does_not_cover(
    story: list[Delivery], grounds: list[tuple[str, ...]]
) -> None:
    assert [(ground["status"], ground["name"], ground["event_id"]) for ground in stands(*story).grounds] == grounds


def test_a_rejection_needs_no_second_operator_against_a_hit_nor_to_have_seen_it() -> None:
    assert state(*then(red(0, "SANCTIONS"), ruling="reject")) == "stands"
    assert state(red(0, "SANCTIONS"), decided("idngo", "resubmit", at=after(hours=1))) == "stands"


def test_what_the_vendor_tells_the_applicant_is_not_shown_beside_a_decision_that_stands() -> None:
    again = idngo(answer="RED", reject="RETRY", labels=["LOW_QUALITY"], at=after())
    message = stands(again).user_message
    assert message is not None
    assert stands(*then(again, ruling="resubmit")).user_message is None
    assert stands(*then(again, ruling="resubmit", needs_two=True)).user_message == message


def test_an_approval_that_newer_progress_outvotes_was_one_all_the_same() -> None:
    story = [*then(idngo("applicantPending", at=after())), idngo(answer="GREEN", status="pending", at=after(hours=2))]
    last = told(*story)[-1]
    assert (last.applicant.status, last.reversal) == ("needs_review", "adverse")
    assert (last.applicant.last_verdict and last.applicant.last_verdict["status"], state(*story)) == ("approved", "outvoted")


@pytest.mark.parametrize(
    ("story", "objections"),
    [
        ([green()], []),
        ([verdict(), monitoring("ALERT")], [("event-1", ["aml"])]),
        ([verdict(), monitoring("ALERT"), monitoring("ACTIVE")], []),
        ([idngo(answer="YELLOW", at=after())], [("event-0", [])]),
        ([red(0, "PEP"), idngo("applicantPending", at=after(hours=1))], [("event-0", ["pep"])]),
        ([verdict("SUSPECTED", AUTO, final=False, tags=["FACE_BLACKLISTED"])], [("event-0", ["blacklist"])]),
    ],
)
def test_what_speaks_against_an_approval_is_named_by_its_event_with_its_hits(
    story: list[Delivery], objections: list[tuple[str, list[str]]]
) -> None:
    assert [(one["event_id"], one["hits"]) for one in stands(*story).objections] == objections


def test_a_decision_that_waited_before_an_upgrade_never_stands_once_it_is_withdrawn() -> None:
    """Earlier versions kept a decision that waits in the register of those in force."""
    base = red(0, "SANCTIONS")
    waiting = decide([base], "approve", at=after(hours=1))
    withdrawn = decide([base], "approve", at=after(hours=1), withdrawn_by="day", withdrawal="mistaken")
    old = registers_of(stands(base, waiting, withdrawn))
    assert old[PROPOSAL].value["withdrawn_by"] == "day"
    old[JUDGEMENT] = registers_of(stands(base, waiting))[PROPOSAL]
    assert [one.stand for one in person_decisions(old, None)] == ["withdrawn"]
