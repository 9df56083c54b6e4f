"""Proxies and other peers: contradicting headers, an nginx with its defaults, connections that are kept."""

from __future__ import annotations

import json
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

from tests.conftest import KEY
from tests.support import payloads, signing
from tests.support.network.proxies import listens, nginx_with, running
from tests.support.service import TOO_BUSY, Answer, Service, eventually, free_port

CONTRADICTING = {"X-Forwarded-Proto": "https", "X-Forwarded-Protocol": "http", "X-Forwarded-Ssl": "off", "Via": "1.1 proxy"}


def settings_in(folder: Path) -> dict[str, str]:
    """Settings without a queue: the sweep handles what comes."""
    url = f"sqlite:///{folder / 'standing.sqlite3'}"
    return {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}


def test_headers_of_proxies_that_contradict_one_another_refuse_nothing(tmp_path: Path) -> None:
    body = json.dumps(payloads.idngo(payloads.new_applicant())).encode()
    with Service(tmp_path, settings_in(tmp_path), worker=False) as service:
        headers = {**signing.headers("idngo", body), **CONTRADICTING}

        def sent() -> Answer | None:
            answer = service.request("POST", "/webhooks/idngo", body, headers)
            return None if TOO_BUSY in answer.body else answer

        assert eventually(sent, "an answer").status == 200


def test_the_stream_comes_through_nginx_with_its_defaults_and_no_heartbeat_is_an_event(tmp_path: Path) -> None:
    who, port = payloads.new_applicant(), free_port()
    with Service(tmp_path, settings_in(tmp_path)) as service, tempfile.TemporaryDirectory(prefix="standing-nginx-") as folder:
        site = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{service.port}; }} }}"
        with running(nginx_with(Path(folder), site), Path(folder)):
            eventually(lambda: listens(port), "nginx to listen")
            eventually(lambda: "log" in service.subscribers(), "the worker to run")
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/v1/changes/stream?after=latest", headers={"Authorization": "Bearer read-me-if-you-may"})
            answer, came = connection.getresponse(), []
            while not (came and came[-1].startswith(":")):
                came.append(answer.readline().decode())
            service.told("idngo", payloads.idngo(who, answer="GREEN"))
            while not came[-1].startswith("data:"):
                came.append(answer.readline().decode())
            came.append(answer.readline().decode())
            connection.close()
    # Some clients take each blank line for the end of an event: there is the place, and the change.
    place, change = "".join(came).strip().split("\n\n")
    assert place.startswith("id: ")
    lines = [line for line in change.splitlines() if not line.startswith(":")]
    assert [line.partition(":")[0] for line in lines] == ["id", "event", "data"]
    assert json.loads(lines[-1].removeprefix("data: "))["reference"] == who


# connections that are kept --------------------------------------------------------------------------------------


def test_a_connection_is_kept_for_longer_than_a_silent_sender_is(tmp_path: Path) -> None:
    with Service(tmp_path, settings_in(tmp_path), worker=False) as service:
        connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        time.sleep(12)
        connection.sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.sock.recv(65536).startswith(b"HTTP/1.1 200")
        connection.close()


def test_a_connection_is_kept_as_long_as_is_set_and_no_longer(tmp_path: Path) -> None:
    settings = {"ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock", "KEEPALIVE_SECONDS": "3"}
    with Service(tmp_path, settings, worker=False) as service:
        connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        began = time.monotonic()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        assert connection.sock.recv(1) == b"", "the service ends it"
        # Whatever a busy machine delays comes on top. Without the setting it would be 75 seconds.
        assert time.monotonic() - began >= 3
        connection.close()


def test_connections_without_a_request_do_not_hold_up_the_end(tmp_path: Path) -> None:
    settings = {"ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}
    with Service(tmp_path, settings, worker=False) as service:
        connections = [HTTPConnection("127.0.0.1", service.port, timeout=20) for _ in range(4)]
        for connection in connections:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        service.web.terminate()
        service.web.wait(60)
        assert "graceful timeout" not in service.logged()
        for connection in connections:
            connection.close()
