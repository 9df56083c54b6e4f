"""A person decides, by command and over HTTP, and a second operator confirms what is delicate."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR, OTHER_OPERATOR, READER
from tests.support import payloads, signing
from tests.support.payloads import after
from tests.support.service import PROGRAMS, Answer, Service, eventually


def refused(service: Service, *labels: str) -> str:
    """An applicant of IDnGO that was refused."""
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=list(labels or ("FORGERY",))))
    return who


def decide(service: Service, who: str, decision: str, *, token: str = OPERATOR, reason: str = "ticket 7") -> Answer:
    body = json.dumps({"decision": decision, "reason": reason}).encode()
    return service.request("POST", f"/v1/applicants/idngo/{who}/decisions", body, token=token)


def confirm(service: Service, event_id: str, *, token: str = OPERATOR) -> Answer:
    return answer(service, event_id, "confirm", token=token)


def answer(service: Service, event_id: str, what: str, *, token: str = OTHER_OPERATOR, reason: str = "seen by me, too") -> Answer:
    """What somebody says to a decision: `confirm` or `withdraw`."""
    return service.request("POST", f"/v1/decisions/{event_id}/{what}", json.dumps({"reason": reason}).encode(), token=token)


def waiting(service: Service, who: str) -> list[str]:
    """The decisions about an applicant that wait for a second operator."""
    rows = service.get("/v1/decisions", waiting="true", limit="500").json["data"]
    return [row["event_id"] for row in rows if row["reference"] == who]


def come_to(service: Service, who: str, state: str) -> dict[str, Any]:
    """The applicant, once its decision stands so."""

    def look() -> dict[str, Any] | None:
        found = service.applicant("idngo", who)
        return found if (found["decision"] or {}).get("state") == state else None

    return eventually(look, f"the decision to be {state}")


def test_what_is_decided_stands_and_shows_in_the_history_the_explanation_and_the_feed(running: Service) -> None:
    who = refused(running)
    made = decide(running, who, "approve")
    assert (made.status, made.json["against"], made.json["waits_for_confirmation"]) == (202, [], False)
    found = come_to(running, who, "stands")
    assert (found["status"], found["vendor_status"], found["decision"]["by"]) == ("approved", "RED:FINAL", "night")
    change = running.history("idngo", who)[-1]
    assert (change["to"], change["reversal"], change["event_id"]) == ("approved", "reinstated", made.json["event_id"])
    assert "decision" in change["changed"]
    explained = running.get(f"/v1/applicants/idngo/{who}/explanation").json
    assert explained["grounds"][0]["name"] == "a person's decision"
    event = running.get(f"/v1/events/{made.json['event_id']}").json
    assert (event["event_type"], event["status"], event["reason"]) == (
        "standing.decision", "applied", "night decided: approve (ticket 7): approved",
    )  # fmt: skip
    acts = running.get("/v1/audit", token=OPERATOR, actor="night", action="approve").json["data"]
    assert [act["reason"] for act in acts if act["subject"] == f"idngo live {who}"] == ["ticket 7"]
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=datetime.now(UTC)))
    found = running.applicant("idngo", who)
    assert (found["status"], found["decision"]["state"]) == ("rejected", "outvoted")
    assert running.history("idngo", who)[-1]["reversal"] == "adverse"


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A file with an operator's token."""
    (tmp_path / "token").write_text(OPERATOR + "\n")
    return str(tmp_path / "token")


def test_to_approve_against_a_hit_takes_two_operators(running: Service, mine: str) -> None:
    who = refused(running, "SANCTIONS")
    said = running.standing("decide", "idngo", who, "approve", "--reason", "another person of this name", "--token-file", mine, "--yes")
    assert said.returncode == 0, said.stderr
    assert "rejected until a second operator confirms it" in said.stdout
    waiting = come_to(running, who, "waits_for_confirmation")
    event_id = waiting["decision"]["event_id"]
    assert waiting["status"] == "rejected"
    assert f"standing decisions confirm {event_id}" in said.stderr
    listed = [json.loads(line) for line in running.standing("decisions", "list", "--limit", "500", "--json").stdout.splitlines()]
    assert [one["hits"] for one in listed if one["reference"] == who] == [["sanctions"]]
    listed = [one for one in running.get("/v1/review", limit="500").json["data"] if one["reference"] == who]
    assert "waits for a second operator" in listed[0]["why"]
    again = running.standing("decisions", "confirm", event_id, "--token-file", mine, "--reason", "x", "--yes")
    assert (again.returncode, "second operator" in again.stderr) == (1, True)
    without = running.standing("decisions", "confirm", event_id, "--reason", "x", "--yes")
    assert (without.returncode, "through a token" in without.stderr) == (1, True)
    assert confirm(running, event_id, token=OTHER_OPERATOR).status == 202
    found = come_to(running, who, "stands")
    assert (found["status"], found["hits"], found["decision"]["confirmed_by"]) == ("approved", ["sanctions"], "day")
    assert confirm(running, event_id, token=OTHER_OPERATOR).status == 409
    acts = running.get("/v1/audit", token=OPERATOR, action="approve").json["data"]
    assert [act["os_user"] for act in acts if act["subject"] == f"idngo live {who}"] == [pwd.getpwuid(os.getuid()).pw_name]
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(days=-1)))
    assert running.applicant("idngo", who)["status"] == "approved"
    assert running.standing("rebuild").returncode == 0


def test_who_decides_without_a_token_is_no_person_and_cannot_be_confirmed(running: Service) -> None:
    who = refused(running, "SANCTIONS")
    said = running.standing("decide", "idngo", who, "approve", "--reason", "another person of this name", "--yes")
    assert (said.returncode, "cannot be confirmed" in said.stderr) == (0, True)
    event_id = come_to(running, who, "waits_for_confirmation")["decision"]["event_id"]
    for token in (OPERATOR, OTHER_OPERATOR):
        refusal = confirm(running, event_id, token=token)
        assert (refusal.status, "without a token" in refusal.json["detail"]) == (409, True)
    assert running.applicant("idngo", who)["status"] == "rejected"


def test_a_name_is_one_person_whatever_its_case_and_may_have_two_tokens(kept: str, redis_url: str, tmp_path: Path) -> None:
    tokens = "night=operate-me-if-you-may,Night=operate-me-once-again,day=confirm-me-if-you-may"
    with Service(tmp_path, {"DATABASE_URL": kept, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "OPERATOR_TOKENS": tokens}) as service:
        who = refused(service, "PEP")
        event_id = decide(service, who, "approve").json["event_id"]
        come_to(service, who, "waits_for_confirmation")
        assert "second operator" in confirm(service, event_id, token="operate-me-once-again").json["detail"]
        assert confirm(service, event_id, token=OTHER_OPERATOR).status == 202


def test_every_decision_can_be_made_to_take_two_operators(kept: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": kept, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "TWO_PERSONS": "all"}
    with Service(tmp_path, settings) as service:
        who = payloads.new_applicant()
        service.told("idngo", payloads.idngo(who, answer="GREEN"))
        made = decide(service, who, "reject").json
        assert made["waits_for_confirmation"]
        assert come_to(service, who, "waits_for_confirmation")["status"] == "approved"
        assert confirm(service, made["event_id"], token=OTHER_OPERATOR).status == 202
        assert come_to(service, who, "stands")["status"] == "rejected"


def test_where_every_decision_takes_two_a_proposal_leaves_what_was_decided_in_force(kept: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": kept, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "TWO_PERSONS": "all"}
    with Service(tmp_path, settings) as service:
        who = payloads.new_applicant()
        service.told("idngo", payloads.idngo(who, answer="GREEN"))
        refusal = decide(service, who, "reject").json["event_id"]
        come_to(service, who, "waits_for_confirmation")
        confirm(service, refusal, token=OTHER_OPERATOR)
        come_to(service, who, "stands")
        proposed = decide(service, who, "approve").json["event_id"]
        found = come_to(service, who, "waits_for_confirmation")
        assert (found["status"], found["decision"]["event_id"]) == ("rejected", proposed)
        assert answer(service, proposed, "withdraw").status == 202
        assert come_to(service, who, "withdrawn")["status"] == "rejected"
        assert confirm(service, proposed, token=OTHER_OPERATOR).status == 409
        assert service.standing("rebuild").returncode == 0


def test_a_decision_that_waits_is_withdrawn_with_a_reason_by_any_operator(running: Service, mine: str) -> None:
    who = refused(running, "SANCTIONS")
    event_id = decide(running, who, "approve", token=OTHER_OPERATOR).json["event_id"]
    come_to(running, who, "waits_for_confirmation")
    assert answer(running, event_id, "withdraw", token=READER).status == 403
    assert answer(running, event_id, "withdraw", reason=" ").status == 400
    unasked = running.standing("decisions", "withdraw", event_id, "--reason", "mistaken", "--token-file", mine)
    assert (unasked.returncode, "day decided: approve (ticket 7)" in unasked.stderr) == (1, True)
    assert running.applicant("idngo", who)["decision"]["state"] == "waits_for_confirmation"
    said = running.standing("decisions", "withdraw", event_id, "--reason", "the wrong person", "--token-file", mine, "--yes")
    assert (said.returncode, "withdrawn by night (the wrong person)" in said.stdout) == (0, True), said.stderr
    found = come_to(running, who, "withdrawn")
    decision = {name: found["decision"][name] for name in ("by", "withdrawn_by", "withdrawal", "confirmed_by")}
    assert decision == {"by": "day", "withdrawn_by": "night", "withdrawal": "the wrong person", "confirmed_by": None}
    assert (found["status"], found["ever_approved"]) == ("rejected", False)
    assert [one for one in running.get("/v1/review", limit="500").json["data"] if one["reference"] == who] == []
    assert answer(running, event_id, "withdraw").status == 409
    assert answer(running, "nothing", "withdraw").status == 404
    act = running.get("/v1/audit", token=OPERATOR, action="withdraw approve", limit="500").json["data"][-1]
    assert (act["actor"], act["subject"], act["reason"]) == ("night", f"idngo live {who}", "the wrong person")


def test_the_second_operators_own_reason_is_kept_beside_the_first(running: Service, mine: str) -> None:
    who = refused(running, "PEP")
    event_id = decide(running, who, "approve", token=OTHER_OPERATOR).json["event_id"]
    come_to(running, who, "waits_for_confirmation")
    assert running.request("POST", f"/v1/decisions/{event_id}/confirm", token=OPERATOR).status == 400
    blank = running.standing("decisions", "confirm", event_id, "--reason", "  ", "--token-file", mine, "--yes")
    assert (blank.returncode, "not only spaces" in blank.stderr) == (2, True)
    said = running.standing("decisions", "confirm", event_id, "--reason", "passport seen", "--token-file", mine, "--yes")
    assert said.returncode == 0, said.stderr
    decision = come_to(running, who, "stands")["decision"]
    assert (decision["reason"], decision["confirmed_by"], decision["confirmation"]) == ("ticket 7", "night", "passport seen")
    act = running.get("/v1/audit", token=OPERATOR, action="confirm approve", limit="500").json["data"][-1]
    assert (act["subject"], act["reason"]) == (f"idngo live {who}", "passport seen")
    for command in ("show", "explain"):
        shown = " ".join(running.standing("applicants", command, "idngo", who).stdout.split())
        assert "approved by day" in shown, command
        assert "(ticket 7), confirmed by night (passport seen): stands" in shown, command


def test_every_decision_confirmation_and_withdrawal_is_listed_with_its_state(running: Service) -> None:
    who = refused(running, "PEP")
    first = decide(running, who, "approve").json["event_id"]
    come_to(running, who, "waits_for_confirmation")
    answer(running, first, "withdraw", token=OPERATOR)
    come_to(running, who, "withdrawn")
    second = decide(running, who, "approve").json["event_id"]
    come_to(running, who, "waits_for_confirmation")
    assert waiting(running, who) == [second]
    confirm(running, second, token=OTHER_OPERATOR)
    come_to(running, who, "stands")
    assert waiting(running, who) == []
    told = [
        ("decide", "replaced"),
        ("withdraw", "replaced"),
        ("decide", "replaced"),
        ("confirm", "stands"),
    ]
    page, rows = running.get("/v1/decisions", limit="2").json, []
    while True:
        rows += page["data"]
        if not page["has_more"]:
            break
        page = running.get("/v1/decisions", limit="2", cursor=page["next_cursor"]).json
    mine = [row for row in rows if row["reference"] == who]
    assert [(row["act"], row["state"]) for row in mine] == told
    listed = running.standing("decisions", "list", "--all", "--json").stdout.splitlines()
    assert [row for row in map(json.loads, listed) if row["reference"] == who] == mine[::-1]
    as_csv = running.standing("decisions", "list", "--all", "--csv").stdout.splitlines()
    assert as_csv[0].startswith("at,act,vendor,reference,decision,against,by,reason,confirmed_by,confirmation")
    assert len([line for line in as_csv if who in line]) == 4


def test_nobody_confirms_what_they_decided_nor_what_waits_for_nobody(running: Service) -> None:
    who = refused(running, "PEP")
    event_id = decide(running, who, "approve").json["event_id"]
    come_to(running, who, "waits_for_confirmation")
    assert "second operator" in confirm(running, event_id).json["detail"]
    other = decide(running, who, "reject").json["event_id"]
    come_to(running, who, "stands")
    assert confirm(running, event_id).status == 409
    assert confirm(running, other).status == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"decision": "approve"}, 400),
        ({"decision": "approve", "reason": ""}, 400),
        ({"decision": "approve", "reason": "   "}, 400),
        ({"decision": "approve", "reason": "\u2003\u00a0"}, 400),
        ({"decision": "approve", "reason": "evil \u202e text"}, 400),
        ({"decision": "delete", "reason": "x"}, 400),
        ({"decision": "approve", "reason": "x\0"}, 400),
        ({"decision": "approve", "reason": "x", "by": "somebody else"}, 400),
        ({"decision": "approve", "reason": "x"}, 404),
    ],
    ids=str,
)
def test_what_cannot_be_decided_is_told(running: Service, body: dict[str, Any], status: int) -> None:
    answer = running.request("POST", "/v1/applicants/idngo/nobody/decisions", json.dumps(body).encode(), token=OPERATOR)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


def test_only_operators_decide(running: Service) -> None:
    who = refused(running)
    assert decide(running, who, "approve", token=READER).status == 403
    assert confirm(running, "01a1fbd7-3d85-709d-910b-a2b8e8a84b6e", token=READER).status == 403
    assert confirm(running, "nothing").status == 404
    event_id = running.get("/v1/events", reference=who).json["data"][0]["id"]
    assert confirm(running, event_id).status == 404
    assert running.standing("decide", "idngo", "nobody", "approve", "--reason", "x", "--yes").returncode == 1


def test_no_delivery_passes_for_a_statement_of_ours(running: Service) -> None:
    who = payloads.new_applicant()
    body = json.dumps(payloads.idngo(who, answer="RED", reject="FINAL")).encode()
    forged = {"Standing-Kind": "decision", "Standing-Order": "9", "standing_kind": "import"}
    assert running.request("POST", "/webhooks/idngo", body, headers=signing.idngo(body) | forged).status == 200
    assert eventually(lambda: running.get(f"/v1/applicants/idngo/{who}").status == 200, "it to be handled")
    assert running.applicant("idngo", who)["status"] == "rejected"


def test_tokens_that_no_service_would_start_with_make_no_persons_of_a_command_line(running: Service, tmp_path: Path) -> None:
    who = refused(running, "SANCTIONS")
    (tmp_path / "token").write_text("a-nameless-operators-token")
    nameless = running.environment | {"OPERATOR_TOKENS": "a-nameless-operators-token,another-nameless-operator"}
    said = subprocess.run(
        [PROGRAMS / "standing", "decide", "idngo", who, "approve", "--reason", "x", "--yes", "--token-file", str(tmp_path / "token")],
        env=nameless, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (said.returncode != 0, "OPERATOR_TOKENS" in said.stderr) == (True, True)
    assert running.applicant("idngo", who)["decision"] is None


@pytest.mark.parametrize("rate", ["1e-300", "nan", "inf", "-1", "1e400", "0", "x"])
def test_a_rate_of_a_replay_is_within_bounds(running: Service, rate: str) -> None:
    said = running.standing("replay", "--failed", "--reason", "x", "--yes", "--rate", rate)
    assert (said.returncode, "--rate" in said.stderr) == (2, True)
    body = json.dumps({"reason": "x", "outcome": "failed"})[:-1] + f', "per_second": {rate}}}'
    assert running.request("POST", "/v1/replays", body.encode(), token=OPERATOR).status == 400
