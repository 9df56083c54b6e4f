"""What vendors answer when they are asked, and what was known before: events of our own kinds, under the same rules.

The answers have the fields that the vendors publish: IDnGO's platform https://docs.sumsub.com/reference/get-applicant-data, iDenfy
https://documentation.idenfy.com (verification status), IFCGATE https://www.ifcgate.com/documentation.html (`GET /v1/cases/{id}`).
"""

from __future__ import annotations

from typing import Any

import pytest

from handlers.config import Settings
from handlers.rules.news import Step, Unreadable
from store.system import clock
from store.text.states import Status
from tests.support.payloads import BEGAN, after
from tests.support.telling import (
    CASE,
    SCAN,
    WHO,
    Delivery,
    answered,
    decided,
    idngo,
    ifcgate,
    interpreted,
    known_before,
    monitoring,
    stands,
    statuses,
    told,
    verdict,
)


def one(status: str = "completed", *, hours: float = 1, **review: Any) -> Delivery:
    """IDnGO's answer about one applicant."""
    date = after(hours=hours).strftime("%Y-%m-%d %H:%M:%S+0000")
    dates = {"reviewDate": date} if status == "completed" else {"createDate": date}
    return answered("idngo", {"id": WHO, "externalUserId": "customer-1", "review": {"reviewStatus": status, **dates, **review}})


def result(answer: str, **more: Any) -> dict[str, Any]:
    return {"reviewResult": {"reviewAnswer": answer, **more}}


def status_of(status: str, *, receipt: int = 1, **more: Any) -> Delivery:
    """iDenfy's answer about one verification."""
    found = {"manualDocument": "DOC_VALIDATED", "manualFace": "FACE_MATCH", "fraudTags": [], "mismatchTags": []}
    return answered("idenfy", {"scanRef": SCAN, "clientId": "customer-1", "status": status, **found, **more}, receipt=receipt)


def case(status: str, *moments: float, **more: Any) -> Delivery:
    """IFCGATE's answer about one case, whose timeline has an entry at each of these hours."""
    timeline = [{"event": "submitted", "at": clock.rfc3339(after(hours=hours))} for hours in moments]
    return answered("ifcgate", {"case_id": CASE, "status": status, "workflow": "kyc", "timeline": timeline, **more})


# answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (one(**result("GREEN")), "approved"),
        (one(**result("GREEN", rejectLabels=["SANCTIONS"])), "needs_review"),
        (one(**result("RED", reviewRejectType="FINAL")), "rejected"),
        (one(**result("RED", reviewRejectType="RETRY")), "resubmission_requested"),
        (one("init"), "created"),
        (one("pending"), "in_review"),
        (one("onHold"), "on_hold"),
        (one("awaitingUser"), "awaiting_applicant"),
        (status_of("APPROVED"), "approved"),
        (status_of("DENIED"), "rejected"),
        (status_of("SUSPECTED"), "needs_review"),
        (status_of("EXPIRED"), "session_expired"),
        (status_of("DELETED"), "deleted"),
        (case("approved", 1), "approved"),
        (case("rejected", 1), "rejected"),
        (case("in_review", 1), "in_review"),
    ],
    ids=str,
)
def test_an_answer_leads_where_its_word_does(answer: Delivery, status: str) -> None:
    assert stands(answer).status == status


@pytest.mark.parametrize(
    "answer",
    [
        one(**result("YELLOW")),
        one(reviewDate=None, **result("GREEN")),
        one("somethingElse"),
        answered("idngo", {"id": WHO}),
        answered("idngo", {"id": WHO, "review": "GREEN"}),
        answered("idngo", {"id": "\0", "review": {"reviewStatus": "completed"}}),
        status_of("APPROVED", manualFace="FACE_MISMATCH"),
        status_of("APPROVED", manualDocument=""),
        status_of("APPROVED", manualDocument=None),
        status_of("APPROVED", fraudTags=["FACE_BLACKLISTED"]),
        status_of("APPROVED", fraudTags="none"),
        status_of("ACTIVE"),
        status_of("REVIEWING"),
        status_of("ARCHIVED"),
        status_of("SPLENDID"),
        case("approved"),
        case("splendid", 1),
        case("approved", timeline=[{"event": "submitted", "at": "yesterday"}]),
        case("approved", timeline="long"),
    ],
    ids=str,
)
def test_an_answer_that_is_not_understood_or_does_not_count_says_nothing(answer: Delivery) -> None:
    with pytest.raises(Unreadable):
        interpreted(answer)


def test_a_level_that_does_not_approve_does_not_when_it_is_read_either() -> None:
    settings = Settings(idngo_approving_levels=frozenset({"full"}))
    assert stands(one(levelName="basic", **result("GREEN")), settings=settings).status == "in_review"
    assert stands(one(levelName="full", **result("GREEN")), settings=settings).status == "approved"


def test_with_a_vendors_clock_an_answer_stands_at_the_vendors_time() -> None:
    assert statuses(idngo(answer="GREEN"), one(hours=-1, **result("RED", reviewRejectType="FINAL"))) == ["approved", "approved"]
    assert statuses(idngo(answer="GREEN"), one(**result("RED", reviewRejectType="FINAL"))) == ["approved", "rejected"]
    assert stands(case("approved", 5, 1)).as_of == after(hours=5)
    assert statuses(ifcgate("rejected", at=after(hours=3)), case("approved", 2)) == ["rejected", "rejected"]


def test_without_one_it_comes_after_whatever_was_received_before_the_question_and_before_all_else() -> None:
    approved, denied = verdict(final=True), verdict("DENIED", final=True)
    assert statuses(approved, status_of("DENIED", receipt=1)) == ["approved", "rejected"]
    assert statuses(denied, status_of("APPROVED", receipt=1)) == ["rejected", "approved"]
    # The second delivery was received while the vendor was being asked.
    assert statuses(denied, approved, status_of("DENIED", receipt=1)) == ["rejected", "approved", "approved"]
    assert statuses(denied, status_of("APPROVED", receipt=1), denied) == ["rejected", "approved", "rejected"]


def test_an_approval_that_is_read_lifts_no_alert() -> None:
    assert stands(verdict(final=True), monitoring("ALERT"), status_of("APPROVED", receipt=2)).status == "needs_review"


# what was known before ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("vendor", ["idngo", "idenfy", "ifcgate"])
def test_who_was_known_before_stands_where_they_stood(vendor: str, status: str) -> None:
    assert stands(known_before(vendor, status, at=BEGAN)).status == status


def test_the_refusal_of_a_customer_from_before_is_a_reversal() -> None:
    before = known_before("idngo", "approved", at=after(days=-300), external_user_id="customer-1")
    assert told(before, idngo(answer="RED", reject="FINAL", labels=["BLACKLIST"]))[-1].reversal == "adverse"
    scanned = known_before("idenfy", "approved", at=after(days=-300))
    assert told(scanned, verdict("DENIED", final=True))[-1].reversal == "adverse"
    assert (stands(before).external_user_id, stands(before).as_of) == ("customer-1", after(days=-300))
    assert stands(before, idngo(answer="GREEN", at=after(days=-400))).as_of == after(days=-400)


def test_an_import_never_undoes_what_a_vendor_said_later_however_late_it_is_read() -> None:
    assert statuses(idngo(answer="RED", reject="FINAL"), known_before("idngo", "approved", at=after(hours=-1)))[-1] == "rejected"
    for vendor, refusal in (("idngo", idngo(answer="RED", reject="FINAL")), ("idenfy", verdict("DENIED", final=True))):
        assert statuses(refusal, known_before(vendor, "approved", at=after(days=20)))[-1] == "rejected"


def test_of_two_imports_the_later_holds() -> None:
    old, new = known_before("idenfy", "rejected", at=BEGAN), known_before("idenfy", "approved", at=after(hours=1))
    assert stands(old, new).status == stands(new, old).status == "approved"


def test_an_approval_that_is_imported_with_a_hit_is_for_a_person() -> None:
    assert stands(known_before("ifcgate", "approved", at=BEGAN, hits=("pep",))).status == "needs_review"


@pytest.mark.parametrize("vendor", ["ifcgate", "idenfy", "idngo"])
@pytest.mark.parametrize("hit_status", ["approved", "rejected", "needs_review", "in_review", "deactivated"])
def test_no_import_clears_a_hit_that_another_import_named(vendor: str, hit_status: str) -> None:
    hit = known_before(vendor, hit_status, at=BEGAN, hits=("pep",))
    clean = known_before(vendor, "approved", at=after(days=1))
    ways = [stands(hit, clean), stands(clean, hit), stands(hit, clean, clean, hit)]
    for state in ways:
        assert (state.status, state.hits) == ("deactivated" if hit_status == "deactivated" else "needs_review", ["pep"])
        assert state.last_verdict is not None
        assert state.last_verdict["status"] == "needs_review"


def test_hits_of_several_imports_add_up_and_a_later_refusal_keeps_them() -> None:
    some = [known_before("ifcgate", "approved", at=after(days=day), hits=hits) for day, hits in enumerate([("pep",), ("aml",), ()])]
    assert stands(*some).hits == ["pep", "aml"]
    state = stands(*some, known_before("ifcgate", "rejected", at=after(days=9)))
    assert (state.status, state.hits) == ("rejected", ["pep", "aml"])


@pytest.mark.parametrize(("vendor", "approval"), [("ifcgate", ifcgate()), ("idenfy", verdict()), ("idngo", idngo(answer="GREEN"))])
def test_the_vendors_own_later_verdict_clears_an_imported_hit(vendor: str, approval: Delivery) -> None:
    hit, clean = known_before(vendor, "approved", at=BEGAN, hits=("pep",)), known_before(vendor, "approved", at=after(days=1))
    for told_of in ((hit, clean, approval), (approval, clean, hit)):
        state = stands(*told_of)
        assert (state.status, state.hits) == ("approved", [])


def test_a_decision_of_two_persons_and_not_of_one_approves_against_an_imported_hit() -> None:
    hit, clean = known_before("ifcgate", "approved", at=BEGAN, hits=("pep",)), known_before("ifcgate", "approved", at=after(days=1))
    by_one = decided("ifcgate", "approve", at=after(days=2), against=("pep",), seen=("event-0", "event-1"))
    by_two = decided("ifcgate", "approve", at=after(days=2), against=("pep",), seen=("event-0", "event-1"), confirmed_by="day")
    assert stands(hit, clean, by_one).status == "needs_review"
    assert stands(hit, clean, by_two).status == "approved"
    assert stands(by_two, clean, hit).status == "needs_review"


def test_what_a_source_knew_is_no_more_than_a_verdict_without_the_vendors_word() -> None:
    news = interpreted(known_before("idngo", "rejected", at=BEGAN, reasons=("FORGERY",)))
    assert isinstance(news.says, Step)
    assert (news.says.vendor_status, news.says.reasons, news.because) == (None, ("FORGERY",), "the old table knew: rejected")
