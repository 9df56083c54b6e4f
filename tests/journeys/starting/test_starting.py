"""Verifications are started at vendors that are played over HTTP: linked before any webhook, once whatever dies or is lost."""

from __future__ import annotations

import uuid
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support.service import Service, eventually
from tests.support.vendors.played import play, seen
from tests.support.vendors.starts import act, show, start, started, until, wanted

OFFICER = "protect-me-if-you-may"

#: What a verification comes to at each vendor without images.
COMES_TO = {"ifcgate": "submitted", "idenfy": "linked", "idngo": "linked"}


def known(service: Service, vendor: str, reference: str) -> dict[str, Any]:
    """The applicant, once a worker has handled that it was started. A vendor's first webhook may make it known earlier."""
    eventually(lambda: "standing.start" in [one["event_type"] for one in explained(service, vendor, reference)], "the start to be handled")
    return service.applicant(vendor, reference)


def explained(service: Service, vendor: str, reference: str) -> list[dict[str, Any]]:
    """The events that the applicant's explanation counts so far; none while nobody knows the applicant."""
    answer = service.get(f"/v1/applicants/{vendor}/{reference}/explanation")
    return answer.json["data"] if answer.status == 200 else []


def bought(vendors: Vendors, vendor: str) -> int:
    count: int = seen(vendors, vendor)["credits"]
    return count


def test_each_vendor_begins_and_the_applicant_is_linked_before_any_webhook(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    for vendor, status in COMES_TO.items():
        body = wanted(vendor)
        told = until(service, started(service, body), status)
        assert told["failure"] is None
        assert told["next_attempt_at"] is None
        assert bool(told["redirect_url"]) == (vendor != "ifcgate")
        applicant = known(service, vendor, told["reference"])
        assert applicant["external_user_id"] == body["external_user_id"]
        # The first webhook of IFCGATE may be faster.
        assert service.history(vendor, told["reference"])[0]["to"] in ("created", "in_review")
        assert f"onboarding started it here (verification {told['id']})" in str(explained(service, vendor, told["reference"]))
        assert bought(vendors, vendor) == 1


def test_the_calls_to_the_vendor_and_the_event_belong_to_the_trace_of_the_request(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    for vendor, status in COMES_TO.items():
        trace_id = uuid.uuid4().hex
        answer = start(service, wanted(vendor), traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
        assert answer.headers["traceparent"][3:35] == trace_id
        told = until(service, answer.json["id"], status)
        known(service, vendor, told["reference"])
        given = [one["traceparent"] for one in seen(vendors, vendor)["requests"]]
        assert given
        assert {(trace[3:35], trace[-2:]) for trace in given} == {(trace_id, "01")}
        # Each call has a span of its own.
        assert len({trace[36:52] for trace in given} - {"00f067aa0ba902b7"}) == len(given)
        events = explained(service, vendor, told["reference"])
        assert [one["trace_id"] for one in events if one["event_type"] == "standing.start"] == [trace_id]


def test_what_a_vendor_refuses_is_told_in_its_words(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    play(vendors, "ifcgate", {"requires": ["utility_bill"]})
    refused = until(service, started(service, wanted("ifcgate")), "failed")
    assert refused["failure"]["kind"] == "caller"
    assert "required document" in refused["failure"]["says"]
    play(vendors, "idenfy", {"fault": "token_limit"})
    unpaid = until(service, started(service, wanted("idenfy")), "failed")
    assert unpaid["failure"]["kind"] == "contract"
    assert "Partner reached token limit" in unpaid["failure"]["says"]
    eventually(
        lambda: b'standing_verifications_failed{kind="contract",vendor="idenfy"} 1.0' in service.get("/metrics", token=None).body, "it"
    )
    play(vendors, "idenfy", {"fault": None})
    assert act(service, "retry", unpaid["id"]).status == 202
    assert until(service, unpaid["id"], "linked")["failure"] is None


@pytest.mark.parametrize("fault", ["500", "429", "nonsense", "down", "half", "lost"])
@pytest.mark.parametrize("vendor", ["ifcgate", "idngo"])
def test_a_trouble_that_passes_starts_one_and_forgets_none(both: tuple[Service, Vendors], vendor: str, fault: str) -> None:
    service, vendors = both
    play(vendors, vendor, {"fault": fault, "times": 1})
    told = until(service, started(service, wanted(vendor)), COMES_TO[vendor])
    assert bought(vendors, vendor) == 1
    assert told["failure"] is None


@pytest.mark.parametrize("fault", ["lost", "half"])
def test_a_session_of_idenfy_whose_answer_is_lost_is_found_and_no_second_is_bought(both: tuple[Service, Vendors], fault: str) -> None:
    service, vendors = both
    play(vendors, "idenfy", {"fault": fault, "times": 1, "path": "/api/v2/token"})
    verification_id = started(service, wanted("idenfy"))
    # A minute is left to iDenfy to show what it began; here nobody waits for it.
    eventually(lambda: show(service, verification_id)["last_answer"], "the answer to be lost")
    assert act(service, "retry", verification_id).status == 202
    told = until(service, verification_id, "failed")
    assert bought(vendors, "idenfy") == 1
    assert told["failure"]["kind"] == "person"
    assert told["reference"] in seen(vendors, "idenfy")["applicants"]
    # Whoever wants another buys it knowingly.
    assert act(service, "retry", told["id"], reason="the person waits").status == 202
    again = until(service, told["id"], "linked")
    assert bought(vendors, "idenfy") == 2
    assert again["reference"] != told["reference"]
    assert again["redirect_url"]


@pytest.mark.parametrize("point", ["start claimed", "start sent", "start answered", "start linked"])
@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
def test_whatever_is_killed_never_two_are_paid_and_none_is_forgotten(
    faults: Path, both: tuple[Service, Vendors], vendor: str, point: str
) -> None:
    service, vendors = both
    (faults / point).write_text("kill")
    body = wanted(vendor)
    verification_id = started(service, body)
    eventually(lambda: not (faults / point).exists(), "the process to be killed")
    lost = vendor == "idenfy" and point == "start answered"
    told = until(service, verification_id, "failed" if lost else COMES_TO[vendor])
    assert bought(vendors, vendor) == 1
    assert told["reference"]
    assert known(service, vendor, told["reference"])["external_user_id"] == body["external_user_id"]


@pytest.mark.parametrize("point", ["start written", "start kept"])
def test_a_web_process_that_is_killed_before_its_answer_starts_no_second_one(
    faults: Path, both: tuple[Service, Vendors], point: str
) -> None:
    service, vendors = both
    (faults / point).write_text("kill")
    body, key = wanted("idenfy"), uuid.uuid4().hex
    with pytest.raises((OSError, HTTPException)):
        start(service, body, key=key)
    eventually(service.is_up, "another web process")
    # The one that was killed counts as under way for half a minute.
    eventually(lambda: start(service, body, key=key).status == 202, "the repeated request to be answered")
    until(service, start(service, body, key=key).json["id"], "linked")
    assert bought(vendors, "idenfy") == 1


def test_a_link_that_ran_out_is_made_anew(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    told = until(service, started(service, wanted("idngo")), "linked")
    assert act(service, "retry", told["id"]).status == 202
    eventually(lambda: show(service, told["id"])["redirect_url"] not in (None, told["redirect_url"]), "another link")
    assert bought(vendors, "idngo") == 1


def test_an_applicant_that_is_there_already_is_adopted(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    body = wanted("idngo")
    first = until(service, started(service, body), "linked")
    second = started(service, body | {"force": True, "reason": "the link ran out"})
    assert until(service, second, "linked")["reference"] == first["reference"]
    assert bought(vendors, "idngo") == 1


def test_a_vendor_that_is_away_is_waited_for_and_the_state_says_so(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    play(vendors, "ifcgate", {"fault": "down"})
    verification_id = started(service, wanted("ifcgate"))
    waiting = eventually(lambda: found if (found := show(service, verification_id))["last_answer"] else None, "an attempt")
    assert waiting["status"] == "sent"
    assert waiting["next_attempt_at"]
    eventually(lambda: "ifcgate starts" in service.standing("status").stdout, "status to tell it")
    play(vendors, "ifcgate", {"fault": None})
    assert act(service, "retry", verification_id).status == 202
    until(service, verification_id, "submitted")


def test_an_erasure_takes_what_was_started_along(both: tuple[Service, Vendors]) -> None:
    service, _ = both
    body: dict[str, Any] = wanted("idenfy", person={"first_name": "EXAMPLE"})
    told = until(service, started(service, body), "linked")
    user = body["external_user_id"]
    request = service.request(
        "POST", "/v1/erasures", b'{"external_user_id": "%s", "reason": "asked"}' % user.encode(), token="operate-me-if-you-may"
    )
    erasure = request.json["id"]
    service.request("POST", f"/v1/erasures/{erasure}/approve", b'{"reason": "nothing keeps it"}', token="protect-me-if-you-may")
    eventually(lambda: service.get(f"/v1/erasures/{erasure}", token="protect-me-if-you-may").json["status"] == "done", "it to be erased")
    assert service.get(f"/v1/verifications/{told['id']}", token="start-me-if-you-may").status == 404
    assert service.get(f"/v1/applicants/idenfy/{told['reference']}").status == 410
