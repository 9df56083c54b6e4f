"""GET /v1/events/<id>/masked: what a vendor sent, for whoever may read, without personal data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.receiver.api.test_api import BODIES, OPERATOR, READER, acts
from tests.receiver.api.test_restricted import case, is_hidden
from tests.support import payloads
from tests.support.privacy.calls import OFFICER, erased
from tests.support.service import Service


def masked(service: Service, event_id: str, token: str = READER) -> Any:
    return service.get(f"/v1/events/{event_id}/masked", token=token)


def test_a_reader_sees_the_structure_and_the_words_and_no_person(running: Service) -> None:
    who = payloads.new_applicant()
    body = payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], info={"firstName": "Somebody", "dob": "1990-01-01"})
    event = running.told("idngo", body)
    answer = masked(running, event["id"])
    assert (answer.status, answer.json["event_id"]) == (200, event["id"])
    found = json.loads(answer.json["body"])
    assert list(found) == list(body)
    assert (found["applicantId"], found["reviewResult"]["rejectLabels"]) == (who, ["SANCTIONS"])
    assert found["info"] == {"firstName": "•••", "dob": "•••"}
    assert [act for act in acts(running) if event["id"] in act[2]] == [("reader", "read a body, masked", f"event {event['id']}")]


@pytest.mark.parametrize("body", [*BODIES, b'{"type": "\\ud800", "a": NaN}', b"[" * 4_000, b'{"a":' * 600 + b"1" + b"}" * 600])
def test_whatever_was_sent_is_answered(running: Service, body: bytes) -> None:
    event_id = running.kept("idngo", body)
    assert masked(running, event_id).status == 200


def test_an_unknown_event_is_404(running: Service) -> None:
    assert [masked(running, name).status for name in ("x", "01a1fbd7-3d85-709d-910b-a2b8e8a84b6e")] == [404, 404]


def test_a_body_that_names_who_is_restricted_is_for_privacy_officers(service: Service) -> None:
    one = case(service)
    for event_id in (one.about_hidden, one.shared):
        assert all(is_hidden(masked(service, event_id, token)) for token in (READER, OPERATOR))
        assert masked(service, event_id, OFFICER).status == 200
    assert masked(service, one.about_other).status == 200


def test_nothing_of_an_erased_body_is_answered(service: Service) -> None:
    who = payloads.new_applicant()
    event = service.told("idngo", payloads.idngo(who, answer="GREEN"))
    erased(service, vendor="idngo", reference=who)
    answer = masked(service, event["id"])
    assert (answer.status, answer.json["type"]) == (410, "erased")
