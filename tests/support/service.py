"""A service that really runs: gunicorn and workers as processes of their own, and HTTP to talk to them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.support import signing
from tests.support.network.ports import free_port as free_port

PROGRAMS = Path(sys.executable).parent
T = TypeVar("T")

#: How long a test waits for what has no deadline: the contract's minute, in which everything heals. A busy machine may need all of it.
PATIENCE_SECONDS = 60.0

#: The contract's deadline of an answer, and the noise of a busy machine.
ANSWER_SECONDS = 2.0 + 3.0

#: A process that does not end in this time is killed. Each of ours gives up by itself what takes longer than 20 seconds.
END_SECONDS = 30.0

#: What a 503 says when the database took too long.
TOO_BUSY = b"or too much comes at once"

#: Keys the digests of what is erased.
INDEX_KEY = base64.b64encode(b"a key of 32 bytes for digests..!").decode()

#: The log of what happened, and the seed of the key that signs it.
LOG_ORIGIN, LOG_SIGNING_KEY = "standing.example", base64.b64encode(b"a seed of 32 bytes, to be signed").decode()

KEYS = {"INDEX_KEY": INDEX_KEY, "LOG_SIGNING_KEY": LOG_SIGNING_KEY, "LOG_ORIGIN": LOG_ORIGIN}

SECRETS = {
    "IFCGATE_SECRETS": signing.IFCGATE_SECRET,
    "IDNGO_SECRETS": signing.IDNGO_SECRET,
    "IDENFY_SECRETS": signing.IDENFY_SECRET,
    "IDNGO_SANDBOX_SECRETS": signing.IDNGO_SANDBOX_SECRET,
}
TOKENS = {
    "READ_TOKENS": "reader=read-me-if-you-may",
    "LINK_TOKENS": "linker=link-me-if-you-may",
    "OPERATOR_TOKENS": "night=operate-me-if-you-may,day=confirm-me-if-you-may",
    "PRIVACY_TOKENS": "officer=protect-me-if-you-may,deputy=approve-me-if-you-may",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """Processes on one database. Use as a context manager; its log is in `log`."""

    #: Where it listens, and what its programs are run by.
    address = "127.0.0.1"
    within: tuple[str, ...] = ()

    def __init__(
        self, folder: Path, settings: dict[str, str], *, worker: bool = True, cwd: Path | None = None, port: int | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = folder / "service.log"
        self.cwd = cwd
        clean = {name: value for name, value in os.environ.items() if not name.endswith(("_SECRETS", "_TOKENS", "_FILE"))}
        own = {"VAR_DIR": str(folder / "var"), "PORT": str(self.port), "HOST": self.address, "WEB_CONCURRENCY": "2"} | KEYS
        self.environment = clean | SECRETS | TOKENS | own | settings
        self.processes: list[subprocess.Popen[bytes]] = []
        self._with_worker = worker

    def __enter__(self) -> Service:
        with ExitStack() as unless_it_is_up:
            unless_it_is_up.callback(self.end)
            self.web = self.start_web()
            if self._with_worker:
                self.start_worker()
            unless_it_is_up.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """End its processes. No request is waited for: gunicorn's orderly end looks for them once a second."""
        for process in self.processes:
            if str(PROGRAMS / "gunicorn") in process.args and process.poll() is None:  # type: ignore[operator]
                process.send_signal(signal.SIGINT)
        end(*self.processes)

    def start_web(self, *, ready: bool = True) -> subprocess.Popen[bytes]:
        process = self.run("gunicorn", "--config", "python:receiver.gunicorn_config")
        if ready:
            eventually(lambda: self.is_up(), "the web process to answer")
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.run("standing", "worker")

    def run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*self.within, str(PROGRAMS / program), *arguments], env=self.environment, cwd=self.cwd, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def standing(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            [str(PROGRAMS / "standing"), *arguments],
            env=self.environment,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # HTTP ---------------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        token: str | None = None,
        timeout: float = 40,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=timeout)
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.connect()
            # Refused before the whole body was read, the answer may still be there.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, *, token: str | None = "read-me-if-you-may", **query: object) -> Answer:
        """Read something. A busy database may take too long for an answer: then it is asked again, as the answer says."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.request("GET", f"{path}?{urlencode(query)}" if query else path, token=token)
            if answer.status != 503 or TOO_BUSY not in answer.body or time.monotonic() > deadline:
                return answer
            time.sleep(0.1)

    def deliver(self, vendor: str, body: bytes | dict[str, Any], **signing_options: Any) -> Answer:
        """Send a signed webhook."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.request("POST", f"/webhooks/{vendor}", raw, signing.headers(vendor, raw, **signing_options))

    def kept(self, vendor: str, body: bytes | dict[str, Any], **signing_options: Any) -> str:
        """Send a signed webhook until it is kept, as a vendor does: a busy database may take too long. Gives the event's id."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = signing.headers(vendor, raw, **signing_options)

        def send() -> Answer | None:
            answer = self.request("POST", f"/webhooks/{vendor}", raw, headers)
            assert answer.status == 200 or (answer.status == 503 and TOO_BUSY in answer.body), (answer.status, answer.body)
            return answer if answer.status == 200 else None

        return str(eventually(send, "the delivery to be kept").json["event_id"])

    def told(self, vendor: str, body: bytes | dict[str, Any], **signing_options: Any) -> dict[str, Any]:
        """Send a signed webhook until it is kept, and wait until it is handled. Gives the event."""
        return self.settled(self.kept(vendor, body, **signing_options))

    def settled(self, event_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            answer = self.get(f"/v1/events/{event_id}")
            if answer.status == 403:  # Its applicant is restricted.
                answer = self.get(f"/v1/events/{event_id}", token="protect-me-if-you-may")
            return answer.json if answer.status == 200 and answer.json["status"] != "pending" else None

        return eventually(look, f"event {event_id} to be settled", seconds=seconds)

    def applicant(self, vendor: str, reference: str, **query: object) -> Any:
        answer = self.get(f"/v1/applicants/{vendor}/{quote(reference, safe='')}", **query)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def history(self, vendor: str, reference: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"/v1/applicants/{vendor}/{quote(reference, safe='')}/history").json["data"]
        return rows

    def subscribers(self) -> set[str]:
        """Who is told of changes, as far as a worker made them known."""
        told = eventually(lambda: found if (found := self.get("/metrics", token=None)).status == 200 else None, "the metrics")
        return set(re.findall(r'standing_reactions_failed{subscriber="([^"]*)"}', told.body.decode()))

    def is_up(self) -> bool:
        try:
            return self.request("GET", "/healthz", timeout=2).status == 200
        except OSError:
            return False

    def logged(self) -> str:
        return self.log.read_text()


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
    """What `look` gives once it gives something; fails when it does not in time.

    The longer it waits, the rarer it looks: a look may cost what is waited for its processor."""
    began = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < seconds, f"waited {seconds} s in vain for {what}"
        time.sleep(min(max(0.03, waited / 10), 0.5))


def end(*processes: subprocess.Popen[bytes]) -> None:
    """End processes we started, all at once, kindly and then not."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def children(pid: int) -> list[int]:
    """A process's children: a web process's working ones, or the one that works for a worker."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory(pid: int) -> bytes:
    """What a process has in memory that it may write to."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as kept:
        for line in [line for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if " rw" in line]:
            first, last = (int(part, 16) for part in line.split()[0].split("-"))
            kept.seek(first)
            with suppress(OSError):
                found.append(kept.read(last - first))
    return b"".join(found)
