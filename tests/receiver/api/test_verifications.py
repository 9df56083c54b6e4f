"""/v1/verifications, on a running service without a vendor."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY, empty_database
from tests.support.service import Service
from tests.support.vendors.starts import STARTER, start, upload

OPERATOR, READER = "operate-me-if-you-may", "read-me-if-you-may"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("starts")
    settings = {"STARTER_TOKENS": f"onboarding={STARTER}", "ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}
    with empty_database(request, folder) as url, Service(folder, settings | {"DATABASE_URL": url}, worker=False) as service:
        yield service


@pytest.fixture
def recording(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service that records look-ups."""
    settings = {"STARTER_TOKENS": f"onboarding={STARTER}", "ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}
    with Service(tmp_path, settings | {"DATABASE_URL": database_url, "AUDIT_READS": "yes"}, worker=False) as service:
        yield service


def wanted(**values: Any) -> dict[str, Any]:
    return {"vendor": "idngo", "external_user_id": uuid.uuid4().hex, "mode": "hosted", "level": "basic-kyc-level"} | values


def test_a_verification_is_written_down_and_shown(running: Service) -> None:
    body = wanted(person={"first_name": "EXAMPLE"})
    answer = start(running, body)
    assert answer.status == 202, answer.body
    told = answer.json
    assert (told["status"], told["reference"], told["redirect_url"]) == ("requested", None, None)
    assert (told["external_user_id"], told["level"], told["requested_by"]) == (body["external_user_id"], "basic-kyc-level", "onboarding")
    assert running.get(f"/v1/verifications/{told['id']}", token=STARTER).json == told
    listed = running.get("/v1/verifications", token=OPERATOR, external_user_id=body["external_user_id"]).json["data"]
    assert [one["id"] for one in listed] == [told["id"]]
    assert b"EXAMPLE" not in answer.body


def test_the_key_is_needed(running: Service) -> None:
    assert start(running, wanted(), key=None).status == 400
    assert start(running, wanted(), key=" ").status == 400
    assert start(running, wanted(), key="k" * 201).status == 400


def test_the_same_key_gets_the_first_answer_and_another_body_is_refused(running: Service) -> None:
    body, key = wanted(), uuid.uuid4().hex
    first = start(running, body, key=key)
    assert start(running, body, key=key).body == first.body
    running.request("POST", f"/v1/verifications/{first.json['id']}/cancel", body=b"{}", token=STARTER)
    assert start(running, body, key=key).body == first.body
    assert start(running, body | {"level": "another-level"}, key=key).status == 422
    # The key is the caller's: another caller's is another key.
    other = start(running, wanted(), key=key, token=OPERATOR)
    assert other.status == 202
    assert other.json["id"] != first.json["id"]


def test_one_is_open_for_each_person_and_vendor(running: Service) -> None:
    body = wanted()
    first = start(running, body)
    again = start(running, body)
    assert (again.status, again.json["id"]) == (409, first.json["id"])
    assert start(running, body | {"environment": "sandbox"}).status == 202
    assert start(running, body | {"vendor": "idenfy", "level": None}).status == 202
    assert start(running, body | {"force": True}).status == 400
    forced = start(running, body | {"force": True, "reason": "the person lost the link"})
    assert (forced.status, forced.json["forced"]) == (202, "the person lost the link")
    assert running.get(f"/v1/verifications/{first.json['id']}", token=STARTER).json["status"] == "cancelled"


def test_a_cancelled_one_is_open_no_more(running: Service) -> None:
    body = wanted()
    first = start(running, body).json["id"]
    called_off = running.request("POST", f"/v1/verifications/{first}/cancel", body=b"{}", token=STARTER)
    assert (called_off.status, called_off.json["status"]) == (202, "cancelled")
    assert running.request("POST", f"/v1/verifications/{first}/cancel", body=b"{}", token=STARTER).status == 409
    assert running.request("POST", f"/v1/verifications/{first}/retry", body=b"{}", token=STARTER).status == 409
    assert running.request("POST", f"/v1/verifications/{first}/submit", body=b"{}", token=STARTER).status == 409
    assert start(running, body).status == 202


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"vendor": "nobody"}, "vendor"),
        ({"mode": "by post"}, "mode"),
        ({"level": None}, "level"),
        ({"workflow": "onboarding"}, "workflow"),
        ({"vendor": "ifcgate", "level": None, "workflow": "onboarding"}, "mode"),
        ({"external_user_id": ""}, "external_user_id"),
        ({"person": {"nationality": "XX"}}, "person.nationality"),
        ({"person": {"nickname": "X"}}, "nickname"),
        ({"mode": "documents", "documents": [{"type": "ID_CARD", "side": "FRONT", "country": "NL"}]}, "documents"),
    ],
)
def test_what_the_vendor_would_refuse_is_refused_at_once(running: Service, changed: dict[str, Any], field: str) -> None:
    answer = start(running, wanted(**changed))
    assert answer.status == 400
    assert field in answer.json["detail"]


def test_only_starters_and_operators_may(running: Service) -> None:
    assert start(running, wanted(), token=READER).status == 403
    assert start(running, wanted(), token="nobody-knows-this-one").status == 401
    assert running.get("/v1/verifications", token=READER).status == 403
    assert running.get("/v1/applicants", token=STARTER).status == 403


def test_an_unknown_one_is_not_found(running: Service) -> None:
    for unknown in (str(uuid.uuid4()), "nothing", "%2F"):
        assert running.get(f"/v1/verifications/{unknown}", token=STARTER).status == 404


def test_of_requests_at_the_same_time_one_starts_a_verification(running: Service) -> None:
    body, key = wanted(), uuid.uuid4().hex
    with ThreadPoolExecutor(8) as pool:
        same_key = list(pool.map(lambda _: start(running, body, key=key), range(8)))
        other = wanted()
        other_keys = list(pool.map(lambda _: start(running, other), range(8)))
    assert {answer.status for answer in same_key} <= {202, 409}
    assert len({answer.json["id"] for answer in same_key if answer.status == 202}) == 1
    assert sorted(answer.status for answer in other_keys) == [202, *[409] * 7]
    assert len({answer.json["id"] for answer in other_keys}) == 1


def test_a_look_up_is_recorded_with_its_person(recording: Service) -> None:
    service, body = recording, wanted()
    verification = start(service, body).json["id"]
    service.get(f"/v1/verifications/{verification}", token=STARTER)
    service.get(f"/v1/verifications/{uuid.uuid4()}", token=STARTER)
    assert service.standing("start", "show", verification).returncode == 0
    acts = service.get("/v1/audit", token=OPERATOR, action="look up").json["data"]
    assert [act["subject"] for act in acts] == [f"user {body['external_user_id']}"] * 2


WITHOUT_IMAGES = {
    "hosted": {},
    "IFCGATE": {
        "vendor": "ifcgate",
        "level": None,
        "workflow": "onboarding-default",
        "mode": "documents",
        "documents": [{"type": "PASSPORT", "url": "https://files.example.com/passport"}],
    },
    "no part": {"mode": "documents", "documents": [{"type": "PASSPORT", "country": "KZ"}]},
    "no document": {"mode": "documents"},
    "one part for two": {
        "mode": "documents",
        "documents": [{"type": "PASSPORT", "country": "KZ", "part": "front"}, {"type": "SELFIE", "country": "KZ", "part": "front"}],
    },
}


@pytest.mark.parametrize("name", WITHOUT_IMAGES)
def test_images_that_no_document_names_are_refused_and_nothing_is_written_down(running: Service, name: str) -> None:
    body = wanted(**WITHOUT_IMAGES[name])
    answer = upload(running, "/v1/verifications", body, {"front": b"\xff\xd8\xff\xe0 a picture"})
    assert (answer.status, "documents" in answer.json["detail"]) == (400, True)
    assert running.get("/v1/verifications", token=STARTER, external_user_id=body["external_user_id"]).json["data"] == []
