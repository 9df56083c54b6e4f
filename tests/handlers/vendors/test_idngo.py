"""What IDnGO's events mean: this delivery leads to this state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.rules.news import Unreadable
from store.text.states import Outcome
from tests.support.payloads import after
from tests.support.telling import RECEIVED, WHO, configured, idngo, interpreted, raw, shown, stands, statuses, told

GREEN: dict[str, Any] = {"reviewAnswer": "GREEN"}
RETRY: dict[str, Any] = {"reviewAnswer": "RED", "reviewRejectType": "RETRY", "rejectLabels": ["LOW_QUALITY"]}
FINAL: dict[str, Any] = {"reviewAnswer": "RED", "reviewRejectType": "FINAL", "rejectLabels": ["FORGERY"]}

#: Nothing of it can be stored as a name.
UNSTORABLE = ["a\0b", "x" * 201, "", 7, True, None, ["a"], {"$gt": ""}]


# results ------------------------------------------------------------------------------------------------------

COMPLETED = [
    # reviewResult                                            status                  final  vendor_status  may_retry
    (GREEN, "approved", True, "GREEN", None),
    (RETRY, "resubmission_requested", False, "RED:RETRY", True),
    (FINAL, "rejected", True, "RED:FINAL", False),
    ({"reviewAnswer": "RED"}, "needs_review", True, "completed", None),
    ({"reviewAnswer": "RED", "reviewRejectType": None}, "needs_review", True, "completed", None),
    ({"reviewAnswer": "RED", "reviewRejectType": "EXTERNAL"}, "needs_review", True, "completed", None),
    ({"reviewAnswer": "YELLOW"}, "needs_review", True, "completed", None),
    ({"reviewAnswer": "IGNORED"}, "needs_review", True, "completed", None),
    ({"reviewAnswer": "ERROR"}, "needs_review", True, "completed", None),
    ({"reviewAnswer": "green"}, "needs_review", True, "completed", None),
    ({"reviewAnswer": ["GREEN"]}, "needs_review", True, "completed", None),
    ({"reviewAnswer": None}, "needs_review", True, "completed", None),
    ({}, "needs_review", True, "completed", None),
    (None, "needs_review", True, "completed", None),
    ("GREEN", "needs_review", True, "completed", None),
    (["GREEN"], "needs_review", True, "completed", None),
    (7, "needs_review", True, "completed", None),
]


@pytest.mark.parametrize("kind", ["applicantReviewed", "applicantWorkflowCompleted"])
@pytest.mark.parametrize(("result", "status", "final", "word", "may_retry"), COMPLETED)
def test_a_completed_review_means_what_its_answer_says_and_an_unknown_answer_is_for_a_person(
    kind: str, result: object, status: str, final: bool, word: str, may_retry: bool | None
) -> None:
    state = stands(idngo(kind, reviewResult=result))
    assert (state.status, state.final, state.vendor_status, state.may_retry) == (status, final, word, may_retry)


@pytest.mark.parametrize("kind", ["applicantReviewed", "applicantWorkflowCompleted"])
def test_a_review_whose_result_is_left_out_is_for_a_person(kind: str) -> None:
    assert stands(idngo(kind)).status == "needs_review"


@pytest.mark.parametrize("result", [GREEN, RETRY, FINAL, None])
@pytest.mark.parametrize(
    "review_status",
    [
        "init",
        "pending",
        "prechecked",
        "queued",
        "onHold",
        "awaitingUser",
        "awaitingService",
        "open",
        "Completed",
        "COMPLETED",
        None,
        True,
        1,
    ],
)
def test_an_answer_beside_another_review_status_is_for_a_person_and_closes_nothing(review_status: object, result: object) -> None:
    state = stands(idngo(reviewStatus=review_status, reviewResult=result))
    word = review_status if isinstance(review_status, str) else None
    assert (state.status, state.final, state.vendor_status, state.may_retry) == ("needs_review", False, word, None)
    assert (state.last_verdict, state.ever_approved) == (None, False)


@pytest.mark.parametrize("review_status", ["completed", "pending"])
@pytest.mark.parametrize(
    ("result", "status"),
    [(GREEN, "needs_review"), (RETRY, "resubmission_requested"), (FINAL, "rejected"), (None, "needs_review"), ({}, "needs_review")],
)
def test_a_failed_workflow_goes_by_its_result_and_never_approves(review_status: str, result: object, status: str) -> None:
    state = stands(idngo("applicantWorkflowFailed", reviewStatus=review_status, reviewResult=result))
    assert (state.status, state.ever_approved) == (status, False)


def test_a_verdict_carries_its_reasons_its_level_and_the_comment_for_the_applicant_alone() -> None:
    state = stands(idngo(answer="RED", reject="RETRY", labels=["LOW_QUALITY", "BAD_SELFIE", "LOW_QUALITY"]))
    assert state.reasons == ["LOW_QUALITY", "BAD_SELFIE"]
    assert state.user_message == "Please send a sharper photo of your document."
    assert (state.level, state.external_user_id, state.hits) == ("id-and-liveness", "customer-5f0c3a", [])
    assert "for our eyes only" not in repr(shown(state))


@pytest.mark.parametrize(
    ("label", "hit"),
    [
        ("BLACKLIST", "blacklist"),
        ("BLOCKLIST", "blacklist"),
        ("SANCTIONS", "sanctions"),
        ("PEP", "pep"),
        ("ADVERSE_MEDIA", "adverse_media"),
        ("CRIMINAL", "criminal"),
        ("COMPROMISED_PERSONS", "aml"),
    ],
)
def test_a_label_that_names_a_hit_is_told_and_takes_an_approval_back_to_a_person(label: str, hit: str) -> None:
    rejected = stands(idngo(answer="RED", reject="FINAL", labels=["FORGERY", label]))
    assert (rejected.status, rejected.hits, rejected.user_message) == ("rejected", [hit], None)
    approved = stands(idngo(reviewResult=GREEN | {"rejectLabels": [label]}))
    assert (approved.status, approved.vendor_status, approved.hits, approved.ever_approved) == ("needs_review", "GREEN", [hit], False)


@pytest.mark.parametrize("label", ["CHECK_UNAVAILABLE", "CONNECTION_INTERRUPTED"])
def test_a_check_that_gave_no_result_is_no_hit_and_no_approval_either(label: str) -> None:
    state = stands(idngo(reviewResult=GREEN | {"rejectLabels": [label]}))
    assert (state.status, state.hits, state.reasons) == ("needs_review", [], [label])


def test_hits_are_told_in_one_order_each_once() -> None:
    labels = ["PEP", "BLOCKLIST", "SANCTIONS", "BLACKLIST", "CRIMINAL"]
    state = stands(idngo(answer="RED", reject="FINAL", labels=labels))
    assert (state.reasons, state.hits) == (labels, ["blacklist", "sanctions", "pep", "criminal"])


# progress and what lies over a verdict --------------------------------------------------------------------------


@pytest.mark.parametrize(("review_status", "result"), [("completed", GREEN), ("init", GREEN), ("pending", None), ("completed", FINAL)])
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("applicantCreated", "created"),
        ("applicantReset", "created"),
        ("applicantLevelChanged", "created"),
        ("applicantPending", "in_review"),
        ("applicantPrechecked", "in_review"),
        ("applicantAwaitingService", "in_review"),
        ("applicantOnHold", "on_hold"),
        ("applicantAwaitingUser", "awaiting_applicant"),
    ],
)
def test_progress_goes_by_its_type_whatever_answer_rides_along(kind: str, status: str, review_status: str, result: object) -> None:
    state = stands(idngo(kind, status=review_status, reviewResult=result))
    assert (state.status, state.vendor_status, state.final, state.may_retry) == (status, review_status, False, None)
    assert (state.last_verdict, state.ever_approved, state.reasons, state.user_message) == (None, False, [], None)


@pytest.mark.parametrize(
    ("kind", "status", "flags"),
    [
        ("applicantDeactivated", "deactivated", ["DEACTIVATED"]),
        ("applicantDeleted", "deleted", []),
        ("applicantPersonalDataDeleted", "deleted", []),
        ("amlCaseRejected", "needs_review", ["MONITORING_ALERT"]),
        ("amlCaseOnHold", "needs_review", ["MONITORING_ALERT"]),
    ],
)
@pytest.mark.parametrize("known_before", [True, False])
def test_what_lies_over_a_verdict_goes_by_its_type_also_of_an_applicant_nobody_knew(
    kind: str, status: str, flags: list[str], known_before: bool
) -> None:
    before = [idngo(answer="GREEN")] if known_before else []
    state = stands(*before, idngo(kind, "GREEN", at=after(hours=1)))
    assert (state.status, state.flags, state.ever_approved) == (status, flags, known_before)


@pytest.mark.parametrize("kind", ["applicantActivated", "amlCaseApproved"])
def test_what_only_lifts_approves_nobody(kind: str) -> None:
    state = stands(idngo(kind, "GREEN"))
    assert (state.version, state.status, state.ever_approved) == (0, "created", False)


@pytest.mark.parametrize(
    "kind",
    [
        "applicantActionPending", "applicantActionReviewed", "applicantActionOnHold", "applicantActionLevelChanged",
        "applicantTagsChanged", "applicantPersonalInfoChanged", "applicantKytTxnCreated", "applicantKytTxnRejected", "applicantKytOnHold",
        "kytCaseCreated", "kytCaseStatusChanged", "kytCaseV2Created", "videoIdentStatusChanged", "videoIdentCompositionCompleted",
        "travelRuleAction", "kybCompanyActivity", "applicantTeleported", "ApplicantReviewed", "amlCaseCreated",
    ],
)  # fmt: skip
@pytest.mark.parametrize("result", [GREEN, FINAL])
def test_an_event_of_another_kind_changes_nothing_whatever_rides_along(kind: str, result: object) -> None:
    _, approved, then = told(
        idngo("applicantPending"), idngo(answer="GREEN", at=after(hours=1)), idngo(kind, at=after(hours=2), reviewResult=result)
    )
    assert (then.outcome, then.changed, then.applicant) == (Outcome.IGNORED, [], approved.applicant)
    assert stands(idngo(kind, reviewResult=result)).version == 0


def test_an_event_that_names_no_applicant_is_no_trouble_if_it_moves_none() -> None:
    news = interpreted(raw("idngo", {"type": "kytCaseV2Created", "reviewStatus": "open"}))
    assert (news.references, news.says) == ((), None)


@pytest.mark.parametrize("sandbox_mode", [True, False, "true", "false", "", None, 1])
def test_the_sandbox_word_is_no_matter_of_meaning(sandbox_mode: object) -> None:
    assert stands(idngo(answer="GREEN", sandboxMode=sandbox_mode)).status == "approved"


# time ---------------------------------------------------------------------------------------------------------

MOMENT = datetime(2026, 5, 4, 7, 0, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "moment"),
    [
        ({"createdAtMs": "2026-05-04 07:00:19.321"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": "2026-05-04 07:00:19"}, MOMENT),
        ({"createdAtMs": "2026-05-04 07:00:19.3"}, MOMENT + timedelta(milliseconds=300)),
        ({"createdAtMs": "2026-05-04T07:00:19.321Z"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": "2026-05-04 07:00:19.321+0000"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": "2026-05-04 07:00:19.321+00:00"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": "2026-05-04 12:30:19.321+0530"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": 1777878019321}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": "1777878019321"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": None, "createdAt": "2026-05-04 07:00:19+0000"}, MOMENT),
        ({"createdAtMs": None, "createdAt": "2026-05-04 07:00:19"}, MOMENT),
        ({"createdAtMs": "2026-05-04 07:00:19.321", "createdAt": "2020-01-01 00:00:00+0000"}, MOMENT + timedelta(milliseconds=321)),
        ({"createdAtMs": "2026-05-04 07:00:19.321", "createdAt": "yesterday"}, MOMENT + timedelta(milliseconds=321)),
    ],
)
def test_a_time_is_read_in_every_form_that_was_seen_and_without_a_zone_it_is_utc(times: dict[str, Any], moment: datetime) -> None:
    state = stands(idngo(answer="GREEN", **times))
    assert (state.status, state.as_of, state.flags) == ("approved", moment, [])


@pytest.mark.parametrize(
    "times",
    [
        {"createdAtMs": None, "createdAt": None},
        {"createdAtMs": "", "createdAt": None},
        {"createdAtMs": "yesterday"},
        {"createdAtMs": "2026-02-30 07:00:19.321"},
        {"createdAtMs": "2026-05-04 25:00:19.321"},
        {"createdAtMs": "2026-05-04"},
        {"createdAtMs": "2026-05-04 07:00:19.321 Moscow"},
        {"createdAtMs": "0001-01-01 00:00:00.000+0100"},
        {"createdAtMs": "9999-12-31 23:59:59.000-0100"},
        {"createdAtMs": "٢٠٢٦-05-04 07:00:19.321"},
        {"createdAtMs": 10**18},
        {"createdAtMs": 10**400},
        {"createdAtMs": -(10**18)},
        {"createdAtMs": True},
        {"createdAtMs": ["2026-05-04 07:00:19.321"]},
        {"createdAtMs": {}},
        {"createdAtMs": None, "createdAt": "0001-01-01 00:00:00+0100"},
    ],
)
def test_a_time_that_cannot_be_read_approves_nobody_and_spares_nobody(times: dict[str, Any]) -> None:
    approved = stands(idngo(answer="GREEN", **times))
    assert (approved.status, approved.vendor_status, approved.flags) == ("needs_review", "GREEN", ["TIME_UNKNOWN"])
    assert (approved.as_of, approved.ever_approved) == (None, False)
    assert approved.last_verdict == {"status": "needs_review", "level": "id-and-liveness", "as_of": None}
    rejected = stands(idngo(answer="RED", reject="FINAL", labels=["BLACKLIST"], **times))
    assert (rejected.status, rejected.hits, rejected.flags) == ("rejected", ["blacklist"], ["TIME_UNKNOWN"])


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (timedelta(hours=-1), "approved"),
        (timedelta(hours=23), "approved"),
        (timedelta(days=1), "approved"),
        (timedelta(days=1, milliseconds=1), "needs_review"),
        (timedelta(days=3), "needs_review"),
        (timedelta(days=365 * 70), "needs_review"),
    ],
)
def test_a_time_more_than_a_day_ahead_of_ours_approves_nobody(ahead: timedelta, status: str) -> None:
    assert stands(idngo(answer="GREEN", at=RECEIVED + ahead)).status == status


def test_the_first_year_of_the_calendar_is_a_time_like_any_other() -> None:
    early = idngo(answer="GREEN", createdAtMs="0001-01-01 00:00:00.000")
    assert statuses(early, idngo("applicantPending")) == ["approved", "in_review"]


def test_an_event_without_a_time_stands_where_we_received_it() -> None:
    pending = idngo("applicantPending", createdAtMs=None, createdAt=None, received_at=after(hours=2))
    assert statuses(idngo(answer="GREEN", at=after(hours=1)), pending) == ["approved", "in_review"]
    assert statuses(idngo(answer="GREEN", at=after(hours=3)), pending) == ["approved", "approved"]


# names and nonsense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", UNSTORABLE)
@pytest.mark.parametrize("kind", ["applicantReviewed", "applicantPending", "applicantDeleted", "applicantActivated", "amlCaseRejected"])
def test_an_event_whose_applicant_cannot_be_stored_is_unreadable(kind: str, reference: object) -> None:
    with pytest.raises(Unreadable):
        interpreted(idngo(kind, "GREEN", applicantId=reference))


def test_an_applicant_named_by_a_lone_surrogate_is_unreadable() -> None:
    body = idngo(answer="GREEN").body.replace(WHO.encode(), b"\\ud83d")
    with pytest.raises(Unreadable):
        interpreted(raw("idngo", body))


@pytest.mark.parametrize("name", UNSTORABLE)
def test_another_name_that_cannot_be_stored_is_left_out_and_the_verdict_stands(name: object) -> None:
    result = {"reviewAnswer": "RED", "reviewRejectType": "FINAL", "rejectLabels": [name, "FORGERY", name], "moderationComment": "a\0b"}
    state = stands(idngo(reviewResult=result, externalUserId=name, levelName=name))
    assert (state.status, state.external_user_id, state.level) == ("rejected", None, None)
    assert (state.reasons, state.user_message) == (["FORGERY"], None)


def test_a_name_of_two_hundred_characters_is_stored() -> None:
    longest = "ы" * 200
    assert stands(idngo(answer="GREEN", externalUserId=longest)).external_user_id == longest


@pytest.mark.parametrize("labels", [None, "FORGERY", 7, {"a": "b"}, []])
def test_labels_that_are_no_list_are_none(labels: object) -> None:
    state = stands(idngo(reviewResult={"reviewAnswer": "RED", "reviewRejectType": "FINAL", "rejectLabels": labels}))
    assert (state.status, state.reasons) == ("rejected", [])


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b'"text"', b"7", b"{", b'{"type":"applicantReviewed"', b"\xff\xfe\x00", b"\0", b"applicantId=1",
        b"[" * 100_000, b'{"type":' + b"[" * 100_000, b'{"elsewhere":' + b'{"a":' * 100_000, b"{}", b'{"type":7}', b'{"type":null}',
        b'{"type":"applicantReviewed"}', b'{"type":"applicantReviewed","applicantId":null}', b'{"type":"\xff"}', b'{"type": NaN}',
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_understood_is_unreadable_and_the_reason_quotes_nothing_of_it(body: bytes) -> None:
    with pytest.raises(Unreadable) as unreadable:
        interpreted(raw("idngo", body))
    assert unreadable.value.reason.startswith("the body ")
    assert "text" not in unreadable.value.reason


# levels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "status"), [("full", "approved"), ("fuller", "approved"), ("basic", "in_review"), (None, "in_review"), ("FULL", "in_review")]
)
@pytest.mark.parametrize("kind", ["applicantReviewed", "applicantWorkflowCompleted"])
def test_green_approves_at_the_configured_levels_alone_and_is_progress_elsewhere(kind: str, level: str | None, status: str) -> None:
    state = stands(idngo(kind, "GREEN", levelName=level), settings=configured(IDNGO_APPROVING_LEVELS="full, fuller"))
    assert (state.status, state.ever_approved, state.vendor_status) == (status, status == "approved", "GREEN")
    assert (state.last_verdict is None) == (status != "approved")


@pytest.mark.parametrize(("result", "status"), [(RETRY, "resubmission_requested"), (FINAL, "rejected"), (None, "needs_review")])
def test_a_level_that_does_not_approve_still_refuses(result: object, status: str) -> None:
    assert stands(idngo(reviewResult=result, levelName="basic"), settings=configured(IDNGO_APPROVING_LEVELS="full")).status == status
