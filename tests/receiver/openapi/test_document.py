"""The API's description, tried against a service that runs: whatever it allows is answered as it says, on both databases."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import PROGRAMS, Service

#: All that there are but one: that whatever the description allows is accepted. A cursor is any text to it, and only ours are.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method", "use_after_free",
    "ensure_resource_availability", "ignored_auth",
)  # fmt: skip


def test_schemathesis_finds_nothing(service: Service, tmp_path: Path) -> None:
    for kind in ("live", "sandbox"):
        who = payloads.new_applicant()
        service.told("idngo", payloads.idngo(who, answer="GREEN", sandboxMode=kind == "sandbox"))
        service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=1), sandboxMode=kind == "sandbox"))
    service.told("idngo", {"applicantId": payloads.new_applicant()})
    service.told("idenfy", payloads.idenfy(payloads.new_scan(), "SUSPECTED"))
    address = f"http://{service.address}:{service.port}/openapi.json"
    done = subprocess.run(
        [
            PROGRAMS / "schemathesis", "run", address, "--header", f"Authorization: Bearer {OPERATOR}", "--checks", ",".join(CHECKS),
            # It has no end.
            "--exclude-path", "/v1/changes/stream",
            "--max-examples", "12", "--seed", "1", "--workers", "1", "--continue-on-failure", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 29" in done.stdout
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
    assert [name for name in ("Applicant", "Change", "Event", "Explanation", "Reaction", "Problem") if name not in shapes] == []
    assert [
        name for name, field in shapes["Applicant"]["properties"].items() if "description" not in str(field) and "$ref" not in str(field)
    ] == []
