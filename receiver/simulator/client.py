"""The simulator's side of the network: deliveries go out on a few kept connections, at a rate, and nothing is tried twice
unless the sender insists."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from receiver.simulator.payloads import Applicant

T = TypeVar("T")
R = TypeVar("R")

#: How many send at the same time.
LANES = 8

#: The server closes a connection that has been idle for five seconds; one that is nearly so is not used again.
IDLE_SECONDS_MAX = 2.0

ANSWER_SECONDS_MAX = 30.0


@dataclass(frozen=True, kw_only=True)
class SimulatorResponse:
    """What came back."""

    #: None: nothing did.
    status: int | None
    content: Any
    seconds: float

    @property
    def word(self) -> str:
        """The answer in a word: what the service says it did, else the HTTP status, else why there is none."""
        if self.status == 200:
            return str(self.content.get("status", 200))
        return str(self.status or self.content["trouble"])


@dataclass(frozen=True, eq=False, kw_only=True)
class Letter:
    """A body and its signature, made when it is first sent and the same when it is sent again."""

    vendor: str
    body: bytes
    sign: Callable[[], dict[str, str]]

    @cached_property
    def headers(self) -> dict[str, str]:
        return self.sign()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A letter on its way: `first`, `again` or `forged`."""

    letter: Letter
    kind: str
    #: The applicant that it is about.
    applicant: Applicant


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A delivery and what was answered."""

    delivery: Delivery
    answer: SimulatorResponse


class Service:
    """A running service. Each thread that asks has a connection of its own."""

    def __init__(self, base: str, *, token: str, environment: str, patience_seconds: float = ANSWER_SECONDS_MAX) -> None:
        """Raises ValueError if the base is no address of a service."""
        self._parts = urlsplit(base)
        if self._parts.scheme not in ("http", "https") or not self._parts.hostname:
            raise ValueError("an address is like http://127.0.0.1:8000")
        self.base = base.rstrip("/")
        self._port, self._path = self._parts.port, self._parts.path.rstrip("/")
        self._token, self._environment, self._patience_seconds = token, environment, patience_seconds
        self._own = threading.local()
        self._connections: list[HTTPConnection] = []

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()

    def deliver(self, letter: Letter) -> SimulatorResponse:
        """Send a letter, as its vendor would."""
        headers = {"Content-Type": "application/json"} | letter.headers
        return self._ask("POST", f"/webhooks/{letter.vendor}", letter.body, headers)

    def read(self, *path: str, **query: str) -> SimulatorResponse:
        """Ask the API about something of the environment."""
        return self.get(*path, **query, environment=self._environment)

    def get(self, *path: str, **query: str) -> SimulatorResponse:
        """Ask the API."""
        asked = f"?{urlencode(query)}" if query else ""
        return self._ask("GET", _path(*path) + asked, None, self._authorization())

    def post(self, *path: str, body: bytes, **headers: str) -> SimulatorResponse:
        """Have the API do something. Underscores in the names of headers are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", _path(*path), body, self._authorization() | named)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def metrics(self) -> str | None:
        """Return the metrics; None if they cannot be read."""
        try:
            status, text = self._exchange("GET", "/metrics", None, self._authorization())
        except (OSError, HTTPException):
            return None
        return text.decode("utf-8", "replace") if status == 200 else None

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> SimulatorResponse:
        began = time.monotonic()
        try:
            status, text = self._exchange(method, path, body, headers)
        except (OSError, HTTPException) as error:
            return SimulatorResponse(status=None, content={"trouble": type(error).__name__}, seconds=time.monotonic() - began)
        return SimulatorResponse(status=status, content=_parsed(text), seconds=self._own.used_at - began)

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """Return the status and the body of an answer. Raises OSError and HTTPException."""
        connection = self._connection()
        try:
            connection.request(method, self._path + path, body, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        self._own.used_at = time.monotonic()
        return status, text

    def _connection(self) -> HTTPConnection:
        if not hasattr(self._own, "connection"):
            self._own.connection, self._own.used_at = self._connect(), 0.0
            self._connections.append(self._own.connection)
        connection: HTTPConnection = self._own.connection
        if time.monotonic() - self._own.used_at > IDLE_SECONDS_MAX:
            connection.close()  # It opens again when it is used.
        return connection

    def _connect(self) -> HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            return HTTPSConnection(host, self._port, timeout=self._patience_seconds, context=ssl.create_default_context())
        return HTTPConnection(host, self._port, timeout=self._patience_seconds)


@dataclass
class Pace:
    """Lets through so many a second, whoever asks; with a rate of 0 whoever asks passes."""

    rate: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next_at: float = 0.0

    def wait(self) -> None:
        if not self.rate:
            return
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next_at)
            self._next_at = mine + 1 / self.rate
        time.sleep(mine - now)


def send(
    lanes: Sequence[Sequence[Delivery]], pace: Pace, *, deliver: Callable[[Delivery], SimulatorResponse], on_sent: Callable[[], None]
) -> list[Sent]:
    """Send lanes beside one another, each in its order: what comes later in a lane is sent once the former is answered.

    `deliver` sends one, and decides whether to send it again when the answer is not what its vendor hopes for."""
    stopped = threading.Event()

    def drive(lane: Sequence[Delivery]) -> list[Sent]:
        sent = []
        for delivery in lane:
            pace.wait()
            if stopped.is_set():
                break
            sent.append(Sent(delivery=delivery, answer=deliver(delivery)))
            on_sent()
        return sent

    with ThreadPoolExecutor(LANES) as threads:
        try:
            return [one for lane in threads.map(drive, lanes) for one in lane]
        finally:
            stopped.set()


def side_by_side(function: Callable[[T], R], values: Iterable[T]) -> list[R]:
    """A function's value for each, asked for by several threads, in the order of the values."""
    with ThreadPoolExecutor(LANES) as threads:
        return list(threads.map(function, values))


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in ("v1", *parts))


def _parsed(text: bytes) -> Any:
    """A JSON object, or an empty one: whoever answers may be no service of ours."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
