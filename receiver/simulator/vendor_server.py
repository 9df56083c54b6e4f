"""The three vendors, played on this machine over HTTP: what starts a verification, what sends its images, and what reads its result.

Each is under its name: /ifcgate, /idngo, /idenfy. `PUT /play/<vendor>/<reference>` sets the status of an applicant, `DELETE`
removes the applicant. `PUT /play/<vendor>` sets faults and verdicts, and `GET /play/<vendor>` returns what was bought, sent and asked.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from receiver.simulator.played import access, control, uploads
from receiver.simulator.played.exchange import Refusal, Reply, Request
from receiver.simulator.played.faults import Fault
from receiver.simulator.played.idenfy.processing import BODY_BYTES_MAX as PROCESSING_BYTES_MAX
from receiver.simulator.played.idenfy.vendor import Idenfy
from receiver.simulator.played.idngo.vendor import Idngo, signer
from receiver.simulator.played.ifcgate import Ifcgate
from receiver.simulator.played.records import Asked, Played
from receiver.simulator.played.webhooks import Target, Webhooks

#: Longer than any client should wait.
SLOW_SECONDS = 60.0

#: A request without images; and what is read at all, so that a larger one gets its answer.
BODY_BYTES_MAX, READ_BYTES_MAX = 64 * 1024, 128 * 1024 * 1024

CHUNK_BYTES = 64 * 1024

NONSENSE = b"<html><body>Something went well.</body></html>"

#: The status that a fault answers with.
STATUSES = {"500": 500, "429": 429, "402": 402, "busy": 409, "unauthorized": 401}


class Vendor(Protocol):
    """A vendor that is played."""

    requires: tuple[str, ...]
    resolution: timedelta

    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        """Whether a request comes with the right credentials."""
        ...

    def answer(self, request: Request, played: Played) -> Any:
        """Return the content of the answer, or a whole reply; None if there is no such applicant or path. Raises Refusal."""
        ...

    def error(self, status: int) -> dict[str, Any]:
        """Return the vendor's words for an error."""
        ...

    def judge(self, played: Played, reference: str) -> None:
        """Carry out what an applicant's status means for its images or its token."""
        ...


class Vendors(ThreadingHTTPServer):
    """All three. Use as a context manager, and `serve_forever`; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, *, port: int, credentials: Mapping[str, str], target: Target | None = None) -> None:
        """`target`: where the results are sent. Without one, no review comes to a verdict."""
        super().__init__((access.HOST, port), _Handler)
        self.credentials = credentials
        self.vendors: dict[str, Vendor] = {"ifcgate": Ifcgate(), "idngo": Idngo(), "idenfy": Idenfy()}
        self.played = {name: Played(requires=vendor.requires, resolution=vendor.resolution) for name, vendor in self.vendors.items()}
        self.changing = threading.Lock()
        self.ending = threading.Event()
        self.webhooks = Webhooks(target, self.vendors, self.played, self.changing) if target else None
        if self.webhooks:
            self.webhooks.start()

    @property
    def url(self) -> str:
        return f"http://{access.HOST}:{self.server_address[1]}"

    def settings(self) -> dict[str, str]:
        """Return the settings of a client of these APIs, except the credentials."""
        return access.settings(self.url)

    def server_close(self) -> None:
        self.ending.set()
        if self.webhooks:
            self.webhooks.stop()
        super().server_close()

    def play(self, request: Request) -> Reply:
        """Change what a vendor knows, or how it behaves."""
        with self.changing:
            reply = control.change(request, self.vendors, self.played)
        self._wake()
        return reply

    def begin(self, name: str, request: Request) -> tuple[Asked, Fault]:
        """Record a request, and return its fault."""
        with self.changing:
            fault = self.played[name].fault.take(request.method, request.path)
            traceparent = request.headers.get("traceparent")
            asked = Asked(method=request.method, path=request.path, fault=fault.fault, traceparent=traceparent)
            self.played[name].requests.append(asked)
        return asked, fault

    def answer(self, name: str, request: Request, fault: Fault) -> Reply | None:
        """Return what a vendor answers; None: it hangs up."""
        vendor = self.vendors[name]
        match fault.fault:
            case "down":
                return None
            case "slow":
                self.ending.wait(SLOW_SECONDS)
            case "nonsense":
                return Reply(status=200, content=NONSENSE)
            case str(word) if word in STATUSES:
                return Reply(status=STATUSES[word], content=vendor.error(STATUSES[word]), headers=fault.headers)
        if not vendor.lets_in(request, self.credentials):
            return Reply(status=401, content=vendor.error(401))
        reply = self._carry_out(name, replace(request, fault=fault.fault))
        if fault.fault == "lost":
            return None
        return replace(reply, cut=fault.fault == "half")

    def _carry_out(self, name: str, request: Request) -> Reply:
        vendor = self.vendors[name]
        if len(request.body) > body_bytes_max(request):
            return Reply(status=413, content=vendor.error(413))
        try:
            with self.changing:
                found = vendor.answer(request, self.played[name])
        except Refusal as refusal:
            return refusal.reply
        finally:
            self._wake()
        if isinstance(found, Reply):
            return found
        return Reply(status=200, content=found) if found is not None else Reply(status=404, content=vendor.error(404))

    def _wake(self) -> None:
        if self.webhooks:
            self.webhooks.wake()


def body_bytes_max(request: Request) -> int:
    """Return the limit of a request's body. An upload has the limit of its image."""
    return PROCESSING_BYTES_MAX if request.path.endswith("/api/v2/process") else BODY_BYTES_MAX


class _Handler(BaseHTTPRequestHandler):
    server: Vendors
    protocol_version = "HTTP/1.1"
    timeout = 30
    #: An answer goes out at once and whole.
    wbufsize = -1

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, path=self.path, headers=headers)
        name = self.path.split("/")[1]
        if "chunked" in headers.get("transfer-encoding", "") or self._length() > READ_BYTES_MAX:
            self.close_connection = True
        elif name == "play":
            self._send(self.server.play(self._read(request)))
        elif name in self.server.vendors:
            self._ask(name, request)
        else:
            self._send(Reply(status=404, content={"error": f"one of {', '.join(self.server.vendors)}, play"}))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def _ask(self, name: str, request: Request) -> None:
        asked, fault = self.server.begin(name, request)
        if fault.fault == "cut":
            self.rfile.read(self._length() // 2)
            self.close_connection = True
            return
        try:
            whole = self._read(request)
        except OSError:  # The client hung up: nothing is carried out.
            self.close_connection = True
            return
        reply = self.server.answer(name, whole, fault)
        if reply is None:
            self.close_connection = True
        else:
            asked.status = reply.status
            self._send(reply)

    def _read(self, request: Request) -> Request:
        """Read the body: an upload passes by as a stream, and of a body that is too large the rest is thrown away. Raises OSError."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            signing = signer(request, self.server.credentials)
            return replace(request, upload=uploads.read(self._chunks(), content_type=request.headers["content-type"], signer=signing))
        body, most = bytearray(), body_bytes_max(request)
        for chunk in self._chunks():
            if len(body) <= most:
                body += chunk
        return replace(request, body=bytes(body))

    def _chunks(self) -> Iterator[bytes]:
        left = self._length()
        while left:
            if not (chunk := self.rfile.read(min(left, CHUNK_BYTES))):
                raise ConnectionError
            left -= len(chunk)
            yield chunk

    def _length(self) -> int:
        return int(self.headers.get("Content-Length", 0))

    def _send(self, reply: Reply) -> None:
        body = reply.body
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # The client did not wait.
            self.wfile.write(body[: len(body) // 2] if reply.cut else body)
            self.wfile.flush()
        self.close_connection = self.close_connection or reply.cut

    def log_message(self, *_: Any) -> None:
        pass
