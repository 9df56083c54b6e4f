"""The rules, told as stories: several deliveries, and where the applicant stands after each."""

from __future__ import annotations

import hashlib
import itertools
from datetime import datetime
from typing import Any

import pytest
from msgspec import structs

from handlers.interpret import weigh
from handlers.rules.news import Unreadable
from handlers.rules.transitions import decide
from store.text.states import Outcome
from tests.support.payloads import BEGAN, after
from tests.support.telling import (
    AUTO,
    MANUAL,
    ON_THE_WAY,
    RECEIVED,
    RESUBMITTED,
    Delivery,
    configured,
    decided,
    derived,
    document,
    idenfy,
    idngo,
    ifcgate,
    interpreted,
    monitoring,
    occasion_of,
    shown,
    stands,
    statuses,
    told,
    verdict,
)


def green(hours: float = 0, **more: Any) -> Delivery:
    return idngo(answer="GREEN", at=after(hours=hours), **more)


def yellow(hours: float = 0, **more: Any) -> Delivery:
    return idngo(answer="YELLOW", at=after(hours=hours), **more)


def retry(hours: float = 0, *, labels: tuple[str, ...] = ("LOW_QUALITY",), **more: Any) -> Delivery:
    return idngo(answer="RED", reject="RETRY", labels=list(labels), at=after(hours=hours), **more)


def red(hours: float = 0, *, labels: tuple[str, ...] = ("FORGERY",), **more: Any) -> Delivery:
    return idngo(answer="RED", reject="FINAL", labels=list(labels), at=after(hours=hours), **more)


def step(kind: str, hours: float = 0, **more: Any) -> Delivery:
    return idngo(kind, at=after(hours=hours), **more)


def case(word: str, hours: float = 0, event: str = "case.review.completed", **more: Any) -> Delivery:
    return ifcgate(word, event, at=after(hours=hours), **more)


#: No usable time: the event is ordered by our receipt, so many hours after the story began.
def untimed(delivery_hours: float) -> dict[str, Any]:
    return {"createdAtMs": None, "createdAt": None, "received_at": after(hours=delivery_hours)}


def provisional(overall: str = "APPROVED", **more: Any) -> Delivery:
    return verdict(overall, AUTO, final=False, **more)


def reopened(overall: str = "APPROVED", **more: Any) -> Delivery:
    return verdict(overall, RESUBMITTED, final=False, **more)


# what a change does to an approval ------------------------------------------------------------------------------

STORIES: dict[str, list[tuple[Delivery, str, str | None]]] = {
    "an approval falls when the applicant is blacklisted a week later": [
        (green(0), "approved", None),
        (red(7 * 24, labels=("BLACKLIST", "SANCTIONS")), "rejected", "adverse"),
    ],
    "an approval falls when a person must look": [(green(0), "approved", None), (yellow(1), "needs_review", "adverse")],
    "an approval under re-review that is then rejected fell": [
        (green(0), "approved", None),
        (step("applicantPending", 1), "in_review", "re_review"),
        (red(2), "rejected", "adverse"),
    ],
    "an approval under re-review that comes back is reinstated": [
        (green(0), "approved", None),
        (step("applicantPending", 1), "in_review", "re_review"),
        (green(2), "approved", "reinstated"),
    ],
    "an approval on hold, then in doubt, then refused": [
        (green(0), "approved", None),
        (step("applicantOnHold", 1), "on_hold", "re_review"),
        (yellow(2), "needs_review", "adverse"),
        (red(3), "rejected", None),
    ],
    "a verdict without an approval before it reverses nothing": [
        (step("applicantCreated", 0), "created", None),
        (step("applicantPending", 1), "in_review", None),
        (retry(2), "resubmission_requested", None),
        (yellow(3), "needs_review", None),
        (red(4), "rejected", None),
    ],
    "a rejection that is lifted is a reinstatement, and may fall again": [
        (red(0), "rejected", None),
        (green(1), "approved", "reinstated"),
        (red(2), "rejected", "adverse"),
        (green(3), "approved", "reinstated"),
    ],
    "an approval after doubt is no reinstatement": [(yellow(0), "needs_review", None), (green(1), "approved", None)],
    "an approval after another try is no reinstatement": [(retry(0), "resubmission_requested", None), (green(1), "approved", None)],
    "an approval after another try that followed an approval is no reinstatement": [
        (green(0), "approved", None),
        (retry(1), "resubmission_requested", "re_review"),
        (green(2), "approved", None),
    ],
    "a new beginning takes the approval back for a look": [
        (green(0), "approved", None),
        (step("applicantCreated", 1), "created", "re_review"),
        (green(2), "approved", "reinstated"),
    ],
    "another level takes the approval back for a look, and the verdict stands meanwhile": [
        (green(0), "approved", None),
        (step("applicantLevelChanged", 1), "created", "re_review"),
        (red(2), "rejected", "adverse"),
    ],
    "what follows a reset follows no verdict": [
        (green(0), "approved", None),
        (step("applicantReset", 1), "created", "re_review"),
        (red(2), "rejected", None),
        (step("applicantReset", 3), "created", None),
        (green(4), "approved", None),
    ],
    "an approval awaits its applicant": [
        (green(0), "approved", None),
        (step("applicantAwaitingUser", 1), "awaiting_applicant", "re_review"),
    ],
    "an approval awaits a service": [(green(0), "approved", None), (step("applicantAwaitingService", 1), "in_review", "re_review")],
    "a profile set aside and taken up again": [
        (green(0), "approved", None),
        (step("applicantDeactivated", 1), "deactivated", "offboarded"),
        (step("applicantActivated", 2), "approved", "reinstated"),
    ],
    "a rejection set aside and taken up again": [
        (red(0), "rejected", None),
        (step("applicantDeactivated", 1), "deactivated", None),
        (step("applicantActivated", 2), "rejected", None),
    ],
    "an approval that is rejected while it was set aside fell once it shows": [
        (green(0), "approved", None),
        (step("applicantDeactivated", 1), "deactivated", "offboarded"),
        (red(2), "deactivated", None),
        (step("applicantActivated", 3), "rejected", None),
    ],
    "an approval that is erased, and a newcomer of the same name": [
        (green(0), "approved", None),
        (step("applicantDeleted", 1), "deleted", "offboarded"),
        (step("applicantCreated", 2), "created", None),
        (green(3), "approved", None),
    ],
    "a case of money laundering, and its end": [
        (green(0), "approved", None),
        (step("amlCaseOnHold", 1), "needs_review", "adverse"),
        (step("amlCaseRejected", 2), "needs_review", None),
        (step("amlCaseApproved", 3), "approved", "reinstated"),
    ],
    "an alert, and then the rejection": [
        (green(0), "approved", None),
        (step("amlCaseOnHold", 1), "needs_review", "adverse"),
        (red(2), "rejected", "adverse"),
    ],
    "a document runs out, and another is shown": [
        (verdict(), "approved", None),
        (document(), "document_expired", "lapsed"),
        (verdict("DENIED"), "rejected", "adverse"),
        (verdict(startTime=2), "approved", "reinstated"),
    ],
    "a case reopened, and closed again": [
        (provisional(), "in_review", None),
        (verdict(), "approved", None),
        (reopened("REVIEWING"), "in_review", "re_review"),
        (verdict("SUSPECTED"), "needs_review", "adverse"),
        (verdict(startTime=2), "approved", None),
    ],
    "a reopened case that runs out": [
        (verdict(), "approved", None),
        (reopened(), "in_review", "re_review"),
        (verdict("EXPIRED", "IDENTIFICATION_EXPIRED"), "session_expired", "lapsed"),
    ],
    "a reopened case that is given up": [
        (verdict(), "approved", None),
        (reopened(), "in_review", "re_review"),
        (verdict("ACTIVE", "IDENTIFICATION_CANCELLED"), "cancelled", "offboarded"),
    ],
    "an approved verification that is erased": [(verdict(), "approved", None), (verdict("DELETED"), "deleted", "offboarded")],
    "a case that runs out": [(case("approved", 0), "approved", None), (case("expired", 1), "session_expired", "lapsed")],
    "a case that is given up": [(case("approved", 0), "approved", None), (case("cancelled", 1), "cancelled", "offboarded")],
    "a case that needs documents": [
        (case("approved", 0), "approved", None),
        (case("needs_documents", 1, "case.updated"), "resubmission_requested", "re_review"),
    ],
    "a case with a word nobody knows": [
        (case("approved", 0), "approved", None),
        (case("in_review", 1, "case.reopened"), "in_review", "re_review"),
        (case("frobnicated", 2), "needs_review", "adverse"),
    ],
    "saying the same again does nothing to an approval": [
        (green(0), "approved", None),
        (green(1), "approved", None),
        (green(2), "approved", None),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_each_change_says_what_it_does_to_an_approval(story: list[tuple[Delivery, str, str | None]]) -> None:
    decisions = told(*(delivery for delivery, _, _ in story))
    assert [(decision.applicant.status, decision.reversal) for decision in decisions] == [
        (status, reversal) for _, status, reversal in story
    ]


def test_an_approval_may_fall_and_rise_without_its_status_being_told_twice() -> None:
    decisions = told(green(0), red(1, labels=("FORGERY",)), red(2, labels=("SANCTIONS",)))
    assert [decision.reversal for decision in decisions] == [None, "adverse", None]
    assert sorted(decisions[-1].changed) == ["hits", "reasons", "user_message"]


# hits, comments, verdicts ----------------------------------------------------------------------------------------


def test_a_reset_empties_the_last_verdict_and_keeps_the_hits() -> None:
    state = stands(red(0, labels=("BLACKLIST", "PEP")), step("applicantReset", 1))
    assert (state.status, state.last_verdict, state.hits, state.reasons, state.final) == ("created", None, ["blacklist", "pep"], [], False)


@pytest.mark.parametrize(
    "kind", ["applicantCreated", "applicantPending", "applicantOnHold", "applicantAwaitingUser", "applicantLevelChanged"]
)
def test_progress_keeps_the_last_verdict_and_the_hits(kind: str) -> None:
    state = stands(red(0, labels=("SANCTIONS",)), step(kind, 1))
    assert state.last_verdict == {"status": "rejected", "level": "id-and-liveness", "as_of": "2026-05-04T09:30:00.250Z"}
    assert (state.hits, state.user_message) == (["sanctions"], None)


def test_the_next_verdict_says_which_hits_there_are() -> None:
    assert stands(red(0, labels=("BLACKLIST",)), step("applicantReset", 1), green(2)).hits == []
    assert stands(red(0, labels=("BLACKLIST",)), red(1, labels=("PEP",))).hits == ["pep"]
    assert stands(red(1, labels=("BLACKLIST",)), red(0, labels=("PEP",))).hits == ["blacklist"]


def test_a_verdict_older_than_a_reset_stays_taken_back_whenever_it_comes() -> None:
    for story in itertools.permutations([green(0), step("applicantReset", 1), step("applicantPending", 2)]):
        state = stands(*story)
        assert (state.status, state.last_verdict, state.ever_approved) == ("in_review", None, True)


@pytest.mark.parametrize(
    ("story", "message"),
    [
        ([retry(0)], "Please send a sharper photo of your document."),
        ([retry(0, labels=("LOW_QUALITY", "PEP"))], None),
        ([retry(0, labels=("ADVERSE_MEDIA",))], None),
        ([retry(0), step("amlCaseRejected", 1)], None),
        ([retry(0), step("amlCaseRejected", 1), step("amlCaseApproved", 2)], "Please send a sharper photo of your document."),
        ([red(0, labels=("BLACKLIST",)), step("applicantReset", 1), step("applicantPending", 2)], None),
        ([red(0, labels=("BLACKLIST",)), retry(1)], "Please send a sharper photo of your document."),
        ([retry(0), step("applicantDeactivated", 1)], "Please send a sharper photo of your document."),
        ([retry(0), step("applicantPending", 1)], None),
        ([green(0)], None),
    ],
)
def test_the_applicant_is_told_nothing_while_there_is_a_hit_or_an_alert(story: list[Delivery], message: str | None) -> None:
    assert stands(*story).user_message == message


def test_an_applicant_shows_all_that_its_last_step_said() -> None:
    names = ("status", "final", "provisional", "vendor_status", "may_retry", "reasons", "hits", "flags", "user_message", "level")
    again, refused, begun = stands(retry(0)), stands(red(0, labels=("PEP", "FORGERY"))), stands(provisional("DENIED"))
    assert [getattr(again, name) for name in names] == [
        "resubmission_requested", False, None, "RED:RETRY", True, ["LOW_QUALITY"], [], [],
        "Please send a sharper photo of your document.", "id-and-liveness",
    ]  # fmt: skip
    assert [getattr(refused, name) for name in names] == [
        "rejected", True, None, "RED:FINAL", False, ["PEP", "FORGERY"], ["pep"], [], None, "id-and-liveness",
    ]  # fmt: skip
    assert [getattr(begun, name) for name in names] == ["in_review", False, "rejected", "DENIED", None, [], [], [], None, None]
    assert begun.checks == {
        "document": "DOC_VALIDATED", "face": "FACE_MATCH", "additional_steps": None,
    }  # fmt: skip
    assert again.checks == {"document": None, "face": None, "additional_steps": None}


def test_what_the_verdict_said_shows_also_while_something_lies_over_it() -> None:
    verdicts, overlaid = told(retry(0), step("applicantDeactivated", 1))
    kept = ("final", "provisional", "vendor_status", "may_retry", "reasons", "checks", "level", "last_verdict")
    assert {name: getattr(overlaid.applicant, name) for name in kept} == {name: getattr(verdicts.applicant, name) for name in kept}
    assert sorted(overlaid.changed) == ["flags", "status"]


@pytest.mark.parametrize(
    "fall", [red(1), step("applicantReset", 1), step("applicantDeleted", 1), step("applicantDeactivated", 1), step("amlCaseRejected", 1)]
)
def test_that_there_ever_was_an_approval_is_never_forgotten(fall: Delivery) -> None:
    assert stands(green(0), fall).ever_approved
    assert stands(fall, green(0)).ever_approved


def test_what_never_was_an_approval_is_not_remembered_as_one() -> None:
    doubtful = [
        green(1, reviewResult={"reviewAnswer": "GREEN", "rejectLabels": ["PEP"]}),
        green(2, **untimed(2)),
        green(3, reviewStatus="pending"),
        idngo("applicantActionReviewed", "GREEN", at=after(hours=4)),
    ]
    assert not stands(*doubtful).ever_approved
    assert not stands(provisional(), verdict(repeat=True), verdict(tags=["AML_FAILED"])).ever_approved
    assert not stands(case("approved", event="case.updated"), case("approvedish")).ever_approved


# erased and set aside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["applicantDeleted", "applicantPersonalDataDeleted"])
def test_an_erased_applicant_starts_afresh_and_nothing_old_comes_back(kind: str) -> None:
    erased = [green(0), step(kind, 2)]
    assert statuses(*erased, red(1), step("applicantPending", 1.5)) == ["approved", "deleted", "deleted", "deleted"]
    state = stands(*erased, step("applicantPending", 3))
    assert (state.status, state.last_verdict, state.final, state.ever_approved) == ("in_review", None, False, True)
    assert stands(*erased, green(3)).status == "approved"


@pytest.mark.parametrize("overall", ["APPROVED", "DENIED", "SUSPECTED"])
def test_an_erased_verification_that_is_begun_anew_does_not_show_its_old_verdict(overall: str) -> None:
    story = [verdict(overall), verdict("DELETED"), verdict("ACTIVE", final=False), provisional()]
    assert statuses(*story)[1:] == ["deleted", "created", "in_review"]
    for handled in itertools.permutations(range(4)):
        state = told(*story, handled=handled)[-1].applicant
        assert (state.status, state.provisional, state.last_verdict) == ("in_review", "approved", None)


@pytest.mark.parametrize("final", [True, False])
def test_an_erased_verification_is_as_final_as_its_deletion_says(final: bool) -> None:
    assert stands(verdict(final=not final), verdict("DELETED", final=final)).final is final


def test_neither_an_activation_nor_a_cleared_alert_brings_an_erased_applicant_back() -> None:
    assert statuses(green(0), step("applicantDeleted", 1), step("applicantActivated", 2), step("amlCaseApproved", 3))[1:] == ["deleted"] * 3


def test_erased_lies_over_set_aside_and_set_aside_over_an_alert() -> None:
    story = [green(0), step("amlCaseRejected", 1), step("applicantDeactivated", 2), step("applicantDeleted", 3)]
    assert statuses(*story) == ["approved", "needs_review", "deactivated", "deleted"]
    state = stands(*story, green(4), step("applicantActivated", 5))
    assert (state.status, state.flags) == ("needs_review", ["MONITORING_ALERT"])


@pytest.mark.parametrize(
    ("beneath", "status"),
    [(green(2), "approved"), (red(2), "rejected"), (step("applicantPending", 2), "in_review"), (step("applicantReset", 2), "created")],
)
def test_a_profile_set_aside_shows_what_became_of_it_meanwhile_once_it_is_taken_up_again(beneath: Delivery, status: str) -> None:
    story = [green(0), step("applicantDeactivated", 1), beneath, step("applicantActivated", 3)]
    assert statuses(*story) == ["approved", "deactivated", "deactivated", status]


def test_an_activation_older_than_the_deactivation_lifts_nothing() -> None:
    *_, then = told(green(0), step("applicantDeactivated", 2), step("applicantActivated", 1))
    assert (then.applicant.status, then.outcome) == ("deactivated", Outcome.SUPERSEDED)


@pytest.mark.parametrize(
    ("alone", "status", "flags"),
    [
        (step("applicantDeleted"), "deleted", []),
        (step("applicantDeactivated"), "deactivated", ["DEACTIVATED"]),
        (step("amlCaseRejected"), "needs_review", ["MONITORING_ALERT"]),
        (document("DOCUMENT_EXPIRES_WITHIN_7_DAYS"), "created", ["DOCUMENT_EXPIRING"]),
        (document(), "document_expired", ["DOCUMENT_EXPIRED"]),
        (verdict("ARCHIVED"), "created", ["ARCHIVED"]),
    ],
)
def test_news_that_restricts_an_unknown_applicant_makes_it_known(alone: Delivery, status: str, flags: list[str]) -> None:
    (first,) = told(alone)
    assert (first.outcome, first.applicant.status, first.applicant.flags, first.applicant.version) == (Outcome.APPLIED, status, flags, 1)
    assert "status" in first.changed


@pytest.mark.parametrize("alone", [step("applicantActivated"), step("amlCaseApproved"), monitoring("ACTIVE")])
def test_news_that_only_lifts_makes_no_applicant_known(alone: Delivery) -> None:
    (first,) = told(alone)
    assert (first.outcome, first.changed, first.applicant.version) == (Outcome.UNCHANGED, [], 0)


def test_the_grounds_name_what_covers_a_verdict_the_strongest_first() -> None:
    story = [green(0), step("amlCaseRejected", 1), step("applicantDeactivated", 2), step("applicantDeleted", 3)]
    assert [(ground["status"], ground["name"], ground["event_id"]) for ground in stands(*story).grounds] == [
        ("deleted", "a deletion", "event-3"),
        ("deactivated", "a deactivation", "event-2"),
        ("needs_review", "a monitoring alert", "event-1"),
        ("created", "the newest verdict or progress", "event-3"),
    ]
    assert stands(document()).grounds == [
        {"status": "document_expired", "name": "an expired document", "event_id": "event-0"},
        {"status": "created", "name": "the newest verdict or progress", "event_id": None},
    ]


# alerts and documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "meanwhile",
    [
        monitoring("ACTIVE", case="m-2"),
        monitoring("STOPPED"),
        monitoring("PENDING"),
        monitoring("DECLINED"),
        verdict(startTime=2),
        verdict("SUSPECTED"),
        reopened(),
        provisional(),
        verdict("ARCHIVED"),
        document("DOCUMENT_EXPIRES_WITHIN_7_DAYS"),
        monitoring("ACTIVE", repeat=True),
    ],
)
def test_an_alert_is_lifted_by_the_clearing_of_the_same_monitoring_alone(meanwhile: Delivery) -> None:
    state = stands(verdict(), monitoring(), meanwhile)
    assert (state.status, "MONITORING_ALERT" in state.flags, state.hits) == ("needs_review", True, ["aml"])
    after_all = stands(verdict(), monitoring(), meanwhile, monitoring("ACTIVE"))
    assert ("MONITORING_ALERT" in after_all.flags, after_all.hits) == (False, [])


def test_of_two_alerts_both_must_be_lifted() -> None:
    story = [verdict(), monitoring(case="m-1"), monitoring(case="m-2"), monitoring("ACTIVE", case="m-1"), monitoring("ACTIVE", case="m-2")]
    assert statuses(*story) == ["approved", "needs_review", "needs_review", "needs_review", "approved"]


def test_an_alert_handled_after_its_clearing_is_lifted_all_the_same() -> None:
    story = [verdict(), monitoring(), monitoring("ACTIVE")]
    assert told(*story, handled=[0, 2, 1])[-1].applicant.status == "approved"
    assert told(*story, handled=[2, 1, 0])[-1].applicant.status == "approved"


@pytest.mark.parametrize("lifting", [verdict(startTime=2), verdict("DENIED"), verdict("SUSPECTED"), verdict("TOTALLY_NEW")])
def test_an_expired_document_is_lifted_by_a_newer_final_verdict(lifting: Delivery) -> None:
    assert "DOCUMENT_EXPIRED" not in stands(verdict(), document(), lifting).flags
    state = stands(verdict(), document("DOCUMENT_EXPIRES_WITHIN_7_DAYS"), document(), verdict(startTime=2))
    assert (state.status, state.flags) == ("approved", [])


@pytest.mark.parametrize(
    "meanwhile",
    [
        provisional(),
        reopened(),
        reopened("REVIEWING"),
        verdict("REVIEWING"),
        verdict("ACTIVE"),
        verdict("EXPIRED", "IDENTIFICATION_EXPIRED"),
        monitoring("ACTIVE"),
        document("DOCUMENT_EXPIRES_WITHIN_30_DAYS"),
        verdict("ARCHIVED"),
        verdict(repeat=True),
    ],
)
def test_an_expired_document_is_lifted_by_nothing_else(meanwhile: Delivery) -> None:
    state = stands(verdict(), document(), meanwhile)
    assert (state.status, "DOCUMENT_EXPIRED" in state.flags) == ("document_expired", True)


def test_a_verdict_received_before_the_document_ran_out_lifts_nothing_whenever_it_is_handled() -> None:
    story = [verdict(), verdict(startTime=2), document()]
    for handled in itertools.permutations(range(3)):
        assert told(*story, handled=handled)[-1].applicant.status == "document_expired"


def test_an_alert_lies_over_an_expired_document() -> None:
    state = stands(verdict(), document(), monitoring())
    assert (state.status, state.flags) == ("needs_review", ["DOCUMENT_EXPIRED", "MONITORING_ALERT"])


def test_neither_an_alert_nor_an_expired_document_covers_a_rejection() -> None:
    for overlays in itertools.permutations([monitoring(), document()]):
        for story in ([verdict("DENIED"), *overlays], [*overlays, verdict("DENIED")]):
            state = stands(*story)
            assert (state.status, "MONITORING_ALERT" in state.flags) == ("rejected", True)
    assert stands(red(0), step("amlCaseRejected", 1)).status == "rejected"


@pytest.mark.parametrize(("kind", "status"), [("applicantDeactivated", "deactivated"), ("applicantDeleted", "deleted")])
def test_a_rejection_is_covered_by_what_was_set_aside_or_erased(kind: str, status: str) -> None:
    assert stands(red(0), step(kind, 1)).status == status


# iDenfy's finals ------------------------------------------------------------------------------------------------------

NOT_FINAL = [
    provisional(),
    provisional("DENIED"),
    provisional("SUSPECTED"),
    provisional("TOTALLY_NEW"),
    verdict("REVIEWING", final=False),
    verdict("ACTIVE", final=False),
    verdict("EXPIRED", final=False),
    verdict("APPROVED", "IDENTIFICATION_EXPIRED", final=False),
    verdict("ACTIVE", "IDENTIFICATION_CANCELLED", final=False),
]


@pytest.mark.parametrize("late", NOT_FINAL)
@pytest.mark.parametrize(("overall", "status"), [("APPROVED", "approved"), ("DENIED", "rejected"), ("SUSPECTED", "needs_review")])
def test_what_is_not_final_never_undoes_a_final_verdict_before_or_after_it(overall: str, status: str, late: Delivery) -> None:
    assert stands(late, verdict(overall)).status == status
    _, then = told(verdict(overall), late)
    assert (then.applicant.status, then.applicant.final, then.outcome) == (status, True, Outcome.SUPERSEDED)


@pytest.mark.parametrize("then", NOT_FINAL)
def test_a_resubmission_that_is_not_final_reopens_the_case_for_whatever_follows(then: Delivery) -> None:
    alone = stands(then).status
    assert statuses(verdict(), reopened(), then) == ["approved", "in_review", alone]
    assert statuses(verdict(), reopened(), then, verdict("DENIED"), then) == ["approved", "in_review", alone, "rejected", "rejected"]


def test_a_resubmission_reopens_only_what_was_received_before_it() -> None:
    story = [provisional(), reopened(), verdict(), provisional("DENIED")]
    for handled in itertools.permutations(range(4)):
        assert told(*story, handled=handled)[-1].applicant.status == "approved"


def test_a_resubmission_whose_final_flag_is_missing_reopens_the_case() -> None:
    body = reopened().body.replace(b'"final": false, ', b"")
    state = stands(verdict(), idenfy(RESUBMITTED, body))
    assert (b"final" in body, state.status, state.provisional, state.last_verdict and state.last_verdict["status"]) == (
        False,
        "in_review",
        "approved",
        "approved",
    )


def test_a_final_resubmission_is_a_verdict_like_any_other() -> None:
    assert statuses(verdict("DENIED"), verdict(kind=RESUBMITTED)) == ["rejected", "approved"]


# repeats ----------------------------------------------------------------------------------------------------------------


def test_a_repeated_approval_is_for_a_person() -> None:
    *_, then = told(verdict(), verdict("DENIED"), verdict(repeat=True))
    assert (then.applicant.status, then.applicant.flags, then.applicant.vendor_status) == ("needs_review", ["REPEATED_BODY"], "APPROVED")
    assert stands(verdict(), provisional("DENIED"), verdict(repeat=True)).status == "needs_review"


def test_a_repeat_does_not_rename_the_user() -> None:
    *_, then = told(verdict(clientId="the first"), verdict("DENIED", clientId="the second"), verdict(clientId="the first", repeat=True))
    assert then.applicant.external_user_id == "the second"


def test_a_repeat_may_take_access_away() -> None:
    assert statuses(verdict(), verdict("DENIED", repeat=True)) == ["approved", "rejected"]
    assert statuses(verdict(), monitoring(repeat=True)) == ["approved", "needs_review"]
    assert statuses(verdict(), document(repeat=True)) == ["approved", "document_expired"]
    assert statuses(verdict(), verdict("DELETED", repeat=True)) == ["approved", "deleted"]
    # Its type is not signed: it reopens nothing.
    assert statuses(verdict(), reopened(repeat=True)) == ["approved", "approved"]


def test_the_repeat_is_forgotten_once_something_else_is_said() -> None:
    state = stands(verdict("DENIED"), verdict(repeat=True), verdict(startTime=2))
    assert (state.status, state.flags) == ("approved", [])


@pytest.mark.parametrize(
    ("over", "lifting", "status"),
    [
        (monitoring(), monitoring("ACTIVE", repeat=True), "needs_review"),
        (document(), verdict(repeat=True), "document_expired"),
        (document(), verdict("SUSPECTED", repeat=True), "document_expired"),
        (verdict("DELETED"), verdict(repeat=True), "deleted"),
        (verdict("DELETED"), provisional(repeat=True), "deleted"),
        (verdict("DELETED"), verdict("REVIEWING", repeat=True), "deleted"),
    ],
)
def test_a_repeat_lifts_nothing(over: Delivery, lifting: Delivery, status: str) -> None:
    assert statuses(verdict(), over, lifting)[1:] == [status, status]


def test_a_clearing_that_is_a_repeat_is_told_to_have_lifted_nothing() -> None:
    *_, then = told(verdict(), monitoring(), monitoring("ACTIVE", repeat=True))
    assert (then.outcome, then.changed) == (Outcome.UNCHANGED, [])
    assert then.reason == "AML_MONITORING ACTIVE, but a repeat lifts nothing"


# unknown times ------------------------------------------------------------------------------------------------------------


def test_an_approval_of_unknown_time_takes_its_place_by_receipt_and_never_approves() -> None:
    assert statuses(red(1), green(**untimed(2))) == ["rejected", "needs_review"]
    assert statuses(green(3), red(**untimed(2)), step("applicantPending", **untimed(2))) == ["approved", "approved", "approved"]
    assert statuses(green(1), red(**untimed(2))) == ["approved", "rejected"]


@pytest.mark.parametrize(("over", "lift"), [("applicantDeactivated", "applicantActivated"), ("amlCaseRejected", "amlCaseApproved")])
def test_an_event_of_unknown_time_lifts_neither_a_deactivation_nor_an_alert_but_brings_them(over: str, lift: str) -> None:
    covered, lifted = statuses(green(0), step(over, 1), step(lift, **untimed(5)))[1:]
    assert covered == lifted
    then = told(green(0), step(over, 1), step(lift, **untimed(5)))[-1]
    assert (then.outcome, then.reason) == (Outcome.UNCHANGED, f"{lift}, but without its time it lifts nothing")
    assert statuses(green(0), step(over, **untimed(5)))[1] == covered
    assert statuses(green(0), step(over, **untimed(5)), step(lift, 6))[2] == "approved"


def test_the_unknown_time_is_forgotten_once_something_else_is_said() -> None:
    state = stands(green(**untimed(1)), green(2))
    assert (state.status, state.flags, state.as_of) == ("approved", [], after(hours=2))


# one instant ----------------------------------------------------------------------------------------------------------------

#: What wins at the same instant, the last of all. No vendor says all of it.
IDNGO_ORDER = [
    step("applicantCreated"),
    step("applicantPending"),
    green(),
    step("applicantReset"),
    step("applicantOnHold"),
    step("applicantAwaitingUser"),
    retry(),
    yellow(),
    red(),
]
IFCGATE_ORDER = [case(word) for word in
    ("opened", "in_review", "approved", "on_hold", "waiting", "cancelled", "expired", "needs_documents", "frobnicated", "rejected")
]  # fmt: skip
WORDS = configured(IFCGATE_STATUSES="opened:created,waiting:awaiting_applicant")


@pytest.mark.parametrize("order", [IDNGO_ORDER, IFCGATE_ORDER], ids=["idngo", "ifcgate"])
def test_at_one_instant_the_later_in_the_list_wins_whichever_came_first(order: list[Delivery]) -> None:
    for weaker, stronger in itertools.combinations(order, 2):
        alone = stands(stronger, settings=WORDS)
        for pair in ((weaker, stronger), (stronger, weaker)):
            state = stands(*pair, settings=WORDS)
            assert (state.status, state.vendor_status) == (alone.status, alone.vendor_status), pair


def test_a_change_of_level_counts_like_a_reset_at_one_instant() -> None:
    changed = step("applicantLevelChanged")
    assert stands(changed, green()).status == stands(green(), changed).status == "created"
    assert stands(changed, step("applicantOnHold")).status == stands(step("applicantOnHold"), changed).status == "on_hold"


def test_the_reason_names_each_doubt_about_an_approval() -> None:
    (decision,) = told(green(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": ["PEP"]}, **untimed(1)))
    assert decision.reason.endswith(", but it names a hit (pep) and its time is unknown: needs_review")


def test_a_doubtful_approval_ranks_as_the_doubt_that_it_is() -> None:
    doubtful = green(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": ["PEP"]})
    assert stands(doubtful, retry()).status == stands(retry(), doubtful).status == "needs_review"
    assert stands(doubtful, red()).status == stands(red(), doubtful).status == "rejected"


def test_at_one_instant_and_of_one_rank_the_body_with_the_greater_hash_wins() -> None:
    bodies = [green(levelName=f"level-{number}") for number in range(6)]
    last = max(bodies, key=lambda delivery: hashlib.sha256(delivery.body).digest())
    expected = stands(last).level
    for first, second in itertools.permutations(bodies, 2):
        if last in (first, second):
            assert stands(first, second).level == expected


@pytest.mark.parametrize(
    ("over", "other", "status"),
    [
        (step("applicantDeactivated"), step("applicantActivated"), "deactivated"),
        (step("amlCaseRejected"), step("amlCaseApproved"), "needs_review"),
        (step("applicantDeleted"), green(), "deleted"),
        (step("applicantDeleted"), red(), "deleted"),
    ],
)
def test_at_one_instant_what_restricts_wins(over: Delivery, other: Delivery, status: str) -> None:
    assert stands(green(-1), over, other).status == stands(green(-1), other, over).status == status


def test_a_reset_at_the_instant_of_an_approval_takes_it_back_and_of_a_rejection_does_not() -> None:
    approved, rejected = stands(green(), step("applicantReset")), stands(red(), step("applicantReset"))
    assert (approved.status, approved.last_verdict) == ("created", None)
    assert (rejected.status, rejected.last_verdict and rejected.last_verdict["status"]) == ("rejected", "rejected")


def test_a_millisecond_later_is_later() -> None:
    rejected, later = red(), idngo(answer="GREEN", at=BEGAN.replace(microsecond=251_000))
    assert statuses(rejected, later) == ["rejected", "approved"]
    assert statuses(later, rejected) == ["approved", "approved"]


# what moves nothing -------------------------------------------------------------------------------------------------------


def test_an_event_of_a_kind_that_moves_nothing_is_ignored_for_what_it_says() -> None:
    *_, then = told(green(0), step("applicantTagsChanged", 1))
    assert (then.outcome, then.reason, then.changed) == (Outcome.IGNORED, "applicantTagsChanged moves nothing", [])
    assert then.superseded_by is None


def test_an_event_that_cannot_be_understood_moves_nothing_and_says_why() -> None:
    known = stands(green(0))
    reading = weigh(Unreadable("the body names nobody"), occasion_of([green(0), green(1)], 1))
    then = decide(known, reading, now=RECEIVED)
    assert (then.outcome, then.reason, then.changed, then.superseded_by) == (Outcome.UNREADABLE, "the body names nobody", [], None)
    assert (then.applicant.status, then.applicant.version) == ("approved", 1)


@pytest.mark.parametrize(
    ("news", "kept"),
    [(step("applicantDeactivated", 1), False), (step("applicantTagsChanged", 1), True), (retry(1), False), (green(1), False)],
)
def test_the_documents_that_are_asked_again_are_kept_as_long_as_the_same_verdict_asks(news: Delivery, kept: bool) -> None:
    asked = structs.replace(stands(retry(0)), problem_documents=[{"type": "PASSPORT"}])
    then = decide(asked, weigh(interpreted(news), occasion_of([retry(0), news], 1)), now=RECEIVED)
    assert then.applicant.problem_documents == ([{"type": "PASSPORT"}] if kept else [])


# late, and again --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [green(0), retry(0), yellow(0), step("applicantPending", 0), step("applicantReset", 0)])
def test_late_news_is_superseded_and_changes_nothing(late: Delivery) -> None:
    rejected, then = told(red(1, labels=("BLACKLIST",)), late)
    assert (then.outcome, then.changed, then.reversal) == (Outcome.SUPERSEDED, [], None)
    assert (then.applicant.status, then.applicant.hits, then.applicant.version) == ("rejected", ["blacklist"], 1)
    assert (then.applicant.as_of, then.applicant.last_verdict) == (rejected.applicant.as_of, rejected.applicant.last_verdict)
    assert "event-0" in then.reason


@pytest.mark.parametrize(
    ("newer", "late"),
    [
        (green(2), green(1)),
        (step("applicantPending", 2), step("applicantOnHold", 1)),
        (green(2), step("applicantDeleted", 1)),
        (step("applicantDeactivated", 2), step("applicantActivated", 1)),
        (step("amlCaseRejected", 2), step("amlCaseApproved", 1)),
        (decided("idngo", "reject", at=after(hours=2)), decided("idngo", "approve", at=after(hours=1))),
    ],
)
def test_superseded_news_names_the_event_that_said_something_newer(newer: Delivery, late: Delivery) -> None:
    *_, then = told(red(0), newer, late)
    assert (then.outcome, then.superseded_by) == (Outcome.SUPERSEDED, "event-1")
    assert then.reason.endswith("but newer news is known from event event-1")


@pytest.mark.parametrize(
    ("late", "newer"),
    [
        (document(), verdict(startTime=2)),
        (document("DOCUMENT_EXPIRES_WITHIN_7_DAYS"), verdict(startTime=2)),
        (verdict("ARCHIVED"), verdict(startTime=2)),
        (monitoring(), monitoring("ACTIVE")),
        (verdict("DENIED"), verdict()),
    ],
)
def test_news_that_is_handled_late_is_superseded_by_what_was_received_after_it(late: Delivery, newer: Delivery) -> None:
    then = told(verdict("SUSPECTED"), late, newer, handled=[0, 2, 1])[-1]
    assert (then.outcome, then.superseded_by, then.changed) == (Outcome.SUPERSEDED, "event-2", [])


def test_news_that_moves_nothing_at_all_is_not_the_last_event_of_its_applicant() -> None:
    assert stands(red(1), step("applicantPending", 0)).last_event_id == "event-0"


def test_what_is_not_final_is_superseded_by_the_final_verdict() -> None:
    assert told(verdict(), provisional("DENIED"))[-1].superseded_by == "event-0"


@pytest.mark.parametrize(
    ("said", "again"),
    [
        (document(), document()),
        (document("DOCUMENT_EXPIRES_WITHIN_7_DAYS"), document("DOCUMENT_EXPIRES_WITHIN_7_DAYS")),
        (verdict("ARCHIVED"), verdict("ARCHIVED")),
        (monitoring(), monitoring()),
        (verdict("DELETED"), verdict("DELETED")),
        (verdict(), verdict()),
    ],
)
def test_every_kind_of_news_that_is_said_again_is_unchanged(said: Delivery, again: Delivery) -> None:
    *_, then = told(verdict(), said, again)
    assert (then.outcome, then.changed, then.superseded_by) == (Outcome.UNCHANGED, [], None)
    assert then.reason.endswith(f"{then.applicant.status}, as was known")


def test_a_verdict_that_renews_the_last_one_beneath_newer_progress_is_unchanged() -> None:
    *_, then = told(green(0), step("applicantPending", 5), green(3))
    assert (then.outcome, then.applicant.status) == (Outcome.UNCHANGED, "in_review")


@pytest.mark.parametrize(
    ("first", "again", "moment"),
    [
        (green(0), green(5), after(hours=5)),
        (red(0), red(5), after(hours=5)),
        (step("applicantPending", 0), step("applicantPending", 5), after(hours=5)),
        (step("applicantDeactivated", 0), step("applicantDeactivated", 5), after(hours=5)),
        (case("approved", 0), case("approved", 5), after(hours=5).replace(microsecond=0)),
    ],
)
def test_saying_the_same_again_is_unchanged_and_the_time_moves_all_the_same(first: Delivery, again: Delivery, moment: datetime) -> None:
    one, then = told(first, again)
    assert (then.outcome, then.changed, then.applicant.version) == (Outcome.UNCHANGED, [], one.applicant.version)
    assert (then.applicant.as_of, then.applicant.last_event_id) == (moment, "event-1")


def test_the_time_of_the_last_verdict_moves_without_being_a_change() -> None:
    state = stands(green(0), green(5))
    assert state.last_verdict == {"status": "approved", "level": "id-and-liveness", "as_of": "2026-05-04T14:30:00.250Z"}
    assert state.version == 1


def test_one_outcome_under_two_types_is_said_twice() -> None:
    _, then = told(verdict(kind="IDENTIFICATION"), verdict(kind=MANUAL))
    assert (then.outcome, then.applicant.version) == (Outcome.UNCHANGED, 1)


def test_a_difference_in_one_field_is_a_change_though_the_status_stays() -> None:
    _, then = told(green(0), green(1, levelName="full"))
    assert (then.outcome, sorted(then.changed), then.reversal, then.applicant.version) == (
        Outcome.APPLIED,
        ["last_verdict", "level"],
        None,
        2,
    )


def test_the_first_news_of_an_applicant_is_a_change_of_status_whatever_it_is() -> None:
    (first,) = told(step("applicantCreated", externalUserId=None, levelName=None, status=""))
    assert (first.outcome, first.changed, first.applicant.version, first.reversal) == (Outcome.APPLIED, ["status"], 1, None)
    assert (first.applicant.updated_at, first.applicant.last_event_id) == (RECEIVED, "event-0")


# levels and people ----------------------------------------------------------------------------------------------------------------


def test_a_green_at_another_level_is_progress() -> None:
    settings = configured(IDNGO_APPROVING_LEVELS="full")
    story = [green(0, levelName="basic"), green(1, levelName="full"), green(2, levelName="basic"), red(3, levelName="basic")]
    assert statuses(*story, settings=settings) == ["in_review", "approved", "in_review", "rejected"]
    decisions = told(*story, settings=settings)
    assert [decision.reversal for decision in decisions] == [None, None, "re_review", "adverse"]
    assert decisions[2].applicant.last_verdict == decisions[1].applicant.last_verdict


def test_the_newest_event_says_whose_applicant_it_is() -> None:
    ours, theirs = green(0, externalUserId="customer-1"), step("applicantPending", 1, externalUserId="customer-2")
    assert stands(ours, theirs).external_user_id == stands(theirs, ours).external_user_id == "customer-2"
    assert stands(ours, step("applicantPending", 1, externalUserId=None)).external_user_id == "customer-1"


def test_at_one_instant_the_body_with_the_greater_hash_says_whose_applicant_it_is() -> None:
    bodies = [green(externalUserId=f"customer-{number}") for number in range(4)]
    for first, second in itertools.permutations(bodies, 2):
        last = max(first, second, key=lambda delivery: hashlib.sha256(delivery.body).digest())
        assert stands(first, second).external_user_id == stands(last).external_user_id


def test_a_link_goes_before_what_the_vendor_says() -> None:
    assert stands(case("approved"), linked_to="app_42").external_user_id == "app_42"
    assert stands(green(0, externalUserId="customer-1"), linked_to="app_42").external_user_id == "app_42"


def test_an_event_that_moves_nothing_says_nothing_of_whose_applicant_it_is() -> None:
    assert (
        stands(green(0, externalUserId="customer-1"), step("applicantTagsChanged", 1, externalUserId="x")).external_user_id == "customer-1"
    )


def test_a_verification_knows_which_of_its_events_was_received_first() -> None:
    story = [monitoring("STOPPED"), monitoring(), verdict(), document()]
    for handled in itertools.permutations(range(4)):
        assert told(*story, handled=handled)[-1].applicant.first_sequence == 2


# a derivation from all that was said ------------------------------------------------------------------------------------------------


def test_a_derivation_leads_where_handling_each_event_led_in_whatever_order_it_hears_them() -> None:
    story = [green(0), red(2, labels=("PEP",)), step("amlCaseRejected", 3), green(1)]
    for heard in itertools.permutations(range(4)):
        applicant = derived(story, heard=heard)
        assert shown(applicant, without=ON_THE_WAY) == shown(stands(*story), without=ON_THE_WAY)
        assert (applicant.version, applicant.updated_at, applicant.last_event_id) == (1, RECEIVED, f"event-{heard[0]}")
