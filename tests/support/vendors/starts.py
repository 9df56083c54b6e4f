"""Starting verifications in a test: a service whose vendors are played, and calls of its API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from receiver import config
from receiver.simulator import scenarios
from receiver.simulator.played.webhooks import Target
from receiver.simulator.vendor_server import Vendors
from store.system.environment import Environment
from tests.conftest import KEY
from tests.support.service import SECRETS, Answer, Service, eventually, free_port
from tests.support.vendors.played import playing
from tests.support.vendors.vendor_calls import CREDENTIALS

STARTER = "start-me-if-you-may"


@contextmanager
def starting(
    folder: Path, database_url: str, redis_url: str, *, results: bool = False, **settings: str
) -> Iterator[tuple[Service, Vendors]]:
    """A service with a worker and a relay, and the vendors that it starts verifications at, and that send it their results."""
    faults = folder / "faults"
    faults.mkdir()
    port = free_port()
    signers = scenarios.signers(config.read(Environment(SECRETS | {"VAR_DIR": "/nonexistent"})), "live")
    target = Target(base=f"http://{Service.address}:{port}", environment="live", signers=signers, review_seconds=0.1)
    with playing(CREDENTIALS, target if results else None) as vendors:
        own = {
            "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(faults),
            "STARTER_TOKENS": f"onboarding={STARTER}", "WEB_CONCURRENCY": "1",
        }  # fmt: skip
        with Service(folder, own | vendors.settings() | CREDENTIALS | settings, port=port) as service:
            service.run("standing", "relay")
            eventually(lambda: "the relay is up" in service.log.read_text(), "the relay to be up")
            yield service, vendors


def wanted(vendor: str, **values: Any) -> dict[str, Any]:
    """The body of a request that starts a verification of a new person."""
    usual: dict[str, Any] = {"vendor": vendor, "external_user_id": uuid.uuid4().hex, "mode": "hosted"}
    if vendor == "ifcgate":
        documents = [{"type": "PASSPORT", "url": "https://files.example.com/passport"}]
        usual |= {"mode": "documents", "workflow": "onboarding-default", "documents": documents}
    if vendor == "idngo":
        usual |= {"level": "basic-kyc-level"}
    return usual | values


def start(service: Service, body: dict[str, Any], *, token: str = STARTER, key: str | None = "", **headers: str) -> Answer:
    """Ask for a verification. Without a key a new one is drawn; None: none is sent."""
    named = headers | ({} if key is None else {"Idempotency-Key": key or uuid.uuid4().hex})
    return service.request("POST", "/v1/verifications", body=json.dumps(body).encode(), token=token, headers=named)


def started(service: Service, body: dict[str, Any]) -> str:
    """Ask for a verification that is taken; return its id."""
    answer = start(service, body)
    assert answer.status == 202, answer.body
    found: str = answer.json["id"]
    return found


def act(service: Service, what: str, verification_id: str, **body: Any) -> Answer:
    return service.request("POST", f"/v1/verifications/{verification_id}/{what}", json.dumps(body).encode(), token=STARTER)


def show(service: Service, verification_id: str, *, token: str = STARTER) -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"/v1/verifications/{verification_id}", token=token).json
    return found


def until(service: Service, verification_id: str, status: str, *, token: str = STARTER) -> dict[str, Any]:
    """The verification, once it has a status."""
    eventually(lambda: show(service, verification_id, token=token)["status"] == status, f"it to be {status}")
    return show(service, verification_id, token=token)


def upload(service: Service, path: str, body: dict[str, Any], images: dict[str, bytes], *, key: str | None = None) -> Answer:
    """Send a request with images: multipart, the JSON first."""
    edge = uuid.uuid4().hex
    parts = [(b"request", b"application/json", json.dumps(body).encode())]
    parts += [(name.encode(), b"image/jpeg", content) for name, content in images.items()]
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\nContent-Type: %s\r\n\r\n'
    pieces = [head % (edge.encode(), name, kind) + content + b"\r\n" for name, kind, content in parts]
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}", "Idempotency-Key": key or uuid.uuid4().hex}
    return service.request("POST", path, b"".join(pieces) + f"--{edge}--\r\n".encode(), headers, token=STARTER, timeout=60)
