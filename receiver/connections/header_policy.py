"""Heads of requests and responses: gunicorn's, with fewer reasons to refuse, and without the name of the server."""

from __future__ import annotations

from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

#: On every answer: a client takes the content type that is named, and guesses no other.
NOSNIFF = "X-Content-Type-Options: nosniff\r\n"


class TolerantRequest(Request):  # type: ignore[misc]
    """A request whose headers are refused only where HTTP requires it."""

    def _apply_header_policy(self, name: str, value: str, scheme_state: list[bool], seen: set[str], *rest: Any, **more: Any) -> Any:
        if name == "CONTENT-TYPE" and name in seen:
            return None  # A second one contradicts the first; neither is asked for here.
        if name == "EXPECT" and value.lower() != "100-continue":
            return None
        return super()._apply_header_policy(name, value, scheme_state, seen, *rest, **more)


class PlainResponse(wsgi.Response):  # type: ignore[misc]
    """A response that does not name the server's software."""

    def default_headers(self) -> list[str]:
        lines: list[str] = super().default_headers()
        return [line for line in lines if not line.startswith("Server:")] + [NOSNIFF]


def install() -> None:
    """Make gunicorn use these classes; it has no setting for either."""
    RequestParser.mesg_class = TolerantRequest
    wsgi.Response = PlainResponse
