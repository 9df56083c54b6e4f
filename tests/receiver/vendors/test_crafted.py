"""What is sent or configured with care to go wrong: crafted cursors, cut bodies, addresses that are none, odd values."""

from __future__ import annotations

from pathlib import Path

import pytest

from store import config as store_config
from store.system.environment import Environment
from tests.conftest import BODY_BYTES_MAX, KEY
from tests.receiver.connections.test_strangers import OPERATOR, READER, cursor, is_a_problem
from tests.receiver.test_config import refusal, wrong_names
from tests.support import payloads, signing
from tests.support.network.wire import send
from tests.support.service import Service

NO_ID = "2026-05-04T09:30:00Z"


@pytest.mark.parametrize(
    ("path", "crafted"),
    [
        ("/v1/applicants", cursor(["2026-05-04T09:30:00", "a", "b"])),
        ("/v1/applicants", cursor(["0001-01-01T00:00:00+23:59", "a", "b"])),
        ("/v1/applicants", cursor(["9999-12-31T23:59:59-23:59", "a", "b"])),
        ("/v1/applicants", cursor([NO_ID, "a\0", "b"])),
        ("/v1/events", cursor([2**63])),
        ("/v1/events", cursor([-(2**63) - 1])),
        ("/v1/events", cursor(b"[" + b"9" * 2000 + b"]")),
        ("/v1/review", cursor([NO_ID, "event", "no id"])),
        ("/v1/review", cursor([NO_ID, "neither", "a/b"])),
        ("/v1/review", cursor([NO_ID, "applicant", "a\0/b"])),
        ("/v1/reversals", cursor([-1])),
    ],
)
def test_a_crafted_cursor_is_refused(running: Service, path: str, crafted: str) -> None:
    is_a_problem(send(running, "GET", f"{path}?cursor={crafted}", token=READER), 400)


@pytest.mark.parametrize("number", [2**63, -(2**70)])
def test_a_crafted_cursor_of_a_history_is_refused(running: Service, number: int) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    is_a_problem(send(running, "GET", f"/v1/applicants/idngo/{who}/history?cursor={cursor([number])}", token=READER), 400)


@pytest.mark.parametrize("target", ["//[a://b", "//[a://b/v1/applicants?x"])
def test_an_address_that_is_none_is_a_problem(running: Service, target: str) -> None:
    answer = send(running, "GET", target, token=READER)
    assert answer.status in (400, 404), answer


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("more", [1, 1000])
def test_a_chunked_body_over_the_limit_is_refused(running: Service, chunks: int, more: int) -> None:
    body = b"x" * (BODY_BYTES_MAX + more)
    is_a_problem(send(running, "POST", "/webhooks/idngo", headers=signing.idngo(body).items(), body=body, chunks=chunks), 413)


def test_a_chunked_body_is_not_cut_to_fit_its_signature(running: Service) -> None:
    body = b"y" * BODY_BYTES_MAX
    is_a_problem(send(running, "POST", "/webhooks/idngo", headers=signing.idngo(body).items(), body=body + b"more", chunks=2), 413)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://user:geheim@host:geheim/db"),
        ("DATABASE_URL", "postgresql+geheim://user@host/db"),
        ("DATABASE_URL", "sqlite+geheim:////tmp/x"),
        ("REDIS_URL", "redis://host:geheim/0"),
        ("REDIS_URL", "redis://host?socket_timeout=geheim"),
        ("REDIS_URL", "unix://"),
        ("PORT", "70000"),
        ("PORT", "1" * 5000),
        ("IDNGO_DIGEST_HEADER", "geheim:"),
        ("IDNGO_ALGORITHM_HEADER", "X geheim"),
    ],
)
def test_a_wrong_value_is_told_by_its_name(name: str, value: str) -> None:
    message = refusal(**{name: value})
    assert wrong_names(message) == [name]
    assert "geheim" not in message


def test_a_file_name_with_a_nul_is_told() -> None:
    assert wrong_names(refusal(IDNGO_SECRETS_FILE="a\0b")) == ["IDNGO_SECRETS_FILE"]


def test_the_folder_may_be_named_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "named").write_text("/somewhere\n")
    settings = store_config.read(Environment({"ENCRYPTION_KEYS": KEY, "VAR_DIR_FILE": str(tmp_path / "named")}))
    assert settings.var_dir == Path("/somewhere")


def test_an_empty_reference_finds_nothing(running: Service) -> None:
    running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    answer = running.request("GET", "/v1/events?reference=", token=READER)
    assert answer.status == 400 or answer.json["data"] == []


@pytest.mark.parametrize("path", ["/v1/events/{}", "/v1/events/{}/body"])
def test_no_call_swallows_a_parameter_that_it_does_not_have(running: Service, path: str) -> None:
    event = running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    is_a_problem(send(running, "GET", f"{path.format(event['id'])}?environment=mars&reason=x", token=OPERATOR), 400)


@pytest.mark.parametrize("case", ["%ff", "%fe", "a%ED%A0%80"])
def test_an_id_that_is_not_utf8_is_not_linked(running: Service, case: str) -> None:
    is_a_problem(send(running, "PUT", f"/v1/links/ifcgate/{case}", body=b'{"external_user_id": "u"}', token="link-me-if-you-may"), 404)
