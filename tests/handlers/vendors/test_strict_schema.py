"""What an approval says about screening is understood whole, or a person looks at it: the vendors' shapes, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.rules.news import Step, Unreadable
from store.applicants.table import Applicant
from store.system.environment import Misconfigured
from tests.support import payloads
from tests.support.payloads import after
from tests.support.telling import (
    AUTO,
    CASE,
    MANUAL,
    SCAN,
    answered,
    configured,
    idenfy,
    idngo,
    ifcgate,
    interpreted,
    raw,
    stands,
    told,
    verdict,
)

CLEAR: dict[str, Any] = {"serviceSuspected": False, "serviceUsed": True, "checkSuccessful": True, "overallStatus": "NOT_SUSPECTED"}
FOUND: dict[str, Any] = CLEAR | {"serviceSuspected": True, "overallStatus": "SUSPECTED"}
MATCH = {"name": "A NAMESAKE", "score": 71, "datasets": ["SAN_CURRENT"]}


def entry(status: Any = None, **more: Any) -> dict[str, Any]:
    return {"status": CLEAR if status is None else status, "data": [], "serviceName": "anything", "uid": "u", "errorMessage": None} | more


def result(**more: Any) -> Applicant:
    """Where an approving result of iDenfy leads whose body says more, or other."""
    return stands(idenfy(MANUAL, payloads.idenfy(SCAN) | more))


def tagged(**status: Any) -> Applicant:
    body = payloads.idenfy(SCAN)
    body["status"] |= status
    return stands(idenfy(MANUAL, body))


def green(**more: Any) -> Applicant:
    return stands(idngo(reviewResult={"reviewAnswer": "GREEN"} | more))


def written(body: dict[str, Any], *, first: str) -> bytes:
    """A body in which pairs stand before all else."""
    return b"{" + first.encode() + b", " + json.dumps(body).encode()[1:]


# what is no doubt ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, "", [], {}])
@pytest.mark.parametrize("key", ["AML", "aml", "LID", "lid", "CRIMINAL_CHECK", "criminalCheck", "amlCheck", "AML_CHECK", "fraudTags"])
def test_what_says_nothing_is_no_doubt_under_any_spelling(key: str, nothing: object) -> None:
    assert result(**{key: nothing}).status == "approved"


@pytest.mark.parametrize("nothing", [None, "", [], {}])
@pytest.mark.parametrize("key", ["fraudTags", "FraudTags", "fraud_tags", "mismatchTags", "suspicionReasons", "lid"])
def test_tags_that_say_nothing_are_no_doubt_under_any_spelling(key: str, nothing: object) -> None:
    assert tagged(**{key: nothing}).status == "approved"


@pytest.mark.parametrize(
    "clear",
    [
        {"amlCheck": {"overallStatus": "NOT_CHECKED"}},
        {"amlCheck": {"overallStatus": "NO_FLAGS", "statusSetBy": {"any": ["shape"]}, "statusSetAt": "2026-01-01", "id": 7}},
        {"amlCheck": {"overallStatus": "FALSE_POSITIVE", "amlCheck": [MATCH], "adverseMedia": [{"title": "of another"}]}},
        {"amlCheck": {"overallStatus": None, "amlCheck": [], "adverseMedia": None}},
        {"AML": [entry(), entry(CLEAR | {"serviceUsed": False, "checkSuccessful": False})]},
        {"LID": [entry(CLEAR | {"serviceUsed": False, "checkSuccessful": True})], "CRIMINAL_CHECK": [entry(further={"a": 1})]},
        {"AML": [entry(data=[{"suspicion": "PEPS"}, 7], serviceName=["any"], serviceGroupType={"LID": 1})]},
        {"data": {"AML": [entry(FOUND)]}, "riskAssessment": {"aml": "HIGH", "riskScore": 99}, "furtherField": {"LID": FOUND}},
        {"companyId": "c-1", "beneficiaryId": "b-1", "questionnaireAnswers": {"sections": [{"AML": True}]}},
    ],
)
def test_a_clear_screening_leaves_an_approval_as_it_is(clear: dict[str, Any]) -> None:
    state = result(**clear)
    assert (state.status, state.flags) == ("approved", [])


def test_the_documented_bodies_approve() -> None:
    quickstart = {
        "status": {"overall": "APPROVED"},
        "data": {"docFirstName": "JOHN"},
        "scanRef": SCAN,
        "clientId": "user-123",
        "final": True,
    }
    of_2021 = (
        b'{"final": true, "data": {"selectedCountry": "LT", "docSex": "UNDEFINED", "selectedCountry": "LT"}, '
        + json.dumps(
            quickstart | {"AML": [entry()], "LID": [entry()], "status": {"overall": "APPROVED", "suspicionReasons": [], "mismatchTags": []}}
        ).encode()[1:]
    )
    assert stands(idenfy(MANUAL, quickstart)).status == "approved"
    assert stands(idenfy(MANUAL, of_2021)).status == "approved"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rejectLabels": None},
        {"rejectLabels": []},
        {"reviewRejectType": None},
        {"reviewRejectType": ""},
        {"moderationComment": {"any": "shape"}, "clientComment": 7, "buttonIds": [{"any": 1}], "furtherField": ["SANCTIONS"]},
        {"rejectLabels": ["LOW_QUALITY"]},
    ],
)
def test_green_without_a_label_that_matters_approves(more: dict[str, Any]) -> None:
    state = green(**more)
    assert (state.status, state.flags) == ("approved", [])


def test_ifcgate_documents_no_screening_so_that_further_fields_may_say_anything() -> None:
    assert stands(ifcgate(AML=[entry(FOUND)], rejectLabels=["SANCTIONS"], hits={"status": "rejected"})).status == "approved"


@pytest.mark.parametrize("further", [b'"n": ' + b"9" * 5000, b'"t": "\xff\xfe"', b'"deep": ' + b"[" * 300 + b"]" * 300])
def test_what_cannot_be_read_in_a_part_of_any_shape_is_no_doubt(further: bytes) -> None:
    body = b"{" + further + b", " + json.dumps(payloads.idenfy(SCAN)).encode()[1:]
    assert stands(idenfy(MANUAL, body)).status == "approved"


def test_a_key_that_stands_twice_with_the_same_value_is_no_doubt() -> None:
    body = written(payloads.idenfy(SCAN), first='"final": true, "AML": null, "clientIp": "192.0.2.9"')
    assert stands(idenfy(MANUAL, body)).status == "approved"


# what is not understood ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"lid": {"status": FOUND}}, "LID in another spelling"),
        ({"lid": {"serviceSuspected": True}}, "LID in another spelling"),
        ({"AML_CHECK": {"overallStatus": "NO_FLAGS"}}, "amlCheck in another spelling"),
        ({"Criminal-Check": [entry()]}, "CRIMINAL_CHECK in another spelling"),
        ({"Final": False}, "final in another spelling"),
        ({"fraudTags": ["SANCTIONS"]}, "fraudTags in another place"),
        ({"AML": {"status": CLEAR}}, "AML"),
        ({"LID": "none"}, "LID"),
        ({"AML": [entry(), 7]}, "AML[1]"),
        ({"AML": [[entry()]]}, "AML[0]"),
        ({"AML": [{"serviceSuspected": True}]}, "AML[0].serviceSuspected in another place"),
        ({"AML": [{"data": [MATCH]}]}, "AML[0].status"),
        ({"AML": [entry([CLEAR])]}, "AML[0].status"),
        ({"LID": [entry(CLEAR | {"overallStatus": "MAYBE"})]}, "LID[0].status.overallStatus"),
        ({"LID": [entry(CLEAR | {"checkSuccessful": "false"})]}, "LID[0].status.checkSuccessful"),
        ({"LID": [entry(CLEAR | {"serviceSuspected": 0})]}, "LID[0].status.serviceSuspected"),
        ({"LID": [entry(CLEAR | {"interpol": False})]}, "an unknown key in LID[0].status"),
        ({"amlCheck": "FLAGS_FOUND"}, "amlCheck"),
        ({"amlCheck": [{"overallStatus": "NO_FLAGS"}]}, "amlCheck"),
        ({"amlCheck": {"overallStatus": "POSSIBLE"}}, "amlCheck.overallStatus"),
        ({"amlCheck": {"overallStatus": None, "amlCheck": [MATCH]}}, "amlCheck.overallStatus"),
        ({"amlCheck": {"overallStatus": "NO_FLAGS", "verdict": "HIT"}}, "an unknown key in amlCheck"),
        ({"amlCheck": {"OverallStatus": "FLAGS_FOUND"}}, "amlCheck.overallStatus in another spelling"),
    ],
)
def test_what_an_approval_says_and_nobody_documents_is_for_a_person_and_the_reason_names_the_place(
    said: dict[str, Any], place: str
) -> None:
    (decision,) = told(idenfy(MANUAL, payloads.idenfy(SCAN) | said))
    state = decision.applicant
    assert (state.status, state.flags, state.vendor_status, state.ever_approved) == ("needs_review", ["NOT_UNDERSTOOD"], "APPROVED", False)
    assert f"({place})" in decision.reason


@pytest.mark.parametrize("tags", ["fraudTags", "mismatchTags", "suspicionReasons"])
@pytest.mark.parametrize(
    ("said", "place"),
    [
        ([{"tag": "SANCTIONS_SUSPECTION"}], "[0]"), ([["NAME"]], "[0]"), (["NAME", "A_NEW_TAG"], "[1]"), (["name"], "[0]"),
        (["N\0AME"], "[0]"), (["X" * 300], "[0]"), ([7], "[0]"), ("AML_SUSPECTION", ""), ({"AML_SUSPECTION": True}, ""), (True, ""),
    ],
)  # fmt: skip
def test_a_tag_that_is_not_understood_is_for_a_person(tags: str, said: object, place: str) -> None:
    body = payloads.idenfy(SCAN)
    body["status"][tags] = said
    (decision,) = told(idenfy(MANUAL, body))
    assert (decision.applicant.status, decision.applicant.flags) == ("needs_review", ["NOT_UNDERSTOOD"])
    assert f"(status.{tags}{place})" in decision.reason


@pytest.mark.parametrize("key", ["Overall", "over_all", "fraud_tags", "FRAUDTAGS", "LID"])
def test_a_known_key_in_another_spelling_or_place_within_the_status_is_not_understood(key: str) -> None:
    assert tagged(**{key: ["DENIED"]}).flags == ["NOT_UNDERSTOOD"]


@pytest.mark.parametrize(
    "said",
    [
        {"rejectLabels": [{"label": "SANCTIONS"}]}, {"rejectLabels": ["SANC\0TIONS"]}, {"rejectLabels": ["X" * 300]}, {"rejectLabels": 7},
        {"rejectLabels": ["A_NEW_LABEL"]}, {"rejectLabels": ["sanctions"]}, {"rejectLabels": [["SANCTIONS"]]},
        {"rejectLabels": "SANCTIONS"}, {"rejectlabels": ["SANCTIONS"]}, {"reject_labels": ["LOW_QUALITY"]}, {"ReviewAnswer": "RED"},
    ],
)  # fmt: skip
def test_a_label_beside_green_that_is_not_understood_is_for_a_person(said: dict[str, Any]) -> None:
    state = green(**said)
    assert (state.status, state.flags, state.vendor_status, state.ever_approved) == ("needs_review", ["NOT_UNDERSTOOD"], "GREEN", False)


@pytest.mark.parametrize("said", ["FINAL", "RETRY", "NEW", 7, {"a": 1}])
def test_green_with_a_reject_type_contradicts_itself(said: object) -> None:
    (decision,) = told(idngo(reviewResult={"reviewAnswer": "GREEN", "reviewRejectType": said}))
    assert (decision.applicant.status, decision.applicant.flags) == ("needs_review", [])
    assert "GREEN with a reviewRejectType" in decision.reason


@pytest.mark.parametrize(
    "first",
    [
        '"final": false', '"final": 1', '"status": {"overall": "DENIED"}', '"status": {"overall": "DENIED", "overall": "APPROVED"}',
        '"scanRef": "another"', '"AML": [{"status": {"serviceSuspected": true}}]', '"clientId": "another"', '"\\u0066inal": false',
    ],
)  # fmt: skip
def test_a_key_of_idenfys_verdict_or_screenings_that_stands_twice_contradicts_itself(first: str) -> None:
    state = stands(idenfy(MANUAL, written(payloads.idenfy(SCAN), first=first)))
    assert (state.status, state.flags) == ("needs_review", ["NOT_UNDERSTOOD"])


@pytest.mark.parametrize(
    "first",
    ['"reviewStatus": "pending"', '"reviewResult": {"reviewAnswer": "RED"}', '"applicantId": "another"', '"type": "applicantReset"',
     '"createdAtMs": "2019-01-01 00:00:00.000"', '"reviewResult": null'],
)  # fmt: skip
def test_a_key_of_idngos_verdict_that_stands_twice_contradicts_itself(first: str) -> None:
    body = json.loads(idngo(answer="GREEN").body)
    state = stands(raw("idngo", written(body, first=first)))
    assert (state.status, state.flags) == ("needs_review", ["NOT_UNDERSTOOD"])


@pytest.mark.parametrize(
    "first", ['"status": "rejected"', '"status": null', '"event": "case.updated"', '"case_id": "another"', '"Status": "rejected"']
)
def test_a_key_of_ifcgates_verdict_that_stands_twice_contradicts_itself(first: str) -> None:
    state = stands(raw("ifcgate", written(payloads.ifcgate(CASE), first=first)))
    assert (state.status, state.flags) == ("needs_review", ["NOT_UNDERSTOOD"])


def test_an_approval_that_is_not_final_and_not_understood_would_have_meant_a_person_decides() -> None:
    state = stands(verdict(kind=AUTO, final=False, lid={"status": FOUND}))
    assert (state.status, state.provisional, state.flags) == ("in_review", "needs_review", ["NOT_UNDERSTOOD"])


@pytest.mark.parametrize("overall", ["DENIED", "SUSPECTED"])
def test_a_refusal_needs_no_proof(overall: str) -> None:
    assert stands(verdict(overall, lid={"status": FOUND}, amlCheck="text")).flags == []
    assert stands(verdict(kind="IDENTIFICATION_EXPIRED", lid={"status": FOUND})).flags == []


def test_no_reason_repeats_what_a_body_holds() -> None:
    (decision,) = told(idenfy(MANUAL, payloads.idenfy(SCAN) | {"amlCheck": {"Jane Doe, 1990": "Jane Doe", "overallStatus": "Jane Doe"}}))
    assert "Jane" not in decision.reason


def test_flags_are_told_in_one_order() -> None:
    body = idngo(answer="GREEN", createdAtMs=None, createdAt=None, rejectLabels=["SANCTIONS"])
    assert stands(body).flags == ["TIME_UNKNOWN", "NOT_UNDERSTOOD"]


# answers of the vendors' APIs ---------------------------------------------------------------------------------

IDENFY_ANSWER = {
    "scanRef": SCAN, "clientId": "c", "status": "APPROVED", "fraudTags": [], "mismatchTags": [], "autoDocument": "DOC_VALIDATED",
    "autoFace": "FACE_MATCH", "manualDocument": "DOC_VALIDATED", "manualFace": "FACE_MATCH",
}  # fmt: skip


@pytest.mark.parametrize(
    "said", [{"fraudTags": ["A_NEW_TAG"]}, {"lid": {"status": FOUND}}, {"AML": [entry(CLEAR | {"hit": 1})]}, {"fraud_tags": ["NAME"]}]
)
def test_an_answer_of_idenfy_that_is_not_understood_repairs_nothing(said: dict[str, Any]) -> None:
    assert stands(answered("idenfy", IDENFY_ANSWER)).status == "approved"
    with pytest.raises(Unreadable):
        interpreted(answered("idenfy", IDENFY_ANSWER | said))


def test_an_answer_of_idngo_is_understood_like_an_event() -> None:
    def review(**more: Any) -> dict[str, Any]:
        result = {"reviewAnswer": "GREEN"} | more
        return {
            "id": "5f0c3a9be1d24c7d8e6a1b20",
            "review": {"reviewStatus": "completed", "reviewResult": result, "reviewDate": "2026-05-04 09:30:00+0000"},
        }

    assert stands(answered("idngo", review())).status == "approved"
    assert stands(answered("idngo", review(rejectLabels=[{"label": "SANCTIONS"}]))).flags == ["NOT_UNDERSTOOD"]


# the owner's words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "hits", "flags"),
    [
        ("A_NEW_LABEL:plain", "approved", [], []),
        ("A_NEW_LABEL:failed", "needs_review", [], []),
        ("A_NEW_LABEL:hit=pep", "needs_review", ["pep"], []),
        ("ANOTHER:plain", "needs_review", [], ["NOT_UNDERSTOOD"]),
    ],
)
def test_an_owner_may_say_what_a_further_label_or_tag_means(words: str, status: str, hits: list[str], flags: list[str]) -> None:
    settings = configured(IDNGO_WORDS=words, IDENFY_WORDS=words)
    labelled = idngo(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": ["A_NEW_LABEL"]}, at=after(hours=1))
    for event in (labelled, verdict(tags=["A_NEW_LABEL"])):
        state = stands(event, settings=settings)
        assert (state.status, state.hits, state.flags) == (status, hits, flags)


def test_an_owner_may_settle_a_doubt_of_ours() -> None:
    assert stands(verdict(tags=["LID_SUSPECTION"]), settings=configured(IDENFY_WORDS="LID_SUSPECTION: plain")).status == "approved"


@pytest.mark.parametrize("name", ["IDNGO_WORDS", "IDENFY_WORDS"])
@pytest.mark.parametrize(
    "wrong",
    [
        "A_WORD",
        "A_WORD:",
        ":plain",
        "A_WORD:fine",
        "A_WORD:hit",
        "A_WORD:hit=nothing",
        "A:plain,A:failed",
        f"{'x' * 201}:plain",
        "A_WORD:doubtful",
    ],
)
def test_words_that_cannot_be_right_are_refused_at_the_start(name: str, wrong: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        configured(**{name: wrong})


def test_no_word_of_an_owner_softens_a_documented_hit_or_failure_and_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Misconfigured) as refused:
        configured(IDNGO_WORDS="SANCTIONS:plain", IDENFY_WORDS="AML_FAILED:plain", IFCGATE_STATUSES="x:y")
    assert [problem.partition(" ")[0] for problem in refused.value.problems] == ["IFCGATE_STATUSES", "IDNGO_WORDS", "IDENFY_WORDS"]


def test_an_event_that_is_no_verdict_needs_no_proof() -> None:
    says = interpreted(idngo("applicantPending", "GREEN", rejectLabels=["SANCTIONS"])).says
    assert isinstance(says, Step)
    assert says.not_understood == ()
