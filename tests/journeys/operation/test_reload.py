"""HUP: the web process takes anew what files hold, while deliveries come, and none is refused."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.receiver.connections.test_slow_senders import children
from tests.support import payloads, signing
from tests.support.service import Service, end, eventually

#: That no delivery is refused holds where nothing else keeps the database busy.
pytestmark = pytest.mark.alone

OLD, NEW = "the secret of before, 32 bytes ..", "the secret that follows it ......"

sqlite_alone = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Sender(threading.Thread):
    """A vendor that delivers without pause, on one connection as long as it is kept; each answer is noted, and each failure."""

    def __init__(self, service: Service, *, keeps: bool, timeout: float) -> None:
        super().__init__(daemon=True)
        self.kept: list[str] = []
        self.failures: list[str] = []
        self._service, self._keeps, self._timeout, self._ended = service, keeps, timeout, threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._service.address, self._service.port, timeout=self._timeout)
        while not self._ended.is_set():
            raw = json.dumps(payloads.idngo(payloads.new_applicant(), answer="GREEN")).encode()
            try:
                connection.request("POST", "/webhooks/idngo", raw, signing.idngo(raw, secret=OLD))
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.kept.append(json.loads(body)["event_id"])
                else:
                    self.failures.append(f"{answer.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not self._keeps:
                connection.close()
        connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join(30)


@contextmanager
def traffic(service: Service, *, timeout: float = 20) -> Iterator[list[Sender]]:
    senders = [Sender(service, keeps=keeps, timeout=timeout) for keeps in (False, False, True)]
    for sender in senders:
        sender.start()
    try:
        eventually(lambda: all(len(sender.kept) > 5 for sender in senders), "traffic")
        yield senders
    finally:
        for sender in senders:
            sender.end()


@pytest.fixture
def from_a_file(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service whose secrets of IDnGO stand in a file."""
    (tmp_path / "secrets").write_text(f"{OLD}\n")
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    service = Service(tmp_path, settings | {"IDNGO_SECRETS_FILE": str(tmp_path / "secrets")})
    del service.environment["IDNGO_SECRETS"]
    with service:
        yield service


def accepts(service: Service, secret: str) -> bool:
    return service.deliver("idngo", payloads.idngo(payloads.new_applicant()), secret=secret).status == 200


def reload(service: Service) -> None:
    """HUP, and until other processes are in the place of those before."""
    before = set(children(service.web.pid))
    service.web.send_signal(signal.SIGHUP)
    eventually(lambda: (now := children(service.web.pid)) and not before & set(now) and len(now) == 2, "other processes")


def test_hup_takes_secrets_anew_and_no_delivery_is_refused(from_a_file: Service, tmp_path: Path) -> None:
    assert not accepts(from_a_file, NEW)
    with traffic(from_a_file) as senders:
        (tmp_path / "secrets").write_text(f"{NEW}\n{OLD}\n")
        reload(from_a_file)
        assert accepts(from_a_file, NEW)
        many = [len(sender.kept) for sender in senders]
        eventually(lambda: all(len(one.kept) > was + 5 for one, was in zip(senders, many, strict=True)), "traffic after it")
    assert [failure for sender in senders for failure in sender.failures] == []
    for event_id in (event_id for sender in senders for event_id in sender.kept):
        assert from_a_file.settled(event_id)["status"] == "applied"


def test_a_key_for_data_at_rest_is_rotated_in_the_order_of_the_runbook_and_nothing_is_refused_or_fails(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    newer, keys = base64.b64encode(b"another key of 32 bytes, newer!!").decode(), tmp_path / "keys"
    keys.write_text(f"{KEY}\n")
    (tmp_path / "secrets").write_text(f"{OLD}\n")
    files = {"ENCRYPTION_KEYS_FILE": str(keys), "IDNGO_SECRETS_FILE": str(tmp_path / "secrets")}
    service = Service(tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": redis_url} | files)
    del service.environment["IDNGO_SECRETS"]
    with service:
        with traffic(service) as senders:
            for order in (f"{KEY}\n{newer}\n", f"{newer}\n{KEY}\n"):
                keys.write_text(order)
                reload(service)
                end(service.processes.pop())
                service.start_worker()
            many = [len(sender.kept) for sender in senders]
            eventually(lambda: all(len(one.kept) > was + 5 for one, was in zip(senders, many, strict=True)), "traffic after it")
        assert [failure for sender in senders for failure in sender.failures] == []
        events = [service.settled(event_id) for sender in senders for event_id in sender.kept]
        assert {(event["status"], event["attempts"]) for event in events} == {("applied", 1)}
        assert service.standing("keys", "rotate", "--yes").returncode == 0
        keys.write_text(f"{newer}\n")
        assert service.standing("doctor").stdout.count("the newest can be opened") == 1
        used = [json.loads(line) for line in service.standing("keys", "list", "--json").stdout.splitlines()]
        assert [(key["bodies"], key["seals"]) for key in used] == [(len(events), True), (0, False)]


@sqlite_alone
def test_hup_with_a_wrong_file_changes_nothing_and_is_told(from_a_file: Service, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("\n")
    with traffic(from_a_file) as senders:
        reload(from_a_file)
        assert accepts(from_a_file, OLD)
    assert [failure for sender in senders for failure in sender.failures] == []
    [told] = [line for line in map(json.loads, from_a_file.logged().splitlines()) if line["level"] == "error"]
    assert (told["event"], told["error"]) == ("settings are wrong: nothing was taken from them", "IDNGO_SECRETS is given and names nothing")
