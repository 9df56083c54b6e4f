"""Erasures over HTTP: who may do what, what is answered of an erased applicant, and what the feed says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from store.system import clock
from tests.conftest import KEY
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import DEPUTY, OFFICER, OPERATOR, erased, requested, restricted, send
from tests.support.service import Answer, Service, eventually

LINKER = "link-me-if-you-may"


def approved_then_sanctioned(service: Service, **more: Any) -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN", **more))
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1), **more))
    return who


def entries(service: Service) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = service.get("/v1/changes", limit=500).json["data"]
    return data


def is_gone(answer: Answer, erasure_id: str) -> bool:
    """Whether an answer is the problem of an erased applicant, which nobody may store."""
    problem = answer.json
    assert answer.status == 410, answer.body
    assert (problem["type"], problem["status"], answer.headers["cache-control"]) == ("erased", 410, "no-store")
    return bool(problem["erasure_id"] == erasure_id and problem["erased_at"].endswith("Z"))


def test_a_request_goes_to_its_end(service: Service) -> None:
    who, other = approved_then_sanctioned(service), approved_then_sanctioned(service)
    before = service.applicant("idngo", other)
    subject = {"vendor": "idngo", "reference": who}
    asked = send(service, "/v1/erasures", token=OPERATOR, reason="asked by mail", received_at="2026-03-31T10:00:00Z", **subject)
    assert (asked.status, asked.json["status"], asked.json["deadline"]) == (201, "requested", "2026-04-30T10:00:00Z")
    assert asked.json["environment"] == "live"
    made = asked.json["id"]
    again = send(service, "/v1/erasures", token=DEPUTY, reason="asked by phone", **subject)
    assert (again.status, again.json["id"]) == (200, made)
    assert service.get(f"/v1/erasures/{made}/certificate", token=OFFICER).status == 409
    decided = send(service, f"/v1/erasures/{made}/approve", reason="nothing keeps it")
    assert (decided.status, decided.json["status"], decided.json["decided_by"]) == (202, "approved", "officer")
    eventually(lambda: service.get(f"/v1/erasures/{made}", token=OFFICER).json["status"] == "done", "the erasure to be done")
    done = service.get(f"/v1/erasures/{made}", token=OFFICER).json
    assert (done["reference"], done["reason"], done["applicants"], done["events"]) == (None, None, 1, 2)
    certificate = service.get(f"/v1/erasures/{made}/certificate", token=OFFICER).json
    assert (certificate["erasure_id"], certificate["applicants"], certificate["decided_by"]) == (made, 1, "officer")
    assert service.applicant("idngo", other) == before
    listed = service.get("/v1/erasures", token=OFFICER, status="done").json
    assert [one["id"] for one in listed["data"]] == [made]
    assert send(service, f"/v1/erasures/{made}/approve", reason="again").status == 409


def test_an_erased_applicant_is_gone_wherever_it_is_asked_for(service: Service) -> None:
    who = approved_then_sanctioned(service, externalUserId="user-1")
    case = payloads.new_case()
    service.told("ifcgate", payloads.ifcgate(case))
    made, of_case = erased(service, vendor="idngo", reference=who), erased(service, vendor="ifcgate", reference=case)
    path = f"/v1/applicants/idngo/{who}"
    for asked in (path, f"{path}/history", f"{path}/explanation", f"{path}?at=2026-01-01T00:00:00Z"):
        assert is_gone(service.request("GET", asked, token=OPERATOR), made), asked
    assert is_gone(send(service, f"{path}/decisions", token=OPERATOR, decision="approve", reason="seen"), made)
    assert is_gone(send(service, f"/v1/links/ifcgate/{case}", token=LINKER, method="PUT", external_user_id="user-2"), of_case)
    assert service.get("/v1/users/user-1").status == 404
    assert service.get("/v1/applicants").json["data"] == []
    assert service.get("/v1/reversals").json["data"] == service.get("/v1/reversals/current").json["data"] == []
    assert service.get(f"{path}", environment="sandbox").status == 404


def test_the_feed_has_a_notice_and_empty_places(service: Service) -> None:
    who, other = approved_then_sanctioned(service, externalUserId="user-1"), approved_then_sanctioned(service)
    before = entries(service)
    made = erased(service, vendor="idngo", reference=who)
    eventually(lambda: [one["type"] for one in entries(service)][:2] == ["erased", "erased"], "the changes to be empty")
    found = entries(service)
    assert [one["cursor"] for one in found[:4]] == [one["cursor"] for one in before]
    assert found[2:4] == before[2:4]
    for was, emptied in zip(before[:2], found[:2], strict=True):
        assert emptied == {"cursor": was["cursor"], "environment": "live", "at": was["at"], "type": "erased"}
    [notice] = found[4:]
    assert notice == {
        "cursor": notice["cursor"],
        "type": "applicant.erased",
        "vendor": "idngo",
        "environment": "live",
        "reference": who,
        "external_user_id": "user-1",
        "erasure_id": made,
        "at": notice["at"],
    }
    assert [one["reference"] for one in service.get("/v1/reversals").json["data"]] == [other]
    done = service.standing("export", "changes", "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    rows = done.stdout.splitlines()
    assert [len(rows), rows[1].split(",")[:3], rows[5].endswith(f"user-1,{made}")] == [6, [before[0]["cursor"], "erased", ""], True]
    listed = service.standing("reversals", "--json")
    assert (listed.returncode, other in listed.stdout, who in listed.stdout) == (0, True, False)


def test_an_erased_event_names_nobody_and_keeps_its_outcome(service: Service) -> None:
    who = payloads.new_applicant()
    event = service.told("idngo", payloads.idngo(who, answer="GREEN"))
    assert event["erased_at"] is None
    erased(service, vendor="idngo", reference=who)
    kept = service.get(f"/v1/events/{event['id']}").json
    assert (kept["id"], kept["status"], kept["reference"], kept["event_type"]) == (event["id"], "applied", None, None)
    assert kept["erased_at"].endswith("Z")
    body = service.get(f"/v1/events/{event['id']}/body", token=OPERATOR)
    assert (body.status, body.json["type"], body.json["erased_at"]) == (410, "erased", kept["erased_at"])
    again = send(service, f"/v1/events/{event['id']}/replay", token=OPERATOR)
    assert (again.status, service.get(f"/v1/events/{event['id']}").json["status"]) == (409, "applied")


def test_a_body_that_named_others_is_not_shown_and_may_be_replayed(service: Service) -> None:
    scan, other = payloads.new_scan(), payloads.new_scan()
    for reference in (scan, other):
        service.told("idenfy", payloads.idenfy(reference, "APPROVED"))
    alert = service.told("idenfy", payloads.idenfy_monitoring([scan, other], "ALERT", monitoring="m-1"), event_type="AML_MONITORING")
    before = service.applicant("idenfy", other)
    erased(service, vendor="idenfy", reference=scan)
    assert service.get(f"/v1/events/{alert['id']}/body", token=OPERATOR).status == 410
    assert send(service, f"/v1/events/{alert['id']}/replay", token=OPERATOR).status == 202
    service.settled(alert["id"])
    assert service.applicant("idenfy", other) == before


def test_one_that_is_readmitted_is_unknown_until_there_is_news(service: Service) -> None:
    who = approved_then_sanctioned(service)
    path = f"/v1/applicants/idngo/{who}"
    for _ in range(2):
        made = erased(service, vendor="idngo", reference=who)
        assert send(service, f"/v1/erasures/{made}/readmit", token=OPERATOR, reason="a new contract").status == 403
        assert send(service, f"/v1/erasures/{made}/readmit", reason="a new contract").status == 200
        assert [service.get(asked).status for asked in (path, f"{path}/history", f"{path}/explanation")] == [404, 404, 404]
        for seconds in (10, 20, 30):
            verdict = {"answer": "RED", "reject": "RETRY"} if seconds == 20 else {"answer": "GREEN"}
            service.told("idngo", payloads.idngo(who, at=clock.now() + timedelta(seconds=seconds), **verdict))
        assert (service.applicant("idngo", who)["version"], len(service.history("idngo", who))) == (3, 3)
        assert service.get(path, at="2026-01-01T00:00:00Z").status == 404


def test_an_erasure_is_found_by_its_id_in_any_environment_and_in_the_one_that_is_named(service: Service) -> None:
    made = requested(service, external_user_id="user-1", environment="sandbox")
    path = f"/v1/erasures/{made}"
    asked = [service.get(path, token=OFFICER, **more).status for more in ({}, {"environment": "sandbox"}, {"environment": "live"})]
    assert asked == [200, 200, 404]
    assert service.get(path, token=OFFICER, environment="elsewhere").status == 400
    for act in ("approve", "refuse", "readmit"):
        tried = [
            send(service, f"{path}/{act}?environment=live", reason="x"),
            send(service, f"{path}/{act}", reason="x", environment="live"),
        ]
        assert [answer.status for answer in tried] == [404, 404], act
    assert send(service, f"{path}/approve?environment=sandbox", reason="x", environment="live").status == 400
    assert send(service, f"{path}/approve?environment=sandbox", reason="x", environment="sandbox").status == 202
    eventually(lambda: service.get(f"{path}/certificate", token=OFFICER, environment="sandbox").status == 200, "it to be done")
    assert service.get(f"{path}/certificate", token=OFFICER, environment="live").status == 404


def test_both_decisions_take_one_body_and_say_nothing_of_the_other(service: Service) -> None:
    made = requested(service, external_user_id="user-1")
    far = "2040-01-01T00:00:00Z"
    for act, wrong in (("approve", {"until": far, "restrict": True}), ("refuse", {"early": True, "with_vendor": True})):
        answer = send(service, f"/v1/erasures/{made}/{act}", reason="x", **wrong)
        assert (answer.status, all(name in answer.json["detail"] for name in wrong)) == (400, True), answer.body
    whole = {"reason": "x", "basis": None, "until": far, "restrict": False, "early": None, "with_vendor": False}
    refused = send(service, f"/v1/erasures/{made}/refuse", **whole)
    assert (refused.status, refused.json["basis"], refused.json["until"]) == (202, None, far)
    other = requested(service, external_user_id="user-2")
    whole |= {"until": None, "restrict": None, "early": False}
    assert send(service, f"/v1/erasures/{other}/approve", **whole).status == 202


def test_readmitting_needs_no_reason(service: Service) -> None:
    who = approved_then_sanctioned(service)
    for body in (b"", b"{}"):
        path = f"/v1/erasures/{erased(service, vendor='idngo', reference=who)}/readmit"
        assert send(service, path, reason=" ").status == 400
        assert service.request("POST", path, body, token=OFFICER).status == 200
        service.told("idngo", payloads.idngo(who, answer="GREEN", at=clock.now() + timedelta(seconds=10)))
    acts = service.get("/v1/audit", token=OPERATOR, limit=100).json["data"]
    assert {act["reason"] for act in acts if act["action"] == "readmit"} == {None}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"vendor": "idngo"},
        {"external_user_id": "user-1", "vendor": "idngo", "reference": "r"},
        {"external_user_id": " "},
        {"external_user_id": "user-1", "received_at": "9999-01-01T00:00:00Z"},
        {"external_user_id": "user-1", "environment": "elsewhere"},
    ],
)
def test_a_request_that_names_nobody_is_refused(running: Service, body: dict[str, str]) -> None:
    assert send(running, "/v1/erasures", token=OPERATOR, **{"reason": "asked by mail", **body}).status == 400


def test_operators_may_request_and_hold_and_nothing_else(service: Service) -> None:
    subject = {"external_user_id": "user-1", "environment": "sandbox"}
    made = send(service, "/v1/erasures", token=OPERATOR, reason="asked by mail", **subject).json
    assert (made["environment"], made["external_user_id"]) == ("sandbox", "user-1")
    held = send(service, "/v1/holds", token=OPERATOR, reason="a lawsuit", review_at="2030-01-01T00:00:00Z", **subject)
    assert (held.status, held.json["placed_by"], held.json["environment"]) == (201, "night", "sandbox")
    tried = [
        send(service, f"/v1/erasures/{made['id']}/approve", token=OPERATOR, reason="x"),
        send(service, f"/v1/erasures/{made['id']}/refuse", token=OPERATOR, reason="x", basis="x"),
        send(service, f"/v1/holds/{held.json['id']}/lift", token=OPERATOR, reason="x"),
        send(service, "/v1/users/user-1/relationship", token=OPERATOR, method="PUT", ended_at=None, basis="x"),
        send(service, "/v1/users/user-1/access-exports", token=OPERATOR, reason="x"),
        send(service, "/v1/retention/runs", token=OPERATOR, reason="x", max=1),
        *(service.get(path, token=OPERATOR) for path in ("/v1/erasures", f"/v1/erasures/{made['id']}", "/v1/holds", "/v1/retention")),
        send(service, "/v1/erasures", token=LINKER, reason="x", **subject),
        send(service, "/v1/erasures", token="read-me-if-you-may", reason="x", **subject),
    ]
    assert [answer.status for answer in tried] == [403] * len(tried)
    assert service.get("/v1/applicants", token=OFFICER).status == 200
    assert service.get("/v1/audit", token=OFFICER).status == 403


def test_the_second_person_is_another_one(service: Service) -> None:
    made = requested(service, token=OFFICER, external_user_id="user-1")
    same = send(service, f"/v1/erasures/{made}/approve", reason="I say so")
    assert (same.status, same.json["type"]) == (403, "about:blank")
    assert send(service, f"/v1/erasures/{made}/refuse", token=OFFICER, reason="x", basis="x").status == 403
    assert send(service, f"/v1/erasures/{made}/approve", token=DEPUTY, reason="nothing keeps it").status == 202
    nowhere = "01a1fbd7-3d85-709d-910b-a2b8e8a84b6e"
    assert send(service, f"/v1/erasures/{nowhere}/approve", reason="x").status == 404
    assert send(service, "/v1/erasures/nowhere/approve", reason="x").status == 404


def test_a_restricted_applicant_is_for_privacy_officers_alone(service: Service) -> None:
    who, other = approved_then_sanctioned(service, externalUserId="user-1"), payloads.new_applicant()
    doubtful = payloads.new_scan()
    service.told("idngo", payloads.idngo(other, answer="GREEN", externalUserId="user-1"))
    service.told("idenfy", payloads.idenfy(doubtful, "SUSPECTED", clientId="user-1"))
    for subject in ({"vendor": "idngo", "reference": who}, {"vendor": "idenfy", "reference": doubtful}):
        restricted(service, **subject)
    path = f"/v1/applicants/idngo/{who}"
    for asked in (path, f"{path}/history", f"{path}/explanation"):
        hidden, shown = service.get(asked, token=OPERATOR), service.get(asked, token=OFFICER)
        assert (hidden.status, hidden.json["type"], shown.status) == (403, "restricted", 200), asked
    seen = service.get(path, token=OFFICER).json
    assert (seen["restricted"], seen["held"], seen["keep_until"]) == (True, False, None)
    mine = service.get(f"/v1/applicants/idngo/{other}").json
    assert (mine["restricted"], "held" in mine, mine["keep_until"]) == (False, False, None)
    for token in (OPERATOR, OFFICER):
        assert [one["reference"] for one in service.get("/v1/applicants", token=token).json["data"]] == [other]
    user = service.get("/v1/users/user-1").json
    assert ([one["reference"] for one in user["data"]], user["approving_vendors"], user["blocking_vendors"]) == ([other], ["idngo"], [])
    assert service.get("/v1/review").json["data"] == service.get("/v1/reversals/current").json["data"] == []
    exported = service.standing("export", "applicants")
    assert (other in exported.stdout, who in exported.stdout, doubtful in exported.stdout) == (True, False, False)
    assert send(service, f"{path}/decisions", token=OPERATOR, decision="approve", reason="seen").status == 403


def test_commands_show_nothing_of_the_erased_and_the_restricted(service: Service) -> None:
    who, other = payloads.new_applicant(), payloads.new_applicant()
    for one in (who, other):
        service.told("idngo", payloads.idngo(one, answer="GREEN"))
    made = erased(service, vendor="idngo", reference=who)
    restricted(service, vendor="idngo", reference=other)
    for command in ("show", "explain"):
        gone, hidden = (service.standing("applicants", command, "idngo", one) for one in (who, other))
        assert (gone.returncode, made in gone.stderr, hidden.returncode, "is restricted" in hidden.stderr) == (1, True, 1, True)
        service.environment["STANDING_TOKEN"] = OFFICER
        assert service.standing("applicants", command, "idngo", other).returncode == 0
        del service.environment["STANDING_TOKEN"]


def test_the_feed_tells_a_restricted_applicants_changes_without_the_applicant(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    restricted(service, vendor="idngo", reference=who)
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
    fell = eventually(lambda: [one for one in entries(service) if one["reversal"] == "adverse"], "the fall to be told")[0]
    assert (fell["reference"], fell["to"], fell["applicant"]) == (who, "rejected", None)
    assert {one["applicant"] for one in entries(service)} == {None}
    [listed] = service.get("/v1/reversals").json["data"]
    assert listed == fell


def test_without_an_index_key_nothing_can_be_requested_and_the_answer_says_what_to_set(kept: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": kept, "REDIS_URL": "unix:///nonexistent.sock", "ENCRYPTION_KEYS": KEY, "INDEX_KEY": ""}
    with Service(tmp_path, settings, worker=False) as service:
        asked = send(service, "/v1/erasures", token=OPERATOR, reason="asked by mail", vendor="idngo", reference="r")
        assert (asked.status, "INDEX_KEY is missing" in asked.json["detail"]) == (409, True)
