"""A web process and a relay that really run, without a vendor."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX, socket

import pytest

from tests.conftest import KEY
from tests.support.network import uploading
from tests.support.service import Answer, Service, eventually

ROOT = Path(__file__).parent.parent.parent.parent


class Uploading(Service):
    """A web process that passes uploads on, and its relay."""

    relay: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.folder / "var" / "relay.sock"

    def start_web(self, *, ready: bool = True) -> subprocess.Popen[bytes]:
        self.start_relay()
        process = self.run("gunicorn", "--config", "python:receiver.gunicorn_config", "tests.support.network.uploading:app()")
        eventually(lambda: self.is_up(), "the web process to answer")
        return process

    def start_relay(self, *, wait: bool = True) -> subprocess.Popen[bytes]:
        self.relay = self.run("python", "-m", "tests.support.network.uploading", str(self.socket))
        if wait:
            eventually(lambda: self.listens() or self.relay.poll() is not None, "the relay to listen")
        return self.relay

    def listens(self) -> bool:
        """Whether a relay takes connections: its socket is there a moment earlier, and after one that was killed."""
        with socket(AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def has_whole(self, what: str) -> bool:
        """Whether the relay has all images of an upload by now, and has not answered yet."""
        return f"it has the images of {what}\n" in self.logged()

    def upload(self, verification_id: str, files: dict[str, bytes], *, timeout: float = 60, **headers: str) -> Answer:
        return self.upload_body(uploading.multipart(verification_id, files), timeout=timeout, **headers)

    def upload_body(self, body: bytes, *, timeout: float = 60, **headers: str) -> Answer:
        sent = {"Content-Type": f"multipart/form-data; boundary={uploading.BOUNDARY}"} | headers
        return self.request("POST", "/uploads", body, sent, timeout=timeout)


@pytest.fixture(scope="module")
def uploading_service(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Uploading]:
    folder = tmp_path_factory.mktemp("up")
    database = folder / "standing.sqlite3"
    database.write_bytes(migrated_sqlite.read_bytes())
    settings = {"DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": "unix:///nonexistent.sock", "ENCRYPTION_KEYS": KEY}
    settings |= {
        "WEB_CONCURRENCY": "1",
        "MAX_BODY_BYTES": "4000",
        "STARTER_TOKENS": "onboarding=start-me-if-you-may",
        "PYTHONPATH": str(ROOT),
    }
    with Uploading(folder, settings, worker=False, cwd=ROOT) as made:
        yield made
