"""What the HTTP server itself refuses: told once in the log and once in the metrics, with its cause and nothing of what was sent."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPResponse
from ipaddress import ip_network
from typing import Any

import pytest

from receiver.connections import peers
from receiver.monitoring.health import REMEMBERED_SECONDS
from tests.conftest import KEY
from tests.support import payloads, signing
from tests.support.network.wire import Header, send
from tests.support.service import Answer, Service, eventually

MARK = "geheim"


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without tokens for its metrics, behind proxies of this machine and of one network."""
    folder = tmp_path_factory.mktemp("listening")
    settings = {"DATABASE_URL": f"sqlite:///{folder / 'standing.sqlite3'}", "TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"}
    with Service(folder, settings | {"ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}, worker=False) as service:
        yield service


def answered(service: Service, sent: bytes) -> Answer:
    """Send bytes, and read one answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(sent)
        response = HTTPResponse(connection, method="POST")
        response.begin()
        with response:
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def refused(service: Service) -> dict[str, float]:
    """How many requests were refused, by cause."""
    time.sleep(REMEMBERED_SECONDS + 0.1)
    told = eventually(lambda: found if (found := service.get("/metrics", token=None)).status == 200 else None, "the metrics")
    text = told.body.decode()
    return {
        cause: float(count) for cause, count in re.findall(r'^standing_refused_requests_total{cause="(\w+)"} (\S+)$', text, re.MULTILINE)
    }


def lines(service: Service, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in service.logged().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


HEAD = "POST /webhooks/idngo HTTP/1.1\r\nHost: x\r\n"


NO_HTTP = [
    ("geheim\r\n\r\n", 400, "malformed_head"),
    ("GET /geheim HTTP/9.9\r\n\r\n", 400, "malformed_head"),
    ("get /geheim HTTP/1.1\r\n\r\n", 400, "malformed_head"),
    ("\x16\x03\x01\x02geheim\r\n\r\n", 400, "malformed_head"),
    (f"{HEAD}geheim\r\n\r\n", 400, "malformed_head"),
    (f"{HEAD}ge heim: x\r\n\r\n", 400, "malformed_head"),
    (f"{HEAD}X: geheim\x00\r\n\r\n", 400, "malformed_head"),
    (f"{HEAD}X: a\r\n geheim\r\n\r\n", 400, "malformed_head"),
    (f"{HEAD}Host: geheim\r\n\r\n", 400, "malformed_head"),
    ("GET /" + "geheim" * 2000 + " HTTP/1.1\r\n\r\n", 414, "head_too_large"),
    (f"{HEAD}X: " + "geheim" * 2000 + "\r\n\r\n", 431, "head_too_large"),
    (HEAD + "X: geheim\r\n" * 200 + "\r\n", 431, "head_too_large"),
    (f"{HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\ngeheim", 400, "contradictory_length"),
    (f"{HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "contradictory_length"),
    (f"{HEAD}Content-Length: geheim\r\n\r\n", 400, "contradictory_length"),
    (f"{HEAD}Content-Length: -6\r\n\r\ngeheim", 400, "contradictory_length"),
    (f"{HEAD}Transfer-Encoding: geheim\r\n\r\n", 501, "contradictory_length"),
    (f"{HEAD}X-Payload-Digest: a\r\nTransfer-Encoding: chunked\r\n\r\ngeheim\r\n", 400, "malformed_body"),
    (f"{HEAD}X-Payload-Digest: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngeheim\r\n0\r\n\r\n", 400, "malformed_body"),
]


@pytest.mark.parametrize(("sent", "status", "cause"), NO_HTTP)
def test_what_is_no_http_is_told_once_by_its_cause_and_never_repeated(listening: Service, sent: str, status: int, cause: str) -> None:
    logged = len(lines(listening, "a request was refused by the HTTP server"))
    answer = answered(listening, sent.encode("latin-1"))
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json["status"], answer.json["request_id"]) == (status, answer.headers["x-request-id"])
    assert "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    told = lines(listening, "a request was refused by the HTTP server")[logged:]
    assert [(line["cause"], line["peer"], line["request_id"]) for line in told] == [(cause, "127.0.0.1", answer.json["request_id"])]
    assert MARK not in listening.logged()
    assert MARK.encode() not in answer.body


def test_what_is_no_http_is_counted_by_its_cause(listening: Service) -> None:
    before = refused(listening)
    for sent, _, _ in NO_HTTP:
        answered(listening, sent.encode("latin-1"))
    risen = {cause: int(count - before[cause]) for cause, count in refused(listening).items() if count != before[cause]}
    assert risen == Counter(cause for _, _, cause in NO_HTTP)


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Protocol", "http")],
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
        [("X-Forwarded-Protocol", "ssl"), ("X-Forwarded-Ssl", "off"), ("X-Forwarded-Proto", "https")],
        [("X_Forwarded_For", "1.2.3.4"), ("X-Forwarded-For", "5.6.7.8")],
        [("SCRIPT_NAME", "/elsewhere")],
        [("PATH_INFO", "/elsewhere")],
        [("Script-Name", "/elsewhere")],
        [("Forwarded", "for=;;;proto=gopher")],
        [("X-Forwarded-For", "unknown, , \xff")],
        [("X-Forwarded-Host", "a, b"), ("X-Forwarded-Port", "none")],
        [("Expect", "something-else")],
        [("Expect", "100-Continue")],
        [("Content-Type", "text/plain"), ("Content-Type", "application/json")],
        [("Content-Type", "")],
        [("Content-Encoding", "x-unknown")],
        [("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")],
        [("Range", "bytes=9-1"), ("If-Match", "*"), ("If-Modified-Since", "yesterday")],
        [("Authorization", "Basic \xff"), ("Cookie", "=;=;="), ("Accept", ";;;"), ("TE", "trailers")],
    ],
    ids=lambda headers: " ".join(name for name, _ in headers),
)
def test_a_header_that_is_not_needed_refuses_no_delivery(listening: Service, headers: list[Header]) -> None:
    body = json.dumps(payloads.idngo(payloads.new_applicant())).encode()
    with socket.create_connection(("127.0.0.1", listening.port), timeout=20) as connection:
        lines = [
            ("Host", "x"),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            *signing.headers("idngo", body).items(),
            *headers,
        ]
        head = "POST /webhooks/idngo HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
        connection.sendall(head.encode("latin-1") + body)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert b"HTTP/1.1 200 OK" in received, received


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/applicants", "/nowhere", "/webhooks/idngo"])
def test_no_answer_names_the_servers_software_or_lets_its_type_be_guessed(listening: Service, path: str) -> None:
    for token in (None, "read-me-if-you-may"):
        answer = listening.get(path, token=token)
        assert "server" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    [
        "//v1/applicants", "///v1/applicants", "/v1//applicants", "/./v1/applicants", "/v1/./applicants", "/v1/applicants/",
        "/%2Fv1/applicants", "/v1%2Fapplicants", "/v1/%2Fapplicants", "/v1/x/../applicants", "/v1/%2e/applicants", "//host/v1/applicants",
        "http://host//v1/applicants", "/\\v1/applicants", "//healthz", "/healthz/", "//metrics", "//readyz", "//openapi.json", "/healthz//",
        "/%2fhealthz", "/;/healthz", "///",
    ],
)  # fmt: skip
def test_a_path_has_no_alias(listening: Service, target: str) -> None:
    assert send(listening, "GET", target, token="read-me-if-you-may").status == 404


@pytest.mark.parametrize("target", ["//webhooks/idngo", "/webhooks//idngo", "/webhooks/idngo/", "/./webhooks/idngo", "/webhooks%2Fidngo"])
def test_a_delivery_to_an_alias_is_not_kept(listening: Service, target: str) -> None:
    body = json.dumps(payloads.idngo(payloads.new_applicant())).encode()
    assert send(listening, "POST", target, headers=signing.headers("idngo", body).items(), body=body).status == 404


@pytest.mark.parametrize(
    ("forwarded_for", "peer"),
    [
        (None, "127.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("10.1.2.3", "10.1.2.3"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.7, geheim", "127.0.0.1"),
        ("geheim, 10.1.2.3", "10.1.2.3"),
        ("", "127.0.0.1"),
    ],
)
def test_a_refusal_is_logged_with_the_address_that_trusted_proxies_tell(listening: Service, forwarded_for: str | None, peer: str) -> None:
    headers = [] if forwarded_for is None else [("X-Forwarded-For", forwarded_for)]
    body = json.dumps(payloads.idngo(payloads.new_applicant())).encode()
    logged = len(lines(listening, "a delivery was refused"))
    forged = signing.headers("idngo", body, secret="not theirs")
    assert send(listening, "POST", "/webhooks/idngo", headers=[*forged.items(), *headers], body=body).status == 401
    assert [line["peer"] for line in lines(listening, "a delivery was refused")[logged:]] == [peer]


def test_whoever_is_no_trusted_proxy_is_told_by_its_own_address() -> None:
    trusted = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert peers.address_of("192.0.2.7", "198.51.100.1", trusted) == "192.0.2.7"
    assert peers.address_of("::ffff:10.0.0.1", "198.51.100.1", trusted) == "198.51.100.1"
    assert peers.address_of("2001:db8::1", "198.51.100.1", trusted) == "198.51.100.1"
    assert peers.address_of("10.0.0.1", "198.51.100.1", ()) == "10.0.0.1"


def test_a_refusal_of_a_body_is_told_with_the_senders_address(listening: Service) -> None:
    sent = f"{HEAD}X-Payload-Digest: a\r\nX-Forwarded-For: 192.0.2.9\r\nTransfer-Encoding: chunked\r\n\r\ngeheim\r\n"
    assert answered(listening, sent.encode()).status == 400
    eventually(lambda: lines(listening, "a request was refused by the HTTP server")[-1]["peer"] == "192.0.2.9", "the line")
