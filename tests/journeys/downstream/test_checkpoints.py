"""Whoever LOG_PUBLISH names gets signed checkpoints of a running service, whatever is killed, and can verify them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from store.proof import verify
from tests.conftest import KEY
from tests.support import payloads
from tests.support.downstream import Downstream
from tests.support.service import LOG_ORIGIN, Service, end, eventually

SECRET = f"whsec_{base64.b64encode(b'a secret for our downstream').decode()}"


@pytest.fixture
def witness() -> Iterator[Downstream]:
    with Downstream() as downstream:
        yield downstream


@pytest.fixture
def service(database_url: str, redis_url: str, tmp_path: Path, witness: Downstream) -> Iterator[Service]:
    (tmp_path / "disk").mkdir()
    settings = {
        "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(tmp_path / "faults"),
        "LOG_PUBLISH": f"{witness.url()},{tmp_path / 'disk'},log", "LOG_MINUTES": "60",
        "NOTIFY_SECRETS": SECRET, "NOTIFY_PLAIN_HTTP": "yes", "NOTIFY_PRIVATE_HOSTS": "127.0.0.1",
    }  # fmt: skip
    (tmp_path / "faults").mkdir()
    with Service(tmp_path, settings) as running:
        yield running


def keys(service: Service) -> dict[str, Any]:
    """The public keys, as an auditor is given them."""
    printed = service.standing("log", "keys").stdout
    return {name: key for vkey in printed.split() for name, key in verify.read_vkey(vkey).items()}


def signed_by(service: Service, note: str) -> str:
    """What a checkpoint says, once its signature is verified."""
    text, origins = verify.open_note(note, keys(service))
    assert origins
    return text


def test_a_running_service_publishes_signed_checkpoints_everywhere(service: Service, witness: Downstream, tmp_path: Path) -> None:
    service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    (came,) = eventually(lambda: witness.came, "a checkpoint")
    Webhook(SECRET).verify(came.body, came.headers)
    sent = came.json["data"]
    assert signed_by(service, sent["checkpoint"]).splitlines() == [f"{LOG_ORIGIN}/1", str(sent["size"]), sent["root"]]
    (kept,) = eventually(lambda: list((tmp_path / "disk").glob("*.checkpoint")), "a file")
    assert kept.read_text() == sent["checkpoint"]
    # Each place has a thread of its own.
    eventually(lambda: "a checkpoint of the log" in service.logged(), "a line of the log")
    eventually(lambda: "127.0.0.1" in service.standing("status").stdout, "status to tell it")


def test_a_process_that_is_killed_before_it_records_it_publishes_it_again(service: Service, witness: Downstream, tmp_path: Path) -> None:
    """The same checkpoint, with the same id: the receiver knows it again."""
    service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    # From then on no thread publishes, which could come to the fault in place of the one that is meant.
    eventually(lambda: service.standing("status").stdout.count(" got one") == 3, "every place to have the first checkpoint")
    (tmp_path / "faults" / "checkpoint published").write_text("kill")
    service.environment["LOG_PUBLISH"] = witness.url("/another")
    end(service.processes.pop())
    service.start_worker()
    eventually(lambda: "another got one" in service.standing("status").stdout, "it to be recorded")
    again = [message for message in witness.came if message.path == "/another"]
    assert len(again) == 2
    assert len({(message.headers["webhook-id"], message.body) for message in witness.came}) == 1
