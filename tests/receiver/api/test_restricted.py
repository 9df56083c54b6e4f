"""Whoever is no privacy officer sees nothing that is about a restricted applicant alone, and the audit log records the attempts."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any, NamedTuple

import pytest
from sqlalchemy import create_engine, text, update

from store.database.tables import EventRow
from tests.support import payloads
from tests.support.outages.frozen import frozen
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, OPERATOR, erased, restricted, send
from tests.support.service import Answer, Service

READER, LINKER, CONFIRMING = "read-me-if-you-may", "link-me-if-you-may", "confirm-me-if-you-may"
ACCOUNT = pwd.getpwuid(os.getuid()).pw_name


class Case(NamedTuple):
    """A restricted applicant and one that is not, and an event that names both."""

    hidden: str
    other: str
    #: The events: about the restricted one, about the other, about both.
    about_hidden: str
    about_other: str
    shared: str
    #: A decision about the restricted one, which waits.
    decision: str


def case(service: Service) -> Case:
    hidden, other = payloads.new_scan(), payloads.new_scan()
    about_hidden, about_other = (service.told("idenfy", payloads.idenfy(one, clientId=f"user of {one}"))["id"] for one in (hidden, other))
    shared = service.told("idenfy", payloads.idenfy_monitoring([hidden, other]), event_type="AML_MONITORING")["id"]
    decision = send(service, f"/v1/applicants/idenfy/{hidden}/decisions", token=OPERATOR, decision="approve", reason="seen").json
    assert decision["waits_for_confirmation"], decision
    service.settled(decision["event_id"])
    restricted(service, vendor="idenfy", reference=hidden)
    return Case(hidden, other, about_hidden, about_other, shared, decision["event_id"])


def listed(service: Service, path: str, name: str, token: str, **query: object) -> list[str]:
    found = service.get(path, token=token, **query)
    assert found.status == 200, found.body
    return [one[name] for one in found.json["data"]]


def is_hidden(answer: Answer) -> bool:
    return (answer.status, answer.json["type"]) == (403, "restricted")


def recorded(service: Service, *options: str, token: str = OFFICER) -> list[dict[str, Any]]:
    """What the audit log shows at a terminal, oldest first."""
    service.environment["STANDING_TOKEN"] = token
    return [json.loads(line) for line in service.standing("audit", "list", *options, "--json").stdout.splitlines()][::-1]


def refusals(service: Service) -> list[tuple[str, str, str]]:
    """The failed attempts in the audit log: who, about whom or what, and why."""
    return [(act["actor"], act["subject"], act["reason"]) for act in recorded(service, "--action", "refused")]


def test_lists_leave_out_what_is_about_a_restricted_applicant_alone(service: Service) -> None:
    one = case(service)
    events, every = [one.about_other, one.shared], [one.about_hidden, one.about_other, one.shared, one.decision]
    by_hidden = {"vendor": "idenfy", "reference": one.hidden}
    for token in (READER, OPERATOR):
        assert listed(service, "/v1/events", "id", token) == events
        assert listed(service, "/v1/events", "id", token, **by_hidden) == listed(service, "/v1/decisions", "event_id", token) == []
        assert listed(service, "/v1/events", "id", token, reference=one.other) == events
        for path, query in (("applicants", {}), ("users/" + f"user%20of%20{one.other}", {}), ("review", {})):
            assert set(listed(service, f"/v1/{path}", "reference", token, **query)) <= {one.other}, path
        assert service.get(f"/v1/users/user%20of%20{one.hidden}", token=token).status == 404
    assert listed(service, "/v1/events", "id", OFFICER) == every
    assert listed(service, "/v1/events", "id", OFFICER, **by_hidden) == [one.about_hidden, one.shared, one.decision]
    assert listed(service, "/v1/decisions", "event_id", OFFICER) == [one.decision]


def test_a_page_of_decisions_is_full_even_when_restricted_applicants_are_left_out(service: Service) -> None:
    scans = [payloads.new_scan() for _ in range(4)]
    for scan in scans:
        service.told("idenfy", payloads.idenfy(scan))
        made = send(service, f"/v1/applicants/idenfy/{scan}/decisions", token=OPERATOR, decision="reject", reason="seen").json
        service.settled(made["event_id"])
    restricted(service, vendor="idenfy", reference=scans[1])
    page = service.get("/v1/decisions", limit=2).json
    assert ([entry["reference"] for entry in page["data"]], page["has_more"]) == ([scans[0], scans[2]], True)
    rest = service.get("/v1/decisions", limit=2, cursor=page["next_cursor"]).json
    assert ([entry["reference"] for entry in rest["data"]], rest["has_more"]) == ([scans[3]], False)


def test_a_single_read_of_what_is_restricted_is_refused_but_for_privacy_officers(service: Service) -> None:
    one = case(service)
    path = f"/v1/applicants/idenfy/{one.hidden}"
    for asked in (path, f"{path}/history", f"{path}/explanation", f"/v1/events/{one.about_hidden}", f"/v1/events/{one.decision}"):
        assert all(is_hidden(service.get(asked, token=token)) for token in (READER, OPERATOR)), asked
        assert service.get(asked, token=OFFICER).status == 200
    for event_id in (one.about_hidden, one.shared, one.decision):
        assert is_hidden(service.get(f"/v1/events/{event_id}/body", token=OPERATOR))
    assert [service.get(f"/v1/events/{one.shared}", token=token).json["reference"] for token in (READER, OPERATOR, OFFICER)] == [None] * 3
    assert service.get(f"/v1/events/{one.about_other}/body", token=OPERATOR).status == 200
    assert all(is_hidden(service.get(f"/v1/events/{one.about_hidden}/applicants", token=token)) for token in (READER, OPERATOR))
    named = {token: listed(service, f"/v1/events/{one.shared}/applicants", "reference", token) for token in (READER, OPERATOR, OFFICER)}
    assert named == {READER: [one.other], OPERATOR: [one.other], OFFICER: sorted((one.hidden, one.other))}
    for act in ("confirm", "withdraw"):
        assert is_hidden(send(service, f"/v1/decisions/{one.decision}/{act}", token=CONFIRMING, reason="seen"))
    assert is_hidden(send(service, f"{path}/decisions", token=OPERATOR, decision="reject", reason="seen"))


def test_an_unreadable_event_is_claimed_and_dismissed_without_a_word_about_whom_it_is(service: Service) -> None:
    one = case(service)
    engine = create_engine(service.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(update(EventRow).where(EventRow.id == one.about_hidden).values(status="unreadable"))
    engine.dispose()
    [waiting] = [entry for entry in service.get("/v1/review").json["data"] if entry["what"] == "event"]
    claimed = send(service, f"/v1/review/{one.about_hidden}/claim", token=OPERATOR, method="PUT").json
    dismissed = send(service, f"/v1/events/{one.about_hidden}/dismiss", token=OPERATOR, reason="seen").json
    assert [(entry["vendor"], entry["reference"]) for entry in (waiting, claimed, dismissed)] == [("idenfy", None)] * 3
    [group] = service.get("/v1/failed").json["data"] or [{}]
    assert one.hidden not in str(group)


def test_a_body_without_mentions_that_cannot_be_opened_is_reported_as_such(service: Service) -> None:
    one = case(service)
    event_id = service.told("idenfy", {"scanRef": ["no", "name"]})["id"]
    engine = create_engine(service.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(update(EventRow).where(EventRow.id == event_id).values(sealed_body=one.hidden.encode()))
    engine.dispose()
    answer = service.get(f"/v1/events/{event_id}/body", token=OPERATOR)
    assert (answer.status, "cannot be opened" in answer.json["detail"]) == (409, True)
    done = service.standing("failed", "show", event_id)
    assert (done.returncode, "Error: " in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_commands_refuse_what_is_restricted_and_lists_leave_it_out(service: Service) -> None:
    one = case(service)
    for command in (
        ["applicants", "show", "idenfy", one.hidden],
        ["applicants", "explain", "idenfy", one.hidden],
        ["events", "show", one.about_hidden],
        ["events", "show", one.shared, "--body"],
        ["failed", "show", one.about_hidden],
        ["decide", "idenfy", one.hidden, "reject", "--reason", "x", "--yes"],
        ["decisions", "confirm", one.decision, "--reason", "x", "--yes"],
    ):
        token = CONFIRMING if command[1] == "confirm" else ""
        service.environment["STANDING_TOKEN"] = token
        done = service.standing(*command)
        assert (done.returncode, "is restricted" in done.stderr, one.hidden in done.stdout + done.stderr) == (1, True, False), command
    for command in (["events", "list"], ["decisions", "list", "--all"], ["decisions", "list"], ["applicants", "list"], ["review"]):
        service.environment["STANDING_TOKEN"] = OPERATOR
        assert one.hidden not in service.standing(*command, "--json").stdout, command
    service.environment["STANDING_TOKEN"] = OFFICER
    for command in (["events", "list"], ["decisions", "list", "--all"], ["events", "show", one.about_hidden]):
        assert one.hidden in service.standing(*command, "--json").stdout, command
    acts = refusals(service)
    assert ("day", f"event {one.decision}", "restricted: standing decisions confirm") in acts
    assert (ACCOUNT, f"idenfy live {one.hidden}", "restricted: standing applicants show") in acts
    assert (ACCOUNT, f"event {one.shared}", "restricted: standing events show") in acts


def test_what_a_caller_is_refused_is_recorded_once_with_whom_it_concerned(service: Service) -> None:
    one = case(service)
    path, user = f"/v1/applicants/idenfy/{one.hidden}", f"user%20of%20{one.other}"
    for _ in range(2):
        service.get(path, token=READER)
        service.get(f"/v1/events/{one.shared}/body", token=OPERATOR)
        service.get(f"/v1/events/{one.shared}/body", token=READER)
        send(service, f"/v1/users/{user}/access-exports", token=OPERATOR, reason="curious")
        send(service, "/v1/holds", token=LINKER, external_user_id="user-1", reason="x", review_at="2099-01-01T00:00:00Z")
        service.get(path, token=None)
        service.get(path, token="no-token-of-anybody")
    assert refusals(service) == [
        ("reader", f"idenfy live {one.hidden}", "restricted: GET /v1/applicants/<vendor>/<reference>"),
        ("night", f"event {one.shared}", "restricted: GET /v1/events/<event_id>/body"),
        ("reader", f"event {one.shared}", "right: GET /v1/events/<event_id>/body"),
        ("night", f"user user of {one.other}", "right: POST /v1/users/<external_user_id>/access-exports"),
        ("linker", "POST /v1/holds", "right: POST /v1/holds"),
    ]
    about = recorded(service, "--action", "refused", "--applicant", "idenfy", one.hidden)
    assert [act["actor"] for act in about] == ["reader", "night", "reader"]


def test_acts_about_a_restricted_applicant_are_shown_to_privacy_officers_alone(service: Service) -> None:
    one = case(service)
    send(service, f"/v1/applicants/idenfy/{one.other}/decisions", token=OPERATOR, decision="approve", reason="seen")
    about = {"vendor": "idenfy", "reference": one.hidden}
    assert listed(service, "/v1/audit", "subject", OPERATOR) == [f"idenfy live {one.other}"]
    assert is_hidden(service.get("/v1/audit", token=OPERATOR, **about))
    assert one.hidden not in str(recorded(service, token=OPERATOR))
    assert recorded(service, "--applicant", "idenfy", one.hidden, token=OPERATOR) == []
    assert [act["subject"] for act in recorded(service, "--applicant", "idenfy", one.hidden)] == [f"idenfy live {one.hidden}"] * 3


def test_an_attempt_about_the_erased_is_recorded_by_a_keyed_digest_alone(service: Service) -> None:
    who, user, case_id = payloads.new_applicant(), "customer-of-the-erased", payloads.new_case()
    service.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId=user))
    event_id = service.told("ifcgate", payloads.ifcgate(case_id))["id"]
    erased(service, vendor="idngo", reference=who)
    erased(service, vendor="ifcgate", reference=case_id)
    assert service.get(f"/v1/applicants/idngo/{who}").status == 410
    assert send(service, f"/v1/applicants/idngo/{who}/decisions", token=READER, decision="approve", reason="x").status == 403
    assert send(service, f"/v1/links/ifcgate/{case_id}", token=LINKER, method="PUT", external_user_id="user-2").status == 410
    assert send(service, f"/v1/users/{user}/access-exports", token=READER, reason="x").status == 403
    assert service.get(f"/v1/events/{event_id}/body", token=OPERATOR).status == 410
    assert service.standing("applicants", "show", "idngo", who).returncode == 1
    acts = refusals(service)
    assert [(actor, subject.split()[0], reason) for actor, subject, reason in acts] == [
        ("reader", "erased", "erased: GET /v1/applicants/<vendor>/<reference>"),
        ("reader", "erased", "right: POST /v1/applicants/<vendor>/<reference>/decisions"),
        ("linker", "erased", "erased: PUT /v1/links/ifcgate/<case_id>"),
        ("reader", "unknown", "right: POST /v1/users/<external_user_id>/access-exports"),
        ("night", "event", "erased: GET /v1/events/<event_id>/body"),
        (ACCOUNT, "erased", "erased: standing applicants show"),
    ]
    assert len({acts[0][1], acts[1][1], acts[5][1]}) == 1
    whole = str(service.get("/v1/audit", token=OPERATOR, limit=500).json)
    assert not any(name in whole for name in (who, user, case_id))


def test_a_command_that_takes_a_privacy_officer_records_who_else_tries(service: Service) -> None:
    service.environment["STANDING_TOKEN"] = OPERATOR
    done = service.standing("relationship", "end", "user-1", "--yes")
    assert (done.returncode, "privacy officer's token" in done.stderr) == (1, True)
    assert [(actor, reason) for actor, _, reason in refusals(service)] == [("night", "right: standing relationship end")]


@pytest.mark.parametrize(("token", "status", "kind"), [(READER, 403, "restricted"), (LINKER, 403, "about:blank"), (OFFICER, 200, None)])
def test_an_attempt_that_cannot_be_recorded_is_refused_all_the_same(running: Service, token: str, status: int, kind: str | None) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    restricted(running, vendor="idngo", reference=who)
    engine = create_engine(running.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE acts RENAME TO acts_away"))
    try:
        answer = running.get(f"/v1/applicants/idngo/{who}", token=token)
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE acts_away RENAME TO acts"))
        engine.dispose()
    assert (answer.status, answer.json.get("type")) == (status, kind)


def test_an_attempt_that_is_recorded_already_waits_for_no_writer(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    restricted(running, vendor="idngo", reference=who)
    path, failed = f"/v1/applicants/idngo/{who}", "a failed attempt could not be recorded"
    assert is_hidden(running.get(path, token=READER))
    before = running.logged().count(failed)
    engine = create_engine(running.environment["DATABASE_URL"])
    with engine.connect() as writer:
        writer.execute(text("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "LOCK TABLE acts IN EXCLUSIVE MODE"))
        answer = running.get(path, token=READER)
        writer.rollback()
    engine.dispose()
    assert (is_hidden(answer), running.logged().count(failed)) == (True, before)


def test_a_decision_that_is_not_handled_yet_is_left_out_too(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
    with frozen(service, service.processes[-1:]):
        made = send(service, f"/v1/applicants/idngo/{who}/decisions", token=OPERATOR, decision="approve", reason="seen").json
        restricted(service, vendor="idngo", reference=who)
        assert listed(service, "/v1/decisions", "event_id", READER) == []
        assert listed(service, "/v1/decisions", "event_id", OFFICER) == [made["event_id"]]
