"""What IFCGATE's events mean: this delivery leads to this state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.rules.news import Unreadable
from store.system.environment import Misconfigured
from store.text.states import Outcome
from tests.support.payloads import after
from tests.support.telling import CASE, RECEIVED, configured, ifcgate, interpreted, raw, stands, statuses, told

#: Events of a case other than the one that closes its review.
ELSEWHERE = ["case.created", "case.updated", "case.status.changed", "case.review.started", "case.closed", "case.", "case.Review.Completed"]

#: Nothing of it can be stored as a name.
UNSTORABLE = ["a\0b", "x" * 201, "", 7, True, None, ["a"], {"$gt": ""}]

WORDS = [
    ("rejected", "rejected"),
    ("declined", "rejected"),
    ("denied", "rejected"),
    ("in_review", "in_review"),
    ("submitted", "in_review"),
    ("queued", "in_review"),
    ("on_hold", "on_hold"),
    ("expired", "session_expired"),
    ("cancelled", "cancelled"),
    ("resubmission_requested", "resubmission_requested"),
    ("needs_documents", "resubmission_requested"),
]

UNKNOWN = ["approvedish", "APPROVED", "Approved", "approved ", "escalated", "processed", "needs_review", "deleted", "ok", "утверждено"]


# words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "status"), [("approved", "approved"), *WORDS])
def test_a_completed_review_means_what_its_word_says_and_closes_the_question(word: str, status: str) -> None:
    state = stands(ifcgate(word))
    assert (state.status, state.final, state.vendor_status, state.level) == (status, True, word, "onboarding-default")
    assert (state.may_retry, state.provisional, state.external_user_id, state.hits, state.reasons) == (None, None, None, [], [])
    assert state.ever_approved == (word == "approved")


@pytest.mark.parametrize("event", ELSEWHERE)
@pytest.mark.parametrize(("word", "status"), WORDS)
def test_another_event_of_a_case_moves_it_and_closes_nothing(event: str, word: str, status: str) -> None:
    before, then = told(ifcgate("approved"), ifcgate(word, event, at=after(hours=1)))
    assert (before.applicant.status, then.applicant.status, then.applicant.final) == ("approved", status, False)


@pytest.mark.parametrize("event", ELSEWHERE)
@pytest.mark.parametrize("word", ["approved", *UNKNOWN, None, 7])
def test_approved_or_an_unknown_word_changes_nothing_but_in_a_completed_review(event: str, word: Any) -> None:
    before, then = told(ifcgate("in_review"), ifcgate(word, event, at=after(hours=1)))
    assert (then.outcome, then.changed, then.applicant) == (Outcome.IGNORED, [], before.applicant)
    assert stands(ifcgate(word, event)).version == 0


@pytest.mark.parametrize("word", UNKNOWN)
def test_a_completed_review_with_an_unknown_word_is_for_a_person(word: str) -> None:
    approved, then = told(ifcgate("approved"), ifcgate(word, at=after(hours=1)))
    assert (approved.applicant.status, then.applicant.status, then.applicant.vendor_status) == ("approved", "needs_review", word)
    assert then.reversal == "adverse"


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("document.extracted", {"document_id": "doc_771", "status": "processed"}),
        ("document.extracted", {"case_id": CASE, "status": "approved"}),
        ("document.reviewed", {"case_id": CASE, "status": "rejected"}),
        ("extraction.completed", {"case_id": CASE, "status": "approved"}),
        ("workflow.completed", {"case_id": CASE, "status": "approved"}),
        ("case", {"case_id": CASE, "status": "approved"}),
        ("cases.review.completed", {"case_id": CASE, "status": "approved"}),
        ("Case.review.completed", {"case_id": CASE, "status": "approved"}),
    ],
)
def test_an_event_that_is_not_of_a_case_changes_nothing(event: str, body: dict[str, Any]) -> None:
    news = interpreted(raw("ifcgate", {"event": event, "processed_at": "2026-05-04T07:00:19Z"} | body))
    assert (news.says, news.event_type) == (None, event)


# configured words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("verified", "approved"),
        ("escalated", "needs_review"),
        ("blocked", "rejected"),
        ("opened", "created"),
        ("paused", "on_hold"),
        ("waiting", "awaiting_applicant"),
        ("unknown to the owner", "needs_review"),
        ("approved", "approved"),
    ],
)
def test_an_owner_may_add_words(word: str, status: str) -> None:
    ours = "verified:approved, escalated:needs_review,blocked:rejected,opened:created"
    settings = configured(IFCGATE_STATUSES=f"{ours},paused:on_hold,waiting:awaiting_applicant")
    state = stands(ifcgate(word), settings=settings)
    assert (state.status, state.vendor_status, state.final) == (status, word, True)


def test_a_configured_approval_too_needs_a_completed_review() -> None:
    settings = configured(IFCGATE_STATUSES="verified:approved,escalated:needs_review")
    assert stands(ifcgate("verified", "case.updated"), settings=settings).version == 0
    assert stands(ifcgate("escalated", "case.updated"), settings=settings).status == "needs_review"


@pytest.mark.parametrize("wrong", ["verified", ":approved", "verified:splendid", "verified:deleted", "verified:APPROVED", "a:approved,b"])
def test_words_that_cannot_be_right_are_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(Misconfigured, match="IFCGATE_STATUSES"):
        configured(IFCGATE_STATUSES=wrong)


# time ---------------------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 5, 4, 7, 0, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("processed_at", "moment"),
    [
        ("2026-05-04T07:00:19Z", MOMENT),
        ("2026-05-04T07:00:19.321Z", MOMENT + timedelta(milliseconds=321)),
        ("2026-05-04T07:00:19.321654987Z", MOMENT + timedelta(microseconds=321654)),
        ("2026-05-04T09:00:19+02:00", MOMENT),
        ("2026-05-04T01:30:19-05:30", MOMENT),
        ("2026-05-04 07:00:19+00:00", MOMENT),
    ],
)
def test_the_time_of_an_event_is_when_it_was_processed(processed_at: str, moment: datetime) -> None:
    state = stands(ifcgate(processed_at=processed_at))
    assert (state.status, state.as_of, state.flags) == ("approved", moment, [])


@pytest.mark.parametrize(
    "processed_at",
    [
        None, "", "yesterday", 1777878019, 1777878019321, True, [], {}, "2026-05-04", "2026-05-04T07:00:19", "2026-05-04 07:00:19",
        "2026-02-30T07:00:19Z", "2026-05-04T07:00:60Z", "2026-05-04T07:00:19+99:00", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00", "2026-05-04T07:00:19Z\n", "2026-05-04T07:00:19Z and more",
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_read_or_has_no_zone_approves_nobody_and_spares_nobody(processed_at: object) -> None:
    approved = stands(ifcgate(processed_at=processed_at))
    assert (approved.status, approved.vendor_status, approved.flags) == ("needs_review", "approved", ["TIME_UNKNOWN"])
    assert (approved.as_of, approved.ever_approved) == (None, False)
    assert stands(ifcgate("rejected", processed_at=processed_at)).status == "rejected"


def test_a_time_that_is_left_out_approves_nobody() -> None:
    body = {"event": "case.review.completed", "case_id": CASE, "status": "approved", "workflow": "w"}
    assert stands(raw("ifcgate", body)).flags == ["TIME_UNKNOWN"]


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (timedelta(hours=23), "approved"),
        (timedelta(days=1), "approved"),
        (timedelta(days=1, seconds=1), "needs_review"),
        (timedelta(days=400), "needs_review"),
    ],
)
def test_a_time_more_than_a_day_ahead_of_ours_approves_nobody(ahead: timedelta, status: str) -> None:
    assert stands(ifcgate(at=RECEIVED + ahead, received_at=RECEIVED.replace(microsecond=0))).status == status


def test_a_time_with_a_fraction_and_one_without_are_compared_to_the_last_digit() -> None:
    second, later = ifcgate("in_review", processed_at="2026-05-04T07:00:19Z"), ifcgate(processed_at="2026-05-04T07:00:19.001Z")
    assert statuses(second, later) == ["in_review", "approved"]
    assert statuses(later, second) == ["approved", "approved"]
    rejected = ifcgate("rejected", processed_at="2026-05-04T07:00:19Z")
    assert statuses(rejected, later) == ["rejected", "approved"]


# names and nonsense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", UNSTORABLE)
@pytest.mark.parametrize(("event", "word"), [("case.review.completed", "approved"), ("case.updated", "in_review")])
def test_an_event_whose_case_cannot_be_stored_is_unreadable(event: str, word: str, reference: object) -> None:
    with pytest.raises(Unreadable):
        interpreted(ifcgate(word, event, case_id=reference))


def test_a_case_named_by_a_lone_surrogate_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        interpreted(raw("ifcgate", ifcgate().body.replace(CASE.encode(), b"\\udc00")))


@pytest.mark.parametrize("name", UNSTORABLE)
def test_a_workflow_that_cannot_be_stored_is_left_out_and_the_verdict_stands(name: object) -> None:
    state = stands(ifcgate("rejected", workflow=name))
    assert (state.status, state.level) == ("rejected", None)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b'"text"', b"7", b"{", b"\xff\xfe\x00", b"\0", b"case_id=1", b"[" * 100_000,
        b'{"event":' + b"[" * 100_000, b'{"elsewhere":' + b'{"a":' * 100_000, b"{}", b'{"event":7}', b'{"event":null}',
        b'{"event":"case.review.completed","status":"approved"}', b'{"event":"\xff"}', b'{"event": NaN}',
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_understood_is_unreadable_and_the_reason_quotes_nothing_of_it(body: bytes) -> None:
    with pytest.raises(Unreadable) as unreadable:
        interpreted(raw("ifcgate", body))
    assert unreadable.value.reason.startswith("the body ")
    assert "approved" not in unreadable.value.reason
