"""The API's description, tried against a service that runs: whatever it allows is answered as it says, on both databases."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.notify import checkpoints, signing
from tests.receiver.connections.test_strangers import LINKER, OPERATOR, READER
from tests.support import payloads
from tests.support.generated import samples
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, erased, restricted
from tests.support.service import PROGRAMS, Service

#: All that there are but one: that whatever the description allows is accepted. A cursor is any text to it, and only ours are.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method", "use_after_free",
    "ensure_resource_availability", "ignored_auth",
)  # fmt: skip


#: What may be answered to data that the description forbids. Besides what Schemathesis expects: 414, to an address that is too long.
REFUSED = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 428, 429, "5xx"]
"""

#: Calls about personal data, which an operator may not try.
ABOUT_PERSONS = r"/v1/(erasures|holds|retention|users/.*/(relationship|access-exports))"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("token", "only", "tested"), [(OPERATOR, (), 76), (OFFICER, ("--include-path-regex", ABOUT_PERSONS), 15)], ids=["operator", "officer"]
)
def test_schemathesis_finds_nothing(service: Service, tmp_path: Path, token: str, only: tuple[str, ...], tested: int) -> None:
    for kind in ("live", "sandbox"):
        who = payloads.new_applicant()
        service.told("idngo", payloads.idngo(who, answer="GREEN", sandboxMode=kind == "sandbox"))
        service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=1), sandboxMode=kind == "sandbox"))
    service.told("idngo", {"applicantId": payloads.new_applicant()})
    service.told("idenfy", payloads.idenfy(payloads.new_scan(), "SUSPECTED"))
    address = f"http://{service.address}:{service.port}/openapi.json"
    (tmp_path / "schemathesis.toml").write_text(REFUSED)
    done = subprocess.run(
        [
            PROGRAMS / "schemathesis", "run", address, "--header", f"Authorization: Bearer {token}", *only, "--checks", ",".join(CHECKS),
            # It has no end.
            "--exclude-path", "/v1/changes/stream",
            "--max-examples", str(samples.size(40)), "--seed", str(samples.commit()),
            "--workers", "1", "--continue-on-failure", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"Tested: {tested}" in done.stdout
    assert '"level":"error"' not in service.logged()


@pytest.mark.parametrize("part", ["summary", "description", "tags", "responses", "security"])
def test_every_call_is_described_in_every_part(running: Service, part: str) -> None:
    description = running.get("/openapi.json", token=None).json
    missing = [
        (method, path)
        for path, calls in description["paths"].items()
        for method, call in calls.items()
        if part not in call or call[part] is None
    ]
    assert missing == []


def test_every_answer_has_a_shape_whose_fields_are_named(running: Service) -> None:
    description = running.get("/openapi.json", token=None).json
    shapes = description["components"]["schemas"]
    for path, calls in description["paths"].items():
        for call in calls.values():
            answer = next(answer for status, answer in call["responses"].items() if status.startswith("2"))
            assert answer["content"], path
    assert [name for name in ("Applicant", "Change", "EventModel", "Explanation", "Reaction", "Problem") if name not in shapes] == []
    assert [
        name for name, field in shapes["Applicant"]["properties"].items() if "description" not in str(field) and "$ref" not in str(field)
    ] == []


def test_the_description_is_openapi_3_1(running: Service) -> None:
    description = running.get("/openapi.json", token=None).json
    assert description["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(description).validate()


def test_every_name_is_given_once_and_says_one_thing(running: Service) -> None:
    description = running.get("/openapi.json", token=None).json
    ids = [call["operationId"] for call in each_call(description)]
    assert (len(ids), sorted(ids)) == (78, sorted(set(ids)))
    # A name that two shapes share would be written with its module.
    assert [name for name in description["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []
    assert [name for name, shape in description["components"]["schemas"].items() if "enum" in shape and shape["type"] != "string"] == []


def test_every_moment_is_a_date_time(running: Service) -> None:
    shapes = running.get("/openapi.json", token=None).json["components"]["schemas"]
    moments = [
        (name, field, shape)
        for name, schema in shapes.items()
        for field, shape in schema.get("properties", {}).items()
        if field in ("as_of", "at", "since", "timestamp", "first_seen", "last_seen") or field.endswith("_at")
    ]
    assert len(moments) > 20
    assert [(name, field) for name, field, shape in moments if '"format": "date-time"' not in json.dumps(shape)] == []


def test_a_header_is_declared_where_it_is_read_or_sent(running: Service) -> None:
    paths = running.get("/openapi.json", token=None).json["paths"]
    read = {
        (path, one["name"])
        for path, calls in paths.items()
        for call in calls.values()
        for one in call["parameters"]
        if one["in"] == "header"
    }
    assert read == {
        ("/v1/applicants/{vendor}/{reference}", "If-None-Match"),
        ("/v1/changes/stream", "Last-Event-ID"),
        ("/v1/verifications", "Idempotency-Key"),
    }
    applicant = paths["/v1/applicants/{vendor}/{reference}"]["get"]["responses"]
    assert ("ETag" in applicant["200"]["headers"], "ETag" in applicant["304"]["headers"]) == (True, True)


def test_each_call_takes_the_right_that_it_declares(running: Service) -> None:
    """A path's names are filled with what is nowhere, so that whoever has the right is told 400 or 404, or gets an empty list."""
    description = running.get("/openapi.json", token=None).json
    holders = {
        "read": {READER, OPERATOR, OFFICER},
        "link": {LINKER, OPERATOR},
        "start": {OPERATOR},
        "operate": {OPERATOR},
        "request": {OPERATOR, OFFICER},
        "privacy": {OFFICER},
    }
    tried = 0
    for path, calls in description["paths"].items():
        for method, call in calls.items():
            rights = [needed["bearer"][0] for needed in call["security"] if needed]
            if {} in call["security"] or not rights or path == "/v1/changes/stream":
                continue
            for token in (READER, LINKER, OPERATOR, OFFICER):
                status = running.request(method.upper(), re.sub(r"{\w+}", "nowhere", path), token=token).status
                assert (status == 403) == (token not in holders[rights[0]]), (method, path, token, status)
            assert running.request(method.upper(), re.sub(r"{\w+}", "nowhere", path)).status == 401
            tried += 1
    assert tried == 72


def test_an_event_of_the_stream_and_what_is_sent_to_downstream_are_as_described(service: Service) -> None:
    service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="RED", reject="FINAL", labels=["SANCTIONS"]))
    description = service.get("/openapi.json", token=None).json
    frames = first_frames(service, 2)
    assert [sorted(frame) for frame in frames] == [["id"], ["data", "event", "id"]]
    answer = description["paths"]["/v1/changes/stream"]["get"]["responses"]["200"]
    assert faults(description, answer["content"]["text/event-stream"]["schema"], frames) == []
    change = json.loads(frames[1]["data"])
    told = description["components"]["schemas"]["StreamEvent"]["properties"]["data"]["contentSchema"]
    assert faults(description, told, change) == []
    sent = description["webhooks"]["change"]["post"]
    assert faults(description, sent["requestBody"]["content"]["application/json"]["schema"], json.loads(signing.message(change))) == []
    assert faults(description, told, change | {"to": "unheard of"}) != []
    assert faults(description, told, change | {"at": "yesterday"}) != []


def test_what_an_erasure_leaves_is_as_described(service: Service) -> None:
    who, other = payloads.new_applicant(), payloads.new_applicant()
    for one in (who, other):
        service.told("idngo", payloads.idngo(one, answer="GREEN"))
    erased(service, vendor="idngo", reference=who)
    restricted(service, vendor="idngo", reference=other)
    description = service.get("/openapi.json", token=None).json
    change, problem = ({"$ref": f"#/components/schemas/{name}"} for name in ("Change", "Problem"))
    entries = service.get("/v1/changes").json["data"]
    assert [entry["type"] for entry in entries] == ["erased", "applicant.approved", "applicant.erased", "applicant.approved"]
    for entry in entries:
        assert faults(description, change, entry) == [], entry
        sent = description["webhooks"]["change"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert faults(description, sent, json.loads(signing.message(entry))) == []
    assert faults(description, change, entries[0] | {"reference": who}) != []
    assert faults(description, change, entries[2] | {"applicant": None}) != []
    assert [json.loads(frame["data"]) for frame in first_frames(service, 5)[1:]] == entries
    for one, status in ((who, 410), (other, 403)):
        answer = service.get(f"/v1/applicants/idngo/{one}")
        assert (answer.status, faults(description, problem, answer.json)) == (status, [])


def test_a_published_checkpoint_is_as_described(running: Service) -> None:
    description = running.get("/openapi.json", token=None).json
    sent = description["webhooks"]["checkpoint"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    note = "log.example.com/1\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example.com/1 c2lnbmF0dXJl\n"
    told = json.loads(signing.message(checkpoints.entry(note, at="2026-11-21T10:06:51.602Z")))
    assert faults(description, sent, told) == []
    assert faults(description, sent, told | {"type": "applicant.approved"}) != []


def each_call(description: dict[str, Any]) -> list[dict[str, Any]]:
    return [call for calls in description["paths"].values() for call in calls.values()]


def faults(description: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    """What of a value is not as a schema of the description says."""
    whole = schema | {"components": description["components"]}
    return [fault.message for fault in OAS31Validator(whole, format_checker=oas31_format_checker).iter_errors(value)]


def first_frames(service: Service, count: int) -> list[dict[str, str]]:
    """The first events of the stream, by the names of their fields."""
    connection = http.client.HTTPConnection(service.address, service.port, timeout=20)
    try:
        connection.request("GET", "/v1/changes/stream", headers={"Authorization": f"Bearer {READER}"})
        response = connection.getresponse()
        frames = []
        while len(frames) < count:
            lines = itertools.takewhile(str.strip, iter(lambda: response.readline().decode(), ""))
            frames.append(dict(line.strip().split(": ", 1) for line in lines))
        return frames
    finally:
        connection.close()
