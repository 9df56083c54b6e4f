"""One trace id leads from a delivery to the webhooks that follow from it, through every process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.downstream.test_reacting import telling
from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads, signing
from tests.support.downstream import Downstream, Reply, saying
from tests.support.payloads import after
from tests.support.service import Answer, Service, eventually

SPAN = "00f067aa0ba902b7"


def parent(trace_id: str, *, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{SPAN}-{flags}"}


def deliver(service: Service, body: dict[str, Any], headers: dict[str, str]) -> Answer:
    """Send a webhook until it is kept, as a vendor does."""
    raw = json.dumps(body).encode()

    def send() -> Answer | None:
        answer = service.request("POST", "/webhooks/idngo", raw, signing.idngo(raw) | headers)
        return answer if answer.status == 200 else None

    return eventually(send, "the delivery to be kept")


def of(trace_id: str, given: str) -> str:
    """The span id of a header that continues a trace, and is not the caller's."""
    version, found, span_id, flags = given.split("-")
    assert (version, found, len(span_id), flags) == ("00", trace_id, 16, "01")
    assert span_id != SPAN
    return span_id


def lines(service: Service, trace_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.logged().splitlines() if f'"trace_id":"{trace_id}"' in line]


def test_a_delivery_is_followed_by_one_id_to_the_webhook_that_it_leads_to(database_url: str, redis_url: str, tmp_path: Path) -> None:
    trace_id, who = uuid4().hex, payloads.new_applicant()
    once = {"REACTION_ATTEMPTS_MAX": "1"}
    with Downstream(saying(Reply(400), Reply())) as downstream, telling(database_url, redis_url, tmp_path, downstream, **once) as told:
        service = told.service
        answer = deliver(service, payloads.idngo(who, answer="GREEN"), parent(trace_id))
        event_id = answer.json["event_id"]
        refused = told.came(1)[0]
        eventually(lambda: told.reactions(status="failed"), "the webhook to give up")
        assert service.standing("reactions", "run", "--failed", "--yes", "--reason", "it is back").returncode == 0
        accepted = told.came(2)[1]
        spans = [of(trace_id, one.headers["traceparent"]) for one in (refused, accepted)]
        assert len({*spans, of(trace_id, answer.headers["traceparent"])}) == 3
        expected = {"a delivery was kept", "an applicant changed", "a reaction failed"}
        eventually(lambda: expected <= {line["event"] for line in lines(service, trace_id)}, "the log lines of the trace")
        said = {line["event"]: line for line in lines(service, trace_id)}
        assert said["a delivery was kept"]["event_id"] == said["an applicant changed"]["event_id"] == event_id
        assert "reaction_id" in said["a reaction failed"]
        [shown] = told.lines("events", "show", event_id)
        [explained] = told.lines("applicants", "explain", "idngo", who)
        assert [shown["trace_id"], *(one["trace_id"] for one in explained["data"])] == [trace_id] * 2
        assert f"trace    {trace_id}" in service.standing("applicants", "explain", "idngo", who).stdout
        # The webhook itself is as it was: the header alone has the trace.
        assert trace_id not in accepted.body.decode()


def test_the_trace_of_the_first_accepted_delivery_stays(running: Service) -> None:
    forged, first, second = uuid4().hex, uuid4().hex, uuid4().hex
    body = payloads.idngo(payloads.new_applicant(), answer="GREEN")
    refused = running.request("POST", "/webhooks/idngo", json.dumps(body).encode(), {"x-payload-digest": "0" * 64} | parent(forged))
    assert (refused.status, refused.headers["traceparent"][3:35]) == (401, forged)
    event_id = deliver(running, body, parent(first)).json["event_id"]
    duplicate = deliver(running, body, parent(second))
    assert (duplicate.json, duplicate.headers["traceparent"][3:35]) == ({"status": "duplicate", "event_id": event_id}, second)
    assert running.settled(event_id)["trace_id"] == first
    assert [line["answer"] for trace_id in (forged, second) for line in lines(running, trace_id)] == ["forged", "duplicate"]


@pytest.mark.parametrize("given", ["", "nonsense", f"00-{'0' * 32}-{SPAN}-01", f"00-{'A' * 32}-{SPAN}-01"])
def test_without_a_valid_trace_each_delivery_begins_one(running: Service, given: str) -> None:
    answers = [deliver(running, payloads.idngo(payloads.new_applicant(), answer="GREEN"), {"traceparent": given}) for _ in range(2)]
    begun = [answer.headers["traceparent"].split("-") for answer in answers]
    assert begun[0][1] != begun[1][1]
    assert [flags for *_, flags in begun] == ["00", "00"]
    assert [running.settled(answer.json["event_id"])["trace_id"] for answer in answers] == [trace_id for _, trace_id, *_ in begun]


def test_a_decision_belongs_to_the_trace_of_its_call_and_a_replay_leaves_it(running: Service) -> None:
    trace_id, who = uuid4().hex, payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=1)))
    body = json.dumps({"decision": "reject", "reason": "looked into"}).encode()
    decided = running.request("POST", f"/v1/applicants/idngo/{who}/decisions", body, parent(trace_id), token=OPERATOR)
    assert (decided.status, decided.headers["traceparent"][3:35]) == (202, trace_id)
    event_id = decided.json["event_id"]
    assert running.settled(event_id)["trace_id"] == trace_id
    assert running.request("POST", f"/v1/events/{event_id}/replay", headers=parent(uuid4().hex), token=OPERATOR).status == 202
    assert running.settled(event_id)["trace_id"] == trace_id
