"""The three vendors' read APIs, played on this machine, so that asking can be tried without a vendor.

Each is under its name: /ifcgate, /idngo, /idenfy. `PUT /play/<vendor>/<reference>` sets the status of an applicant, `DELETE`
removes the applicant, and `PUT /play/<vendor>` says what is to go wrong.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import click
import msgspec
from msgspec import Struct

from receiver.simulator.vendor_responses import VENDORS, Reply, Request, Standing
from store.system import clock
from store.system.environment import Environment

HOST = "127.0.0.1"

#: What who asks is to know, and what a made-up one begins with.
CREDENTIALS = {
    "IFCGATE_API_KEY": "ifcg_played_",
    "IDNGO_APP_TOKEN": "played:",
    "IDNGO_APP_SECRET": "",
    "IDENFY_API_KEY": "played_",
    "IDENFY_API_SECRET": "",
}

#: Longer than any client should wait.
SLOW_SECONDS = 60.0

BODY_BYTES_MAX = 64 * 1024

NONSENSE = b"<html><body>Something went well.</body></html>"


class Told(Struct, forbid_unknown_fields=True):
    """The status that an applicant gets."""

    #: The vendor's own word; IDnGO's GREEN, RED:FINAL, RED:RETRY, or a review's status.
    status: str
    #: When that came to be, RFC 3339; None: now.
    at: str | None = None
    user: str | None = None
    says: dict[str, Any] = {}
    #: iDenfy: whether the token is valid, so that a deletion is refused.
    token_lives: bool = False


class Fault(Struct, forbid_unknown_fields=True):
    """What goes wrong with requests; None: nothing."""

    fault: Literal["500", "429", "slow", "nonsense", "down", "unauthorized"] | None
    #: With how many of them; None: with all.
    times: int | None = None
    #: What `Retry-After` says beside the fault.
    retry_after: str | None = None


@dataclass
class Played:
    """A vendor as it is now."""

    table: dict[str, Standing] = field(default_factory=dict)
    fault: Fault = field(default_factory=lambda: Fault(fault=None))
    #: The paths that were asked for.
    asked: list[str] = field(default_factory=list)


class Vendors(ThreadingHTTPServer):
    """All three. Use as a context manager, and `serve_forever`; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, *, port: int, credentials: Mapping[str, str]) -> None:
        super().__init__((HOST, port), _Handler)
        self.credentials = credentials
        self.played = {vendor: Played() for vendor in VENDORS}
        self.changing = threading.Lock()
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def settings(self) -> dict[str, str]:
        """Return the settings of a client of these APIs, except the credentials."""
        urls = {f"{vendor.upper()}_API_URL": f"{self.url}/{vendor}" for vendor in VENDORS}
        return urls | {"NOTIFY_PLAIN_HTTP": "yes", "NOTIFY_PRIVATE_HOSTS": HOST}

    def server_close(self) -> None:
        self.ending.set()
        super().server_close()

    # playing ----------------------------------------------------------------------------------------------

    def play(self, request: Request) -> Reply:
        """Change what a vendor knows, or how it behaves."""
        vendor, _, reference = urlsplit(request.path).path.removeprefix("/play/").partition("/")
        if vendor not in VENDORS:
            return Reply(status=404, content={"error": f"one of {', '.join(VENDORS)}"})
        try:
            with self.changing:
                self._change(self.played[vendor], unquote(reference), request)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            return Reply(status=400, content={"error": str(error)})
        return Reply(status=200, content={"applicants": {name: standing.status for name, standing in self.played[vendor].table.items()}})

    def _change(self, played: Played, reference: str, request: Request) -> None:
        if request.method == "DELETE":
            played.table.pop(reference, None)
        elif request.method == "PUT" and reference:
            played.table[reference] = _standing(msgspec.json.decode(request.body, type=Told), played.table.get(reference), reference)
        elif request.method == "PUT":
            played.fault = msgspec.json.decode(request.body, type=Fault)

    # answering --------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply | None:
        """What a vendor answers; None: it hangs up."""
        name = request.path.split("/")[1]
        if name not in VENDORS:
            return Reply(status=404, content={"error": f"one of {', '.join(VENDORS)}, play"})
        with self.changing:
            self.played[name].asked.append(request.path)
            fault = _taken(self.played[name].fault)
        retry_after = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        match fault.fault:
            case "down":
                return None
            case "slow":
                self.ending.wait(SLOW_SECONDS)
            case "nonsense":
                return Reply(status=200, content=NONSENSE)
            case "500" | "429" as status:
                return Reply(status=int(status), content=VENDORS[name].error(int(status)), headers=retry_after)
        if fault.fault == "unauthorized" or not VENDORS[name].lets_in(request, self.credentials):
            return Reply(status=401, content=VENDORS[name].error(401))
        return self._said(name, request)

    def _said(self, name: str, request: Request) -> Reply:
        with self.changing:
            found = VENDORS[name].answer(request, self.played[name].table)
        if isinstance(found, Reply):
            return found
        return Reply(status=200, content=found) if found is not None else Reply(status=404, content=VENDORS[name].error(404))


class _Handler(BaseHTTPRequestHandler):
    server: Vendors
    protocol_version = "HTTP/1.1"
    timeout = 30
    #: An answer goes out at once and whole.
    wbufsize = -1

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(min(length, BODY_BYTES_MAX))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, path=self.path, headers=headers, body=body)
        reply = self.server.play(request) if self.path.startswith("/play/") else self.server.answer(request)
        if reply is None or length > BODY_BYTES_MAX:
            self.close_connection = True
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def _send(self, reply: Reply) -> None:
        body = reply.content if isinstance(reply.content, bytes) else msgspec.json.encode(reply.content)
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def serve(port: int) -> None:
    """Play the vendors until Ctrl-C, and say first how they are reached."""
    environment = Environment()
    given = {name: environment.text(name) for name in CREDENTIALS}
    environment.check()
    made = {name: f"{beginning}{secrets.token_hex(16)}" for name, beginning in CREDENTIALS.items() if not given[name]}
    try:
        server = Vendors(port=port, credentials=given | made)
    except OSError as error:
        raise click.ClickException(f"Port {port} cannot be had ({error.strerror}); --port names another.") from error
    with server:
        click.echo(_introduction(server, made, [name for name in CREDENTIALS if given[name]]))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("The play is over.")


def _introduction(server: Vendors, made: dict[str, str], given: list[str]) -> str:
    settings = "\n".join(f"{name}={value}" for name, value in (server.settings() | made).items())
    kept = f"\n# As configured here: {', '.join(given)}." if given else ""
    return f"""The three vendors' read APIs, played at {server.url} until Ctrl-C. The settings of a client:

{settings}{kept}

Set the status of an applicant, in the vendor's word, and what is to go wrong (500, 429, slow, nonsense, down, unauthorized; null: nothing):

curl -X PUT {server.url}/play/ifcgate/case_1 -d '{{"status": "approved", "at": "2026-03-30T03:00:00Z"}}'
curl -X PUT {server.url}/play/idngo/5cb56e8e0a975a35f333cb83 -d '{{"status": "RED:RETRY", "user": "your-id"}}'
curl -X PUT {server.url}/play/idenfy -d '{{"fault": "429", "times": 3, "retry_after": "2"}}'
"""


def _standing(told: Told, before: Standing | None, reference: str) -> Standing:
    """Return the status of an applicant after a request. Raises ValueError."""
    return Standing(
        status=told.status,
        at=clock.parse_rfc3339(told.at) if told.at else clock.now(),
        user=told.user or (before.user if before else f"user-of-{reference}"),
        says=told.says,
        token_lives=told.token_lives,
        earlier=(*before.earlier, (before.status, before.at)) if before else (),
    )


def _taken(fault: Fault) -> Fault:
    """The fault of one request, which is one fewer to come."""
    if fault.times is None:
        return fault
    if fault.times <= 0:
        return Fault(fault=None)
    fault.times -= 1
    return fault
