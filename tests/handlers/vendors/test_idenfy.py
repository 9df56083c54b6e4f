"""What iDenfy's events mean: this delivery leads to this state."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.rules.news import Unreadable
from store.text.states import Outcome, Status
from tests.support import payloads
from tests.support.telling import (
    AUTO,
    MANUAL,
    RESUBMITTED,
    SCAN,
    Delivery,
    document,
    idenfy,
    interpreted,
    monitoring,
    raw,
    shown,
    stands,
    statuses,
    told,
    verdict,
)

#: Each type of a result, in both of the vendor's spellings.
RESULTS = [
    "IDENTIFICATION", "IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_RESUBMITTED",
    "ID_VERIFICATION", "ID_VERIFICATION_AUTO_FINISHED", "ID_VERIFICATION_MANUAL_FINISHED", "ID_VERIFICATION_RESUBMITTED",
]  # fmt: skip

#: Nothing of it can be stored as a name.
UNSTORABLE = ["a\0b", "x" * 201, "", 7, True, None, ["a"], {"$gt": ""}]


def result(overall: str, *, final: object = True, **status: Any) -> dict[str, Any]:
    """A result's body with these words in its status; `final` may be anything, or left out."""
    body = payloads.idenfy(SCAN, overall)
    body["status"] |= status
    return {name: value for name, value in body.items() if name != "final"} | ({} if final == "left out" else {"final": final})


# results ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*RESULTS, None])
@pytest.mark.parametrize(
    ("overall", "status"),
    [
        ("APPROVED", "approved"),
        ("DENIED", "rejected"),
        ("SUSPECTED", "needs_review"),
        ("TOTALLY_NEW", "needs_review"),
        ("approved", "needs_review"),
        ("APPROVED (SUSPECTED)", "needs_review"),
    ],
)
def test_a_verdict_counts_when_it_is_final_under_every_type_and_without_one(kind: str | None, overall: str, status: str) -> None:
    state = stands(idenfy(kind, result(overall)))
    assert (state.status, state.final, state.vendor_status, state.provisional) == (status, True, overall, None)
    assert state.last_verdict == {"status": status, "level": None, "as_of": None}
    assert (state.as_of, state.may_retry, state.level, state.external_user_id) == (None, None, None, "customer-7")


@pytest.mark.parametrize("kind", [*RESULTS, None])
@pytest.mark.parametrize("final", [False, None, "left out", "true", 1, "False", [True]])
@pytest.mark.parametrize(
    ("overall", "status", "provisional"),
    [
        ("APPROVED", "in_review", "approved"),
        ("DENIED", "in_review", "rejected"),
        ("SUSPECTED", "in_review", "needs_review"),
        ("TOTALLY_NEW", "needs_review", None),
    ],
)
def test_a_verdict_that_is_not_final_is_kept_beside_and_not_acted_upon(
    kind: str | None, final: object, overall: str, status: str, provisional: str | None
) -> None:
    state = stands(idenfy(kind, result(overall, final=final)))
    assert (state.status, state.final, state.vendor_status, state.provisional) == (status, False, overall, provisional)
    assert (state.last_verdict, state.ever_approved) == (None, False)


@pytest.mark.parametrize("kind", ["IDENTIFICATION", AUTO, None])
@pytest.mark.parametrize("final", [False, "left out"])
@pytest.mark.parametrize(
    ("overall", "status"),
    [
        ("EXPIRED", "session_expired"),
        ("DELETED", "deleted"),
        ("EXPIRED-DELETED", "deleted"),
        ("REVIEWING", "in_review"),
        ("ACTIVE", "created"),
    ],
)
def test_a_word_that_is_no_verdict_says_where_the_applicant_is(kind: str | None, final: object, overall: str, status: str) -> None:
    state = stands(idenfy(kind, result(overall, final=final)))
    assert (state.status, state.vendor_status, state.provisional, state.last_verdict) == (status, overall, None, None)


def test_an_archived_verification_keeps_its_verdict_and_gets_a_flag() -> None:
    _, approved, archived = told(verdict(final=False, kind=AUTO), verdict(), verdict("ARCHIVED"))
    assert shown(archived.applicant, without=("version", "last_event_id", "updated_at")) == shown(
        approved.applicant, without=("version", "last_event_id", "updated_at")
    ) | {"flags": ["ARCHIVED"]}
    assert archived.changed == ["flags"]


@pytest.mark.parametrize("overall", ["EXPIRED", "APPROVED", "DENIED", "SUSPECTED", "REVIEWING", "TOTALLY_NEW"])
@pytest.mark.parametrize("final", [True, False, "left out"])
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("IDENTIFICATION_EXPIRED", "session_expired"),
        ("ID_VERIFICATION_EXPIRED", "session_expired"),
        ("IDENTIFICATION_CANCELLED", "cancelled"),
        ("IDENTIFICATION_CANCELED", "cancelled"),
        ("ID_VERIFICATION_CANCELLED", "cancelled"),
        ("ID_VERIFICATION_CANCELED", "cancelled"),
    ],
)
def test_expired_and_cancelled_go_by_their_type_alone(kind: str, status: str, overall: str, final: object) -> None:
    state = stands(idenfy(kind, result(overall, final=final)))
    assert (state.status, state.ever_approved, state.last_verdict) == (status, False, None)


@pytest.mark.parametrize(
    ("status", "checks"),
    [
        ({}, ("DOC_VALIDATED", "FACE_MATCH", None)),
        ({"manualDocument": "DOC_FAKE", "manualFace": "FACE_MISMATCH"}, ("DOC_FAKE", "FACE_MISMATCH", None)),
        ({"manualDocument": "", "manualFace": None}, ("DOC_VALIDATED", "FACE_MATCH", None)),
        ({"autoFace": "FACE_NOT_CHECKED", "additionalSteps": "VALID"}, ("DOC_VALIDATED", "FACE_NOT_CHECKED", "VALID")),
        ({"autoFace": None, "autoDocument": ""}, (None, None, None)),
        ({"autoFace": 7, "manualDocument": "a\0b", "additionalSteps": {"step": "UPLOAD"}}, ("DOC_VALIDATED", None, None)),
    ],
)
def test_a_check_is_the_manual_one_where_there_is_one_else_the_automatic(
    status: dict[str, Any], checks: tuple[str | None, str | None, str | None]
) -> None:
    state = stands(idenfy(MANUAL, result("APPROVED", **status)))
    assert (state.checks["document"], state.checks["face"], state.checks["additional_steps"]) == checks


def test_checks_that_are_left_out_were_not_made() -> None:
    body = payloads.idenfy(SCAN) | {"status": {"overall": "APPROVED"}}
    state = stands(idenfy(MANUAL, body))
    assert (state.status, state.checks, state.reasons) == ("approved", {"document": None, "face": None, "additional_steps": None}, [])


def test_reasons_are_fraud_tags_then_mismatch_tags_in_the_vendors_order_each_once() -> None:
    tags = {"fraudTags": ["FAKE_PHOTO", "DUPLICATE_FACE", 7, "a\0b", "FAKE_PHOTO"], "mismatchTags": ["NAME", "FAKE_PHOTO", "SURNAME"]}
    assert stands(idenfy(MANUAL, result("DENIED", **tags))).reasons == ["FAKE_PHOTO", "DUPLICATE_FACE", "NAME", "SURNAME"]


@pytest.mark.parametrize("tags", [None, "FACE_BLACKLISTED", 7, {"FACE_BLACKLISTED": True}])
def test_tags_that_are_no_list_are_none(tags: object) -> None:
    state = stands(idenfy(MANUAL, result("DENIED", fraudTags=tags, mismatchTags=tags)))
    assert (state.status, state.reasons, state.hits) == ("rejected", [], [])


# approvals in doubt ---------------------------------------------------------------------------------------------

SUSPECTED = [{"status": {"serviceSuspected": True, "serviceUsed": True, "checkSuccessful": True, "overallStatus": "SUSPECTED"}}]
CLEAN = [{"status": {"serviceSuspected": False, "serviceUsed": True, "checkSuccessful": True, "overallStatus": "NOT_SUSPECTED"}}]
FAILED = [{"status": {"serviceSuspected": False, "serviceUsed": True, "checkSuccessful": False, "overallStatus": "NOT_SUSPECTED"}}]


@pytest.mark.parametrize(
    ("tag", "hits"),
    [
        ("FACE_IN_BLACKLIST", ["blacklist"]),
        ("DOC_FACE_IN_BLACKLIST", ["blacklist"]),
        ("DATA_IN_BLACKLIST", ["blacklist"]),
        ("FACE_BLACKLISTED", ["blacklist"]),
        ("DOC_FACE_BLACKLISTED", ["blacklist"]),
        ("DATA_BLACKLISTED", ["blacklist"]),
        ("SANCTIONS_SUSPECTION", ["sanctions"]),
        ("CRIMINAL_SUSPECTED", ["criminal"]),
        ("AML_SUSPECTION", ["aml"]),
        ("AML_FAILED", []),
        ("SANCTIONS_FAILED", []),
        ("LID_FAILED", []),
        ("LID_SUSPECTION", []),
        ("CRIMINAL_CHECK_FAILED", []),
        ("RC_FAILED", []),
        ("DL_FAILED", []),
    ],
)
@pytest.mark.parametrize("place", ["fraudTags", "mismatchTags"])
def test_an_approval_whose_tags_name_a_hit_or_a_failed_screening_is_for_a_person(tag: str, hits: list[str], place: str) -> None:
    state = stands(idenfy(MANUAL, result("APPROVED", **{place: [tag]})))
    assert (state.status, state.vendor_status, state.hits, state.reasons) == ("needs_review", "APPROVED", hits, [tag])
    assert (state.ever_approved, state.last_verdict and state.last_verdict["status"]) == (False, "needs_review")


@pytest.mark.parametrize("tag", ["FAKE_PHOTO", "DUPLICATE_FACE", "AUTO_UNVERIFIABLE", "NAME", "UNDER_AGE"])
def test_another_tag_leaves_an_approval_alone(tag: str) -> None:
    state = stands(idenfy(MANUAL, result("APPROVED", fraudTags=[tag])))
    assert (state.status, state.hits) == ("approved", [])


@pytest.mark.parametrize(
    ("screening", "status", "hits"),
    [
        ({"AML": SUSPECTED}, "needs_review", ["aml"]),
        ({"AML": [*CLEAN, *SUSPECTED]}, "needs_review", ["aml"]),
        ({"AML": [{"status": {"serviceSuspected": True}}]}, "needs_review", ["aml"]),
        ({"AML": [{"status": {"overallStatus": "SUSPECTED"}}]}, "needs_review", ["aml"]),
        ({"aml": SUSPECTED}, "needs_review", ["aml"]),
        ({"amlCheck": {"overallStatus": "FLAGS_FOUND"}}, "needs_review", ["aml"]),
        ({"amlCheck": {"overallStatus": "TRUE_POSITIVE"}}, "needs_review", ["aml"]),
        ({"CRIMINAL_CHECK": SUSPECTED}, "needs_review", ["criminal"]),
        ({"CRIMINAL_CHECK": SUSPECTED, "amlCheck": {"overallStatus": "FLAGS_FOUND"}}, "needs_review", ["criminal", "aml"]),
        ({"LID": SUSPECTED}, "needs_review", []),
        ({"AML": FAILED}, "needs_review", []),
        ({"LID": FAILED}, "needs_review", []),
        ({"CRIMINAL_CHECK": FAILED}, "needs_review", []),
        ({"AML": CLEAN, "LID": CLEAN, "CRIMINAL_CHECK": CLEAN}, "approved", []),
        ({"AML": [], "LID": None, "CRIMINAL_CHECK": None, "amlCheck": None}, "approved", []),
        ({"amlCheck": {"overallStatus": "NO_FLAGS"}}, "approved", []),
        ({"amlCheck": {"overallStatus": "FALSE_POSITIVE"}}, "approved", []),
        ({"AML": "", "LID": [], "CRIMINAL_CHECK": {}, "amlCheck": []}, "approved", []),
        ({"AML": [None, {"status": None}, {"status": []}, {}]}, "approved", []),
    ],
)
def test_an_approval_goes_by_what_the_screenings_in_its_body_found(screening: dict[str, Any], status: str, hits: list[str]) -> None:
    state = stands(idenfy(MANUAL, payloads.idenfy(SCAN) | screening))
    assert (state.status, state.hits, state.ever_approved) == (status, hits, status == "approved")


@pytest.mark.parametrize("overall", ["DENIED", "SUSPECTED"])
def test_a_hit_is_told_of_every_verdict(overall: str) -> None:
    assert stands(idenfy(MANUAL, payloads.idenfy(SCAN, overall, tags=["FACE_BLACKLISTED"], AML=SUSPECTED))).hits == ["blacklist", "aml"]


@pytest.mark.parametrize(
    "doubtful",
    [
        verdict(kind=AUTO, final=False, tags=["AML_SUSPECTION"]),
        verdict(kind=AUTO, final=False, tags=["AML_FAILED"]),
        verdict(kind=AUTO, final=False, AML=SUSPECTED),
        verdict(kind=AUTO, final=False, repeat=True),
    ],
)
def test_an_approval_in_doubt_would_have_meant_a_person_decides(doubtful: Any) -> None:
    state = stands(doubtful)
    assert (state.status, state.provisional, state.hits) == ("in_review", "needs_review", [])


# monitoring -----------------------------------------------------------------------------------------------------

RAISES, CLEARS, NOTHING = ("needs_review", "needs_review"), ("approved", "approved"), ("approved", "needs_review")


@pytest.mark.parametrize("kind", ["AML_MONITORING", None])
@pytest.mark.parametrize(
    ("status", "alert_status", "check", "does"),
    [
        ("ALERT", None, None, RAISES),
        ("FLAGS_FOUND", None, None, RAISES),
        ("TRUE_POSITIVE", None, None, RAISES),
        (None, "ALERT", None, RAISES),
        (None, "FLAGS_FOUND", None, RAISES),
        (None, "TRUE_POSITIVE", None, RAISES),
        ("ALERT", "ACCEPTED", "NO_FLAGS", RAISES),
        ("ACTIVE", None, "FLAGS_FOUND", RAISES),
        ("ACTIVE", None, "TRUE_POSITIVE", RAISES),
        ("STOPPED", None, "FLAGS_FOUND", RAISES),
        ("PENDING", "PENDING", "TRUE_POSITIVE", RAISES),
        (None, None, "FLAGS_FOUND", RAISES),
        ("ACTIVE", None, None, CLEARS),
        ("ACTIVE", "ALERT", None, CLEARS),
        ("ACTIVE", "ALERT", "NOT_CHECKED", CLEARS),
        ("ACCEPTED", None, None, CLEARS),
        ("NO_FLAGS", None, None, CLEARS),
        ("FALSE_POSITIVE", None, None, CLEARS),
        (None, "ACCEPTED", None, CLEARS),
        (None, "ACTIVE", "NO_FLAGS", CLEARS),
        (None, None, "NO_FLAGS", CLEARS),
        (None, None, "FALSE_POSITIVE", CLEARS),
        ("PENDING", None, None, NOTHING),
        ("STOPPED", None, None, NOTHING),
        ("DECLINED", None, None, NOTHING),
        (None, "DECLINED", None, NOTHING),
        (None, "PENDING", None, NOTHING),
        ("STOPPED", "ACCEPTED", None, NOTHING),
        ("PENDING", None, "NO_FLAGS", NOTHING),
        ("STATUS", None, None, NOTHING),
        ("TOTALLY_NEW", "ACCEPTED", None, NOTHING),
        (None, None, "NOT_CHECKED", NOTHING),
        (None, None, None, NOTHING),
        (7, {"ALERT": 1}, ["FLAGS_FOUND"], NOTHING),
    ],
)
def test_a_monitoring_raises_an_alert_clears_it_or_changes_nothing(
    kind: str | None, status: Any, alert_status: Any, check: Any, does: tuple[str, str]
) -> None:
    body = payloads.idenfy_monitoring([SCAN], status, alertStatus=alert_status, amlCheck=check and {"overallStatus": check})
    event = idenfy(kind, body)
    assert (stands(verdict(), event).status, stands(verdict(), monitoring(), event).status) == does
    if does == NOTHING:
        assert told(verdict(), event)[-1].outcome == Outcome.IGNORED


def test_an_alert_is_a_hit_a_flag_and_no_verdict() -> None:
    approved, alerted = told(verdict(), monitoring())
    assert (alerted.applicant.hits, alerted.applicant.flags) == (["aml"], ["MONITORING_ALERT"])
    assert sorted(alerted.changed) == ["flags", "hits", "status"]
    kept = ("final", "vendor_status", "reasons", "checks", "last_verdict", "ever_approved")
    assert all(getattr(alerted.applicant, name) == getattr(approved.applicant, name) for name in kept)


def test_an_alert_about_a_verification_nobody_knew_is_for_a_person() -> None:
    state = stands(monitoring())
    assert (state.version, state.status, state.flags, state.ever_approved) == (1, "needs_review", ["MONITORING_ALERT"], False)


def test_a_monitoring_is_about_every_scan_that_it_names() -> None:
    scans = [payloads.new_scan() for _ in range(3)]
    assert interpreted(idenfy("AML_MONITORING", payloads.idenfy_monitoring([*scans, scans[0]]))).references == tuple(scans)


def test_a_monitoring_numbered_with_a_figure_is_the_one_written_in_letters() -> None:
    number = monitoring(monitoringId=123456789)
    assert statuses(verdict(), number, monitoring("ACTIVE", case="123456789")) == ["approved", "needs_review", "approved"]


# documents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["DOCUMENT_EXPIRATION", None])
@pytest.mark.parametrize(
    ("threshold", "status", "flags"),
    [
        ("DOCUMENT_EXPIRES_WITHIN_30_DAYS", "approved", ["DOCUMENT_EXPIRING"]),
        ("DOCUMENT_EXPIRES_WITHIN_7_DAYS", "approved", ["DOCUMENT_EXPIRING"]),
        ("DOCUMENT_EXPIRES_WITHIN_1_DAY", "approved", ["DOCUMENT_EXPIRING"]),
        ("DOCUMENT_EXPIRED", "document_expired", ["DOCUMENT_EXPIRED"]),
    ],
)
def test_a_document_that_has_run_out_lies_over_the_verdict_and_before_that_it_is_a_flag(
    kind: str | None, threshold: str, status: str, flags: list[str]
) -> None:
    state = stands(verdict(), idenfy(kind, payloads.idenfy_document(SCAN, threshold)))
    assert (state.status, state.flags, state.vendor_status, state.hits) == (status, flags, "APPROVED", [])


def test_an_expired_document_is_told_once_as_expired() -> None:
    last_days, expired = told(verdict(), document("DOCUMENT_EXPIRES_WITHIN_7_DAYS"), document())[1:]
    assert (last_days.applicant.flags, expired.applicant.flags) == (["DOCUMENT_EXPIRING"], ["DOCUMENT_EXPIRED"])


# other types ----------------------------------------------------------------------------------------------------

OTHERS = [
    "AML_MONITORING_EXPIRATION", "FACIAL_AUTHENTICATION", "AGE_ESTIMATION", "ACCOUNT_CHECK", "BANK_VERIFICATION",
    "BANK_CARD_VERIFICATION_COMPLETED", "VIDEO_CALL_FINISHED", "COMPANY_REVIEW", "COMPANY_SUBMIT", "COMPANY_INFO_REQUEST",
    "COMPANY_EXPIRATION", "COMPANY_AML_REVIEW", "COMPANY_DELETE", "GOV_ORDERED_DOCUMENT", "SOS_REPORT", "TOTALLY_NEW",
    "IDENTIFICATION_TELEPORTED",
]  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("body", [payloads.idenfy(SCAN, "DENIED"), payloads.idenfy_monitoring([SCAN]), payloads.idenfy_document(SCAN)])
def test_an_event_of_another_type_changes_nothing_whatever_its_body(kind: str, body: dict[str, Any]) -> None:
    approved, then = told(verdict(), idenfy(kind, body))
    assert (then.outcome, then.changed, then.applicant) == (Outcome.IGNORED, [], approved.applicant)


UNKNOWN = ("VIDEO_CALL_FINISHED", "TOTALLY_NEW", "IDENTIFICATION_TELEPORTED")
GARBLED = [b"", b"null", b"{", b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("kind", UNKNOWN)
@pytest.mark.parametrize("body", [*GARBLED, b"{}", b'{"scanRef": null}', b'{"scanRef": 7}'])
def test_a_type_whose_shape_nobody_published_may_have_any_body(kind: str, body: bytes) -> None:
    news = interpreted(idenfy(kind, body))
    assert (news.says, news.is_unknown_type, news.because) == (None, True, f"unknown type: {kind}")


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if kind not in UNKNOWN])
def test_a_known_type_that_moves_nothing_is_unreadable_where_its_body_is_garbled(kind: str) -> None:
    news = interpreted(idenfy(kind, b'{"scanRef": 7}'))
    assert (news.says, news.is_unknown_type, news.because) == (None, False, f"{kind} moves nothing")
    for body in GARBLED:
        with pytest.raises(Unreadable):
            interpreted(idenfy(kind, body))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scanRef": SCAN},
        {"scanRef": SCAN, "status": "Success"},
        {"scanRef": SCAN, "status": {"result": "APPROVED"}, "final": True},
        {"monitoringId": "m-1", "status": "ALERT"},
        {"scanRefList": [SCAN], "status": "ALERT"},
        {"usersToExtend": 3, "usersToExpire": 1},
    ],
)
def test_without_a_type_a_body_of_no_known_shape_changes_nothing(body: dict[str, Any]) -> None:
    assert interpreted(idenfy(None, body)).says is None


# names and nonsense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", UNSTORABLE)
def test_an_event_whose_scan_cannot_be_stored_is_unreadable(reference: object) -> None:
    for event in (
        idenfy(MANUAL, payloads.idenfy(SCAN) | {"scanRef": reference}),
        idenfy("IDENTIFICATION_EXPIRED", payloads.idenfy(SCAN) | {"scanRef": reference}),
        idenfy("DOCUMENT_EXPIRATION", payloads.idenfy_document(SCAN) | {"scanRef": reference}),
        idenfy("AML_MONITORING", payloads.idenfy_monitoring([SCAN]) | {"scanRefList": [reference]}),
    ):
        with pytest.raises(Unreadable):
            interpreted(event)


@pytest.mark.parametrize("scans", [[], None, SCAN, 7, {SCAN: True}])
def test_a_monitoring_of_nobody_is_unreadable(scans: object) -> None:
    with pytest.raises(Unreadable):
        interpreted(idenfy("AML_MONITORING", payloads.idenfy_monitoring([SCAN]) | {"scanRefList": scans}))


def test_a_scan_named_by_a_lone_surrogate_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        interpreted(idenfy(MANUAL, verdict().body.replace(SCAN.encode(), b"\\udfff")))


@pytest.mark.parametrize("name", UNSTORABLE)
def test_another_name_that_cannot_be_stored_is_left_out_and_the_verdict_stands(name: object) -> None:
    body = result("DENIED", fraudTags=[name, "FAKE_PHOTO"], manualFace=name) | {"clientId": name}
    state = stands(idenfy(MANUAL, body))
    assert (state.status, state.external_user_id, state.reasons) == ("rejected", None, ["FAKE_PHOTO"])
    assert state.checks["face"] == "FACE_MATCH"


def test_a_key_that_comes_twice_in_a_body_is_no_trouble() -> None:
    assert stands(
        idenfy(MANUAL, verdict().body.replace(b'"platform"', b'"data": {"selectedCountry": 1, "selectedCountry": 2}, "platform"'))
    )


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b'"text"', b"7", b"{", b"\xff\xfe\x00", b"\0", b"scanRef=1", b"[" * 100_000,
        b'{"status":' + b"[" * 100_000, b'{"elsewhere":' + b'{"a":' * 100_000, b'{"scanRef": NaN}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [MANUAL, "AML_MONITORING", "DOCUMENT_EXPIRATION", "IDENTIFICATION_CANCELLED", None])
def test_a_body_that_cannot_be_understood_is_unreadable_and_the_reason_quotes_nothing_of_it(body: bytes, kind: str | None) -> None:
    with pytest.raises(Unreadable) as unreadable:
        interpreted(idenfy(kind, body))
    assert (unreadable.value.reason, unreadable.value.event_type) == ("the body is not a JSON object", kind)


@pytest.mark.parametrize("kind", [MANUAL, AUTO, RESUBMITTED, "IDENTIFICATION"])
@pytest.mark.parametrize("status", [None, "APPROVED", 7, [], {}])
def test_a_result_without_its_word_is_unreadable_and_its_scan_is_told(kind: str, status: object) -> None:
    with pytest.raises(Unreadable) as unreadable:
        interpreted(idenfy(kind, payloads.idenfy(SCAN) | {"status": status}))
    assert unreadable.value.reference == SCAN


@pytest.mark.parametrize("threshold", [None, 7, "", []])
def test_a_document_without_its_threshold_is_unreadable(threshold: object) -> None:
    with pytest.raises(Unreadable):
        interpreted(
            raw(
                "idenfy",
                payloads.idenfy_document(SCAN) | {"expirationThreshold": threshold},
                headers={"Idenfy-Event-Type": "DOCUMENT_EXPIRATION"},
            )
        )


@pytest.mark.parametrize("kind", [MANUAL, AUTO, RESUBMITTED, "IDENTIFICATION"])
@pytest.mark.parametrize("word", [None, 7, "", "x" * 201, "a\0b", "\ud800"])
def test_a_word_that_cannot_be_read_is_for_a_person_to_look_at_like_one_unknown(kind: str, word: object) -> None:
    body = json.dumps(payloads.idenfy(SCAN) | {"status": {"overall": word}}).encode()
    found = stands(idenfy(kind, body))
    assert (found.status, found.vendor_status) == (Status.NEEDS_REVIEW, None)


@pytest.mark.parametrize("status", [None, {}, {"overall": None}, {"overall": "APPROVED"}])
def test_expired_and_cancelled_need_no_status_at_all(status: object) -> None:
    body = payloads.idenfy(SCAN) | {"status": status}
    assert stands(idenfy("IDENTIFICATION_EXPIRED", body)).status == Status.SESSION_EXPIRED
    assert stands(idenfy("IDENTIFICATION_CANCELLED", body)).status == Status.CANCELLED


@pytest.mark.parametrize("kind", ["X" * 200, "X" * 201, "é" * 300])
def test_a_type_that_is_there_is_never_taken_for_none(kind: str) -> None:
    assert interpreted(idenfy(kind, payloads.idenfy(SCAN))).says is None


@pytest.mark.parametrize(
    "tags", [["PEP_SUSPICION"], ["GAMBLING_FAILED"], ["SOMETHING_SUSPECTED"], "AML_SUSPECTION", {"AML_SUSPECTION": True}]
)
def test_an_approval_with_tags_that_name_a_doubt_or_cannot_be_read_is_looked_at(tags: object) -> None:
    body = payloads.idenfy(SCAN)
    body["status"]["fraudTags"] = tags
    assert stands(idenfy(MANUAL, body)).status == Status.NEEDS_REVIEW


def test_the_older_list_of_suspicions_is_read_too() -> None:
    body = payloads.idenfy(SCAN)
    body["status"]["suspicionReasons"] = ["AML_SUSPECTION"]
    found = stands(idenfy(MANUAL, body))
    assert (found.status, found.hits, found.reasons) == (Status.NEEDS_REVIEW, ["aml"], [])


def test_monitorings_with_names_that_cannot_be_stored_have_alerts_of_their_own() -> None:
    def monitoring(name: str, status: str) -> Delivery:
        return idenfy("AML_MONITORING", payloads.idenfy_monitoring([SCAN], status, monitoring=name))

    found = stands(idenfy(MANUAL, payloads.idenfy(SCAN)), monitoring("a" * 201, "ALERT"), monitoring("b" * 201, "ACTIVE"))
    assert found.status == Status.NEEDS_REVIEW


def test_a_lone_surrogate_in_one_field_hides_nothing_of_the_others() -> None:
    body = json.dumps(payloads.idenfy(SCAN, "DENIED", clientId="\ud83d")).encode()
    found = stands(idenfy(MANUAL, body))
    assert (found.status, found.external_user_id) == (Status.REJECTED, None)
