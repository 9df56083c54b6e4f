"""Behind a real nginx, as docs/proxies.md sets it up: connections that are kept, headers that contradict one another, no 400 and no 502."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.support import payloads, signing
from tests.support.service import Service, end, eventually, free_port

#: How far apart the bursts are: as long as the connections were once kept here, at most.
PAUSES_SECONDS = (5.0, 4.98, 5.05)
BURST = 80

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


def settings_in(folder: Path) -> dict[str, str]:
    """Settings without a queue: the sweep handles what comes."""
    url = f"sqlite:///{folder / 'standing.sqlite3'}"
    return {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}


CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log info; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{plain}; location / {{ proxy_pass http://127.0.0.1:{service}; }} }}
  upstream standing {{ server 127.0.0.1:{service}; keepalive 32; keepalive_timeout 60s; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 6m;
    location / {{
      proxy_pass http://standing;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Protocol http;
      proxy_next_upstream off;
    }}
    location /v1/verifications {{
      proxy_pass http://standing;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      client_max_body_size 64m;
      proxy_request_buffering off;
      proxy_send_timeout 400s;
      proxy_read_timeout 400s;
      proxy_next_upstream off;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    """A service, and the port of an nginx before it."""
    folder = tmp_path_factory.mktemp("proxied")
    settings = settings_in(folder) | {"TRUSTED_PROXIES": "127.0.0.1"}
    with Service(folder, settings, worker=False) as service, nginx_before(service) as (port, _):
        yield service, port


@contextmanager
def nginx_before(service: Service) -> Iterator[tuple[int, int]]:
    """An nginx before a service: its port as docs/proxies.md sets it up, and one with nothing set but where to pass to."""
    if not Path(NGINX).is_file():
        pytest.skip("no nginx")
    folder, port, plain = Path(tempfile.mkdtemp(prefix="standing-nginx-")), free_port(), free_port()
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, service=service.port, port=port, plain=plain))
    nginx = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-p", folder])
    try:
        eventually(lambda: _listens(port) and _listens(plain), "nginx to listen")
        yield port, plain
    finally:
        end(nginx)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def delivered(port: int) -> int:
    """Deliver an event over a connection of its own; give the status."""
    body = json.dumps(payloads.idngo(payloads.new_applicant())).encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/webhooks/idngo", body=body, headers=signing.headers("idngo", body))
        return connection.getresponse().status
    finally:
        connection.close()


def test_bursts_through_nginx_lose_nothing_over_connections_that_are_kept(proxied: tuple[Service, int]) -> None:
    _, port = proxied
    answers: Counter[int] = Counter()
    with ThreadPoolExecutor(12) as senders:
        for pause in (0.0, *PAUSES_SECONDS):
            time.sleep(pause)
            answers.update(senders.map(delivered, [port] * BURST))
    assert answers == {200: (len(PAUSES_SECONDS) + 1) * BURST}


def test_a_refusal_behind_nginx_is_logged_with_the_senders_address(proxied: tuple[Service, int]) -> None:
    service, port = proxied
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    forged = signing.headers("idngo", b"{}", secret="not theirs")
    connection.request("POST", "/webhooks/idngo", body=b"{}", headers={**forged, "X-Forwarded-For": "192.0.2.7"})
    assert connection.getresponse().status == 401
    connection.close()
    # nginx added this machine's own address behind it, which is trusted.
    assert '"peer":"192.0.2.7"' in service.logged()


def test_images_come_through_nginx_and_other_bodies_of_their_size_do_not(proxied: tuple[Service, int]) -> None:
    answered = {}
    for path in ("/v1/verifications", "/v1/verifications/x/documents", "/webhooks/idngo"):
        connection = HTTPConnection("127.0.0.1", proxied[1], timeout=20)
        with suppress(OSError):  # nginx closes the connection of a body that is too large.
            connection.request("POST", path, body=bytes(20 * 1024 * 1024), headers={"Content-Type": "multipart/form-data; boundary=x"})
        answer = connection.getresponse()
        answered[path] = answer.status, answer.getheader("Content-Type")
        connection.close()
    assert answered.pop("/webhooks/idngo") == (413, "text/html")
    assert {kind for _, kind in answered.values()} == {"application/problem+json"}


def test_the_stream_comes_through_nginx_with_its_defaults_and_no_heartbeat_is_an_event(tmp_path: Path) -> None:
    who = payloads.new_applicant()
    with Service(tmp_path, settings_in(tmp_path)) as service, nginx_before(service) as (_, plain):
        eventually(lambda: "log" in service.subscribers(), "the worker to run")
        connection = HTTPConnection("127.0.0.1", plain, timeout=25)
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


def kept_for(service: Service, seconds: float) -> bool:
    """Whether a connection still serves after so long without a request."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        time.sleep(seconds)
        connection.sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.sock.recv(65536).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False
    finally:
        connection.close()


def test_a_connection_is_kept_for_longer_than_a_silent_sender_is(proxied: tuple[Service, int]) -> None:
    assert kept_for(proxied[0], 12)


def test_a_connection_is_kept_as_long_as_is_set_and_no_longer(tmp_path: Path) -> None:
    settings = {"ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock", "KEEPALIVE_SECONDS": "3"}
    with Service(tmp_path, settings, worker=False) as service:
        assert kept_for(service, 1)
        assert not kept_for(service, 5)


def test_connections_without_a_request_do_not_hold_up_the_end(tmp_path: Path) -> None:
    settings = {"ENCRYPTION_KEYS": KEY, "REDIS_URL": "unix:///nonexistent.sock"}
    with Service(tmp_path, settings, worker=False) as service:
        connections = [HTTPConnection("127.0.0.1", service.port, timeout=20) for _ in range(4)]
        for connection in connections:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        began = time.monotonic()
        service.web.terminate()
        service.web.wait(20)
        assert time.monotonic() - began < 10
        assert "graceful timeout" not in service.logged()
        for connection in connections:
            connection.close()
