"""Every request has an id: the sender's if it is sane, else ours. It is in the logs, and on the answer."""

from __future__ import annotations

import random
import re

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Request-Id"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def identify(app: Flask) -> None:
    """Give every request of an application its id."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(lambda _error: structlog.contextvars.clear_contextvars())


def request_id() -> str:
    """Return the id of the current request."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _SANE.fullmatch(given) else f"{random.getrandbits(128):032x}"
    return str(g.request_id)


def _begin() -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id())


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
