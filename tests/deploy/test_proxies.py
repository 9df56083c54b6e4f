"""Behind nginx, HAProxy and Caddy, each with its file of deploy/proxies: deliveries, images, the stream, the console."""

from __future__ import annotations

import json
import shutil
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import KEY
from tests.receiver.api.test_api import come_to_rest
from tests.support import payloads, signing
from tests.support.downstream import Downstream
from tests.support.network.certificates import Authority
from tests.support.network.proxies import PROXIES, Before, proxy
from tests.support.service import Service, eventually, free_port

#: How far apart the bursts are.
PAUSES_SECONDS = (5.0, 4.98, 5.05)
BURST = 80

NAME = "standing.example.org"
#: Another address of this machine than the proxy's.
SENDER = "127.0.0.2"

READER = {"Authorization": "Bearer read-me-if-you-may"}


@dataclass
class Proxied:
    """A service behind a proxy, and what stands in for the console."""

    name: str
    service: Service
    console: Downstream
    port: int
    trusted: ssl.SSLContext
    _kept: list[HTTPSConnection] = field(default_factory=list)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> HTTPResponse:
        """Ask over a TLS connection of its own, which lasts until the end."""
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=90, context=self.trusted, source_address=(SENDER, 0))
        self._kept.append(connection)
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):  # A body that is too large may not be read to its end.
            connection.request(method, path, body=body, headers={"Host": NAME, **(headers or {})})
        return connection.getresponse()

    def deliver(self, body: dict[str, Any], **signing_options: Any) -> int:
        raw = json.dumps(body).encode()
        answer = self.ask("POST", "/webhooks/idngo", raw, signing.headers("idngo", raw, **signing_options))
        answer.read()
        return answer.status

    def close(self) -> None:
        for connection in self._kept:
            connection.close()


def a_folder_for_a_proxy() -> Path:
    """Make a folder that the proxy's own user can reach. Its path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="standing-proxy-"))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module", params=PROXIES)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("service")
    url = f"sqlite:///{folder / 'standing.sqlite3'}"
    # Without a queue: the sweep handles what comes. With a spool: a slow database does not matter here.
    settings = {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock", "TRUSTED_PROXIES": "127.0.0.1"}
    own = a_folder_for_a_proxy()
    authority = Authority(own)
    try:
        with Downstream() as console, Service(folder, settings | {"SPOOL_DIR": str(folder / "spool")}) as service:
            before = Before(service.port, console.port, authority.sign("standing", NAME, "127.0.0.1"))
            with proxy(request.param, own, before) as port:
                trusted = ssl.create_default_context(cafile=authority.ca)
                behind = Proxied(request.param, service, console, port, trusted)
                eventually(lambda: behind.ask("GET", "/readyz").status == 200, "the proxy to find the service ready")
                yield behind
                behind.close()
    finally:
        shutil.rmtree(own, ignore_errors=True)


def test_bursts_lose_nothing_over_connections_that_are_kept(proxied: Proxied) -> None:
    answers: Counter[int] = Counter()
    with ThreadPoolExecutor(12) as senders:
        for pause in (0.0, *PAUSES_SECONDS):
            time.sleep(pause)
            answers.update(senders.map(proxied.deliver, [payloads.idngo(payloads.new_applicant()) for _ in range(BURST)]))
    assert answers == {200: (len(PAUSES_SECONDS) + 1) * BURST}


def test_a_delivery_of_the_size_that_is_allowed_comes_through(proxied: Proxied) -> None:
    large = payloads.idngo(payloads.new_applicant()) | {"note": "x" * (5 * 1024 * 1024 - 2000)}
    assert proxied.deliver(large) == 200


def test_images_come_through_and_other_bodies_of_their_size_do_not(proxied: Proxied) -> None:
    answered = {}
    for path in ("/v1/verifications", "/v1/verifications/x/documents", "/webhooks/idngo"):
        answer = proxied.ask("POST", path, bytes(20 * 1024 * 1024), {"Content-Type": "multipart/form-data; boundary=x"})
        answered[path] = answer.status, answer.getheader("Content-Type")
    assert answered.pop("/webhooks/idngo")[0] == 413
    # Standing itself answered: the images came as far as that.
    assert {kind for _, kind in answered.values()} == {"application/problem+json"}


def test_a_refusal_is_logged_with_the_senders_address(proxied: Proxied) -> None:
    forged = signing.headers("idngo", b"{}", secret="not theirs")
    assert proxied.ask("POST", "/webhooks/idngo", b"{}", {**forged, "X-Forwarded-For": "192.0.2.7"}).status == 401
    assert f'"peer":"{SENDER}"' in proxied.service.logged()
    assert "192.0.2.7" not in proxied.service.logged()


def test_an_applicant_with_a_slash_in_its_reference_is_found(proxied: Proxied) -> None:
    reference = f"{payloads.new_applicant()}/a b%2F"
    proxied.service.told("idngo", payloads.idngo(reference, answer="GREEN"))
    answer = proxied.ask("GET", f"/v1/applicants/idngo/{quote(reference, safe='')}", headers=READER)
    assert (answer.status, json.loads(answer.read())["reference"]) == (200, reference)


def test_a_reader_may_wait_for_thirty_seconds(proxied: Proxied) -> None:
    come_to_rest(proxied.service)
    latest = json.loads(proxied.ask("GET", "/v1/changes?after=latest", headers=READER).read())["next_cursor"]
    answer = proxied.ask("GET", f"/v1/changes?after={latest}&wait=30", headers=READER)
    assert (answer.status, json.loads(answer.read())["data"]) == (200, [])


def test_a_change_comes_through_the_open_stream_at_once(proxied: Proxied) -> None:
    come_to_rest(proxied.service)
    stream = proxied.ask("GET", "/v1/changes/stream?after=latest", headers=READER)
    assert stream.readline().startswith(b"id:")
    reference = payloads.new_applicant()
    proxied.service.told("idngo", payloads.idngo(reference, answer="GREEN"))
    change = next(line for line in iter(stream.readline, b"") if line.startswith(b"data:"))
    assert json.loads(change.removeprefix(b"data:"))["reference"] == reference


@pytest.mark.parametrize("path", ["/console", "/console/applicants/idngo/a%2Fb%20c?since=2026-01-01", "/console/applicants/idngo/%252F"])
def test_the_console_gets_host_address_and_path_as_they_were(proxied: Proxied, path: str) -> None:
    proxied.ask("GET", path, headers={"X-Forwarded-For": "192.0.2.7"})
    came = proxied.console.came[-1]
    assert (came.path, came.headers["host"]) == (path, NAME)
    assert came.headers["x-forwarded-for"].replace(" ", "").endswith(SENDER)


def test_what_only_begins_like_the_console_is_not_the_consoles(proxied: Proxied) -> None:
    before = len(proxied.console.came)
    assert proxied.ask("GET", "/consoles", headers=READER).status == 404
    assert len(proxied.console.came) == before


def test_metrics_are_not_for_everybody(proxied: Proxied) -> None:
    assert proxied.service.get("/metrics", token=None).status == 200
    assert proxied.ask("GET", "/metrics").status == 404


@pytest.mark.parametrize("name", PROXIES)
def test_without_a_web_process_a_sender_is_asked_to_come_again(name: str) -> None:
    own = a_folder_for_a_proxy()
    authority = Authority(own)
    try:
        with proxy(name, own, Before(free_port(), free_port(), authority.sign("standing", "127.0.0.1"))) as port:
            trusted = ssl.create_default_context(cafile=authority.ca)
            connection = HTTPSConnection("127.0.0.1", port, timeout=60, context=trusted)
            connection.request("POST", "/webhooks/idngo", body=b"{}", headers={"Host": NAME})
            assert connection.getresponse().status in (502, 503)
            connection.close()
    finally:
        shutil.rmtree(own, ignore_errors=True)
