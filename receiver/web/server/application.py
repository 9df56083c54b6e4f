"""The Flask application, without what this service has no use for: sessions, hosts and subdomains cost each request something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

#: A host that is surely valid: labels of ASCII, and a port.
_USUAL_HOST = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?")

#: The one that every request has. It refuses to be changed.
_NO_SESSION = NullSession()


class _NoSessions(SessionInterface):
    def open_session(self, app: Flask, request: Request) -> NullSession:
        return _NO_SESSION


class Application(Flask):
    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func  # None of the views is a coroutine.

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of a request, by its path and method alone."""
        if request is None:
            return None
        if "HTTP_UPGRADE" in request.environ or not _USUAL_HOST.fullmatch(request.environ.get("HTTP_HOST", "")):
            return super().create_url_adapter(request)  # It refuses a host that cannot be.
        query: Any = request.query_string
        return MapAdapter(self.url_map, "localhost", "/", "", "http", request.path, request.method, query)
