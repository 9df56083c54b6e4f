"""Access exports: what a person may be told, and that nothing in it tips off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, send
from tests.support.service import Service

OPERATOR = "operate-me-if-you-may"


def approved(service: Service, user: str) -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, "applicantPending", status="pending", externalUserId=user))
    service.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=1), externalUserId=user))
    return who


def exported(service: Service, user: str, **more: str) -> dict[str, Any]:
    answer = send(service, f"/v1/users/{user}/access-exports", reason="asked by mail", **more)
    assert answer.status == 200, answer.body
    assert (answer.headers["cache-control"], "attachment" in answer.headers["content-disposition"]) == ("no-store", True)
    found: dict[str, Any] = answer.json
    return found


def alike(found: dict[str, Any], user: str, who: str) -> Any:
    """An export without the names and times that differ from person to person."""
    text = json.dumps(found).replace(user, "USER").replace(who, "WHO")
    told = json.loads(text)
    for one in told["applicants"]:
        for move in one["history"]:
            del move["at"]
    return told | {"made_at": ""}


def test_who_has_a_hit_is_told_what_anybody_is_told(service: Service) -> None:
    plain, alerted, cleared, held = (approved(service, f"user-{number}") for number in range(4))
    sanctioned = {"answer": "RED", "reject": "FINAL", "labels": ["SANCTIONS"]}
    service.told("idngo", payloads.idngo(alerted, at=after(minutes=2), externalUserId="user-1", **sanctioned))
    service.told("idngo", payloads.idngo(cleared, at=after(minutes=2), externalUserId="user-2", **sanctioned))
    service.told("idngo", payloads.idngo(cleared, at=after(minutes=3), answer="GREEN", externalUserId="user-2"))
    place = {"reason": "a lawsuit", "review_at": "2030-01-01T00:00:00Z"}
    assert send(service, "/v1/holds", external_user_id="user-3", **place).status == 201
    like_anybody = alike(exported(service, "user-0"), "user-0", plain)
    assert [move["status"] for move in like_anybody["applicants"][0]["history"]] == ["in_review", "approved"]
    for number, who in enumerate((alerted, cleared, held), start=1):
        assert alike(exported(service, f"user-{number}"), f"user-{number}", who) == like_anybody, number


def test_an_approval_that_fell_without_a_hit_is_not_told_either(service: Service) -> None:
    who = approved(service, "user-1")
    before = exported(service, "user-1")
    rejected = {"answer": "RED", "reject": "FINAL", "externalUserId": "user-1"}
    service.told("idngo", payloads.idngo(who, labels=["FORGERY"], at=after(minutes=2), **rejected))
    service.told("idngo", payloads.idngo(who, labels=["FRAUD"], at=after(minutes=3), **rejected))
    assert exported(service, "user-1")["applicants"] == before["applicants"]


def test_nothing_is_withheld_where_that_is_said_and_it_is_recorded(service: Service) -> None:
    who = approved(service, "user-1")
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["PEP"], at=after(minutes=2), externalUserId="user-1"))
    found = exported(service, "user-1", withhold="none")
    [told] = found["applicants"]
    assert (told["hits"], told["held"], [move["to"] for move in told["history"]]) == (["pep"], False, ["in_review", "approved", "rejected"])
    assert [json.loads(event["body"])["applicantId"] for event in told["events"]] == [who] * 3
    assert found["holds"] == []
    acts = service.get("/v1/audit", token=OPERATOR, external_user_id="user-1").json["data"]
    [act] = [one for one in acts if one["action"] == "access export in full"]
    assert (act["actor"], act["subject"], act["reason"], act["touched"]) == ("officer", "user user-1", "asked by mail", 1)


def test_a_body_that_names_others_is_in_nobodys_export(service: Service) -> None:
    scan, other = payloads.new_scan(), payloads.new_scan()
    service.told("idenfy", payloads.idenfy(scan, "APPROVED", clientId="user-1"))
    service.told("idenfy", payloads.idenfy(other, "APPROVED", clientId="user-2"))
    service.told("idenfy", payloads.idenfy_monitoring([scan, other], "ALERT", monitoring="m-1"), event_type="AML_MONITORING")
    found = exported(service, "user-1", withhold="none")
    assert [event["body"] is None for event in found["applicants"][0]["events"]] == [False, True]
    assert other not in json.dumps(found)


def test_nobody_is_found_where_nothing_is_kept(running: Service) -> None:
    assert send(running, "/v1/users/nobody-at-all/access-exports", reason="x").status == 404
    assert send(running, "/v1/users/nobody-at-all/access-exports", reason="x", withhold="hits").status == 400
    assert send(running, "/v1/users/nobody-at-all/access-exports").status == 400


def test_the_command_writes_the_same_into_a_file_of_ones_own(service: Service, tmp_path: Path) -> None:
    approved(service, "user-1")
    told, out = exported(service, "user-1"), tmp_path / "export.json"
    done = service.standing("access-export", "user-1", "-o", str(out), "--reason", "asked by mail")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(out.read_text()) | {"made_at": ""} == told | {"made_at": ""}
    assert out.stat().st_mode & 0o777 == 0o600
    none = service.standing("access-export", "nobody", "--reason", "asked by mail")
    assert (none.returncode, "nothing is kept about this person" in none.stderr) == (1, True)
    assert service.get("/v1/applicants", token=OFFICER).json["data"][0]["external_user_id"] == "user-1"
