"""A downstream that is told of changes: a real HTTP server that answers as it is told to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Message:
    """One request that came."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reference(self) -> str:
        return str(self.json["data"]["reference"])

    @property
    def version(self) -> int:
        return int(self.json["data"]["applicant"]["version"])


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    #: What is sent instead of HTTP.
    raw: bytes | None = None
    seconds: float = 0


def saying(*replies: Reply) -> Callable[[Message], Reply]:
    """Answers one after the other, and then the last of them."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def answering(content: object, status: int = 200, **headers: str) -> Reply:
    """An answer with JSON, or with bytes as they are; a header's name with underscores for its dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, headers=named, body=content if isinstance(content, bytes) else json.dumps(content).encode())


class Server(ThreadingHTTPServer):
    #: It may stand for many endpoints, which are all told at the same moment.
    request_queue_size = 512


class Downstream:
    """Use as a context manager. `answer` says what is replied to a message; what came is in `came`."""

    def __init__(self, answer: Callable[[Message], Reply] = lambda _: Reply()) -> None:
        self.answer = answer
        self.came: list[Message] = []
        downstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # Whoever sent it died over it: nobody was told anything.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                message = Message(time.monotonic(), self.path, headers, body, self.command)
                downstream.came.append(message)
                reply = downstream.answer(message)
                time.sleep(reply.seconds)
                with suppress(OSError):  # Whoever asked did not wait.
                    self._reply(reply)

            do_GET = do_PATCH = do_POST

            def _reply(self, reply: Reply) -> None:
                if reply.raw is not None:
                    self.wfile.write(reply.raw)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Downstream:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class Dripping:
    """A server that answers a byte every now and then, and never ends."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                connection.sendall(b"a")
                time.sleep(0.2)
        except OSError:
            connection.close()

    def close(self) -> None:
        self._socket.close()
