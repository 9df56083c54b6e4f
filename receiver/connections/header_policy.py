"""Heads of requests and responses: gunicorn's, with fewer reasons to refuse, and without the name of the server.

What is the same for every request is computed once: gunicorn would look up its settings and format the date for each.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.message import RFC9110_5_3_SINGLETON_FIELDS, Request
from gunicorn.http.parser import RequestParser

#: On every answer: a client takes the content type that is named, and guesses no other.
NOSNIFF = "X-Content-Type-Options: nosniff\r\n"

#: Headers that gunicorn's policy looks at. Of another header it only wants to know whether its name has an underscore.
_LOOKED_AT = RFC9110_5_3_SINGLETON_FIELDS | {"EXPECT"}


class TolerantRequest(Request):  # type: ignore[misc]
    """A request whose headers are refused only where HTTP requires it."""

    def _apply_header_policy(self, name: str, value: str, scheme_state: list[bool], seen: set[str], *rest: Any, **more: Any) -> Any:
        if name not in _LOOKED_AT and "_" not in name:
            return name, value
        if name == "CONTENT-TYPE" and name in seen:
            return None  # A second one contradicts the first; neither is asked for here.
        if name == "EXPECT" and value.lower() != "100-continue":
            return None
        return super()._apply_header_policy(name, value, scheme_state, seen, *rest, **more)

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        """Return the headers of a proxy that gunicorn obeys: none, whoever the peer is. See `receiver.web.server.defaults`."""
        return {}, []


class PlainResponse(wsgi.Response):  # type: ignore[misc]
    """A response that does not name the server's software. An answer that is known whole is sent at once, its head with its body."""

    headers_sent: bool

    def default_headers(self) -> list[str]:
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        major, minor = self.req.version
        lines = [f"HTTP/{major}.{minor} {self.status}\r\nDate: {_date(int(time.time()))}\r\nConnection: {connection}\r\n"]
        return [*lines, *(["Transfer-Encoding: chunked\r\n"] if self.chunked else []), NOSNIFF]

    def send_headers(self) -> None:
        if not self.headers_sent:
            util.write(self.sock, self._head())
            self.headers_sent = True

    def write(self, arg: bytes) -> None:
        if self.headers_sent or self._omits_body or not isinstance(arg, bytes) or len(arg) != self.response_length:
            super().write(arg)
            return
        # Of what is sent in part, nothing may be sent again.
        self.headers_sent, self.sent = True, len(arg)
        util.write(self.sock, self._head() + arg)

    def _head(self) -> bytes:
        lines = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
        return "".join(lines).encode("latin-1")


_last_date = (0, "")


def _date(second: int) -> str:
    """Return the time of day as HTTP writes it."""
    global _last_date
    known, text = _last_date
    if known != second:
        text = str(util.http_date(second))
        _last_date = second, text
    return text


@cache
def _environ_of(cfg: Any) -> dict[str, Any]:
    return dict(_base_environ(cfg))


_base_environ = wsgi.base_environ


def install() -> None:
    """Make gunicorn use these classes; it has no setting for either."""
    RequestParser.mesg_class = TolerantRequest
    wsgi.Response = PlainResponse
    wsgi.base_environ = lambda cfg: _environ_of(cfg).copy()
