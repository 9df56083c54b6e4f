"""Why, and since when: explanations, what was known at any moment, and whose case it is."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service


def explained(running: Service, vendor: str, reference: str) -> dict[str, Any]:
    answer = running.get(f"/v1/applicants/{vendor}/{reference}/explanation")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def link(running: Service, case: str, user: str, *, token: str = "link-me-if-you-may") -> None:
    body = json.dumps({"external_user_id": user}).encode()
    assert running.request("PUT", f"/v1/links/ifcgate/{case}", body, token=token).status == 200


def test_a_reversal_is_explained_down_to_the_event_that_made_it(running: Service) -> None:
    who = payloads.new_applicant()
    red = running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["BLACKLIST"], at=after(days=7)))
    green = running.told("idngo", payloads.idngo(who, answer="GREEN"))
    ignored = running.told("idngo", payloads.idngo(who, "applicantTagsChanged", at=after(days=8)))
    found = explained(running, "idngo", who)
    assert [(one["event_id"], one["outcome"], one["meant"]) for one in found["data"]] == [
        (green["id"], "superseded", "verdict: approved"),
        (red["id"], "applied", "verdict: rejected"),
        (ignored["id"], "ignored", "nothing"),
    ]
    assert found["data"][0]["superseded_by"] == red["id"]
    assert found["data"][1]["said"] == "applicantReviewed completed, RED:FINAL (BLACKLIST)"
    assert (found["grounds"][0]["status"], found["grounds"][0]["event_id"], found["grounds"][0]["decides"]) == ("rejected", red["id"], True)


def test_what_lies_over_a_verdict_is_named_before_it(running: Service) -> None:
    scan = payloads.new_scan()
    approval = running.told("idenfy", payloads.idenfy(scan))
    alert = running.told("idenfy", payloads.idenfy_monitoring([scan]), event_type="AML_MONITORING")
    grounds = explained(running, "idenfy", scan)["grounds"]
    assert [(one["name"], one["status"], one["event_id"], one["decides"]) for one in grounds] == [
        ("a monitoring alert", "needs_review", alert["id"], True),
        ("the final verdict", "approved", approval["id"], False),
    ]


def test_the_rule_that_made_an_approval_none_is_said(running: Service) -> None:
    scan, case = payloads.new_scan(), payloads.new_case()
    running.told("idenfy", payloads.idenfy(scan, tags=["AML_FAILED"]))
    running.told("ifcgate", payloads.ifcgate(case) | {"processed_at": None})
    assert "a screening failed (AML_FAILED)" in explained(running, "idenfy", scan)["data"][0]["why"]
    assert "its time is unknown" in explained(running, "ifcgate", case)["data"][0]["why"]


def test_a_repeat_is_said_to_be_one(running: Service) -> None:
    scan = payloads.new_scan()
    approved, denied = payloads.idenfy(scan), payloads.idenfy(scan, "DENIED")
    for body in (approved, denied, approved):
        running.told("idenfy", body)
    last = explained(running, "idenfy", scan)["data"][-1]
    assert last["repeat"] is True
    assert "the body repeats an earlier one" in last["why"]


def test_the_terminal_answers_why_a_customer_is_blocked(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(days=7)))
    said = running.standing("applicants", "explain", "idngo", who)
    assert said.returncode == 0
    for words in ("rejected", "because of", "SANCTIONS", "approved → rejected", "adverse", "received"):
        assert words in said.stdout
    as_json = json.loads(running.standing("applicants", "explain", "idngo", who, "--json").stdout)
    assert as_json | {"next_cursor": None, "has_more": False} == explained(running, "idngo", who)
    assert running.standing("applicants", "explain", "idngo", "nobody").returncode == 1


def test_why_is_answered_by_your_own_id_across_vendors(running: Service) -> None:
    who, scan, user = payloads.new_applicant(), payloads.new_scan(), f"user-{payloads.new_applicant()}"
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["FORGERY"], externalUserId=user))
    running.told("idenfy", payloads.idenfy(scan, clientId=user))
    found = [json.loads(line) for line in running.standing("applicants", "explain", "--user", user, "--json").stdout.splitlines()]
    whole = {"next_cursor": None, "has_more": False}
    assert [one | whole for one in found] == [explained(running, "idenfy", scan), explained(running, "idngo", who)]
    said = running.standing("applicants", "explain", "--user", user).stdout
    assert (who in said, scan in said, "FORGERY" in said) == (True, True, True)
    assert running.standing("applicants", "explain", "--user", "nobody-by-this-id").returncode == 1
    assert running.standing("applicants", "explain", "idngo", who, "--user", user).returncode == 2
    assert running.standing("applicants", "explain").returncode == 2


def test_a_date_alone_means_what_was_known_at_the_end_of_that_day(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    # The day of the change, which midnight may have ended since.
    today = datetime.fromisoformat(running.history("idngo", who)[0]["at"])
    for command in ("show", "explain"):
        shown = running.standing("applicants", command, "idngo", who, "--at", f"{today:%Y-%m-%d}")
        assert (shown.returncode, "approved" in shown.stdout) == (0, True), shown.stderr
        assert f"{today:%Y-%m-%d}T23:59:59.999Z" in shown.stdout
        before = running.standing("applicants", command, "idngo", who, "--at", f"{today - timedelta(days=1):%Y-%m-%d}")
        assert (before.returncode, "no such applicant is known" in before.stderr) == (1, True)
    assert running.standing("applicants", "show", "idngo", who, "--at", "2026-02-30").returncode == 2
    assert running.standing("reversals", "--since", f"{today:%Y-%m-%d}").returncode == 0


def test_an_explanation_of_the_past_holds_what_had_been_received_by_then(running: Service) -> None:
    who = payloads.new_applicant()
    green = running.told("idngo", payloads.idngo(who, answer="GREEN"))
    between = now()
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(days=7)))
    past = running.get(f"/v1/applicants/idngo/{who}/explanation", at=between).json
    assert (past["applicant"]["status"], [one["event_id"] for one in past["data"]], past["grounds"]) == ("approved", [green["id"]], [])
    first = running.history("idngo", who)[0]
    assert [(change["number"], change["to"]) for event in past["data"] for change in event["changes"]] == [(first["number"], "approved")]
    shown = json.loads(running.standing("applicants", "explain", "idngo", who, "--at", between, "--json").stdout)
    assert shown | {"next_cursor": None, "has_more": False} == past


def test_the_vendors_own_words_are_shown_of_any_event_with_a_reason(running: Service) -> None:
    who = payloads.new_applicant()
    review = {"reviewAnswer": "RED", "reviewRejectType": "FINAL", "clientComment": "seen before as Maria", "rejectLabels": ["FORGERY"]}
    event_id = running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", reviewResult=review))["id"]
    assert f"standing events show {event_id} --body --reveal --reason WHY" in running.standing("applicants", "explain", "idngo", who).stdout
    masked = running.standing("events", "show", event_id, "--body").stdout
    assert ("FORGERY" in masked, "Maria" in masked) == (True, False)
    for wrong in (["--body", "--reveal"], ["--reveal", "--reason", "x"], ["--body", "--reveal", "--reason", " "]):
        assert running.standing("events", "show", event_id, *wrong).returncode == 2, wrong
    revealed = running.standing("events", "show", event_id, "--body", "--reveal", "--reason", "complaint 9")
    assert '"clientComment": "seen before as Maria"' in revealed.stdout
    assert "clientComment" not in running.standing("events", "show", event_id).stdout
    acts = running.get("/v1/audit", token="operate-me-if-you-may", limit=500).json["data"]
    mine = [(act["action"], act["reason"]) for act in acts if act["subject"] == f"event {event_id}"]
    assert mine == [("read a body, masked", None), ("revealed a body", "complaint 9")]


def test_a_vendor_that_gives_no_reason_is_said_to_give_none(running: Service) -> None:
    case, who = payloads.new_case(), payloads.new_applicant()
    running.told("ifcgate", payloads.ifcgate(case, "rejected"))
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL"))
    assert "ifcgate gives no reason" in running.standing("applicants", "explain", "ifcgate", case).stdout
    assert "this vendor gives no reason" in running.standing("applicants", "show", "ifcgate", case).stdout
    assert "gives no reason" not in running.standing("applicants", "explain", "idngo", who).stdout
    told = [explained(running, vendor, one)["vendor_gives_reasons"] for vendor, one in (("ifcgate", case), ("idngo", who))]
    assert told == [False, True]


def test_what_was_known_at_any_moment_is_shown_as_it_then_was(running: Service) -> None:
    who = payloads.new_applicant()
    before = now()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    first, between = running.applicant("idngo", who), now()
    # Not a change, but it moves: the same said again, later on the vendor's clock.
    running.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=9)))
    second, later = running.applicant("idngo", who), now()
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(days=7)))
    assert running.get(f"/v1/applicants/idngo/{who}", at=before).status == 404
    assert running.applicant("idngo", who, at=between) == first
    assert running.applicant("idngo", who, at=later) == second
    assert (first["version"], first["as_of"] != second["as_of"]) == (second["version"], True)
    assert running.applicant("idngo", who, at=now()) == running.applicant("idngo", who)
    shown = json.loads(running.standing("applicants", "show", "idngo", who, "--at", between, "--json").stdout)
    assert {name: shown[name] for name in first} == first


def test_a_history_row_tells_the_event_both_times_what_moved_and_the_code(running: Service) -> None:
    who = payloads.new_applicant()
    event = running.told("idngo", payloads.idngo(who, answer="GREEN"))
    (row,) = running.history("idngo", who)
    assert (row["event_id"], row["as_of"], row["code_version"]) == (event["id"], "2026-05-04T09:30:00.250Z", "0.1.0")
    assert row["at"] > row["as_of"]
    assert "status" in row["changed"]


def test_a_link_is_told_whether_it_comes_before_its_events_after_them_or_is_corrected(running: Service) -> None:
    early, late = payloads.new_case(), payloads.new_case()
    page = running.get("/v1/changes", limit=500).json
    while page["has_more"]:
        page = running.get("/v1/changes", limit=500, after=page["next_cursor"]).json
    end = page["data"][-1]["cursor"] if page["data"] else None
    link(running, early, "app-1")
    running.told("ifcgate", payloads.ifcgate(early))
    running.told("ifcgate", payloads.ifcgate(late))
    link(running, late, "app-2")
    link(running, late, "app-2")
    link(running, late, "app-3", token="operate-me-if-you-may")
    time.sleep(0.1)
    data = running.get("/v1/changes", limit=100, **({"after": end} if end else {})).json["data"]
    told = [(one["reference"], one["applicant"]["external_user_id"], one["event_id"] is None, one["changed"]) for one in data]
    assert (early, "app-1", False) in [one[:3] for one in told]
    assert [one for one in told if one[0] == late][1:] == [
        (late, "app-2", True, ["external_user_id"]),
        (late, "app-3", True, ["external_user_id"]),
    ]
    assert running.get("/v1/users/app-3").json["approving_vendors"] == ["ifcgate"]
    assert running.get("/v1/users/app-2").status == 404
