"""Every request has an id and belongs to a trace: the sender's if they are sane, else ours. Both are in the logs, and on the answer."""

from __future__ import annotations

import random
import re

import structlog
from flask import Flask, Response, g, request

from store.text import traces

HEADER = "X-Request-Id"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def identify(app: Flask) -> None:
    """Give every request of an application its id and its trace."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def request_id() -> str:
    """Return the id of the current request."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _SANE.fullmatch(given) else f"{random.getrandbits(128):032x}"
    return str(g.request_id)


def follow_on() -> None:
    """Log again what the current request logs, after another one was served within it."""
    structlog.contextvars.bind_contextvars(request_id=request_id())
    traces.follow(g.trace)


def _begin() -> None:
    structlog.contextvars.clear_contextvars()
    g.trace = traces.parse(request.headers.get(traces.HEADER, "")) or traces.begin()
    follow_on()


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    response.headers |= traces.headers()
    return response


def _forget(_error: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
    traces.follow(None)
