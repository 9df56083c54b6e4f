"""Every request has an id and belongs to a trace: the sender's if they are sane, else ours. Both are in the logs, and on the answer."""

from __future__ import annotations

import random
import re
from typing import Any

from flask import Flask, Response, request

from store.system import logs
from store.text import traces

HEADER = "X-Request-Id"

#: Where a request's environment has both.
_ID, _TRACE = "standing.request_id", "standing.trace"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def identify(app: Flask) -> None:
    """Give every request of an application its id and its trace."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def request_id() -> str:
    """Return the id of the current request."""
    return _id_of(request.environ)


def follow_on() -> None:
    """Log again what the current request logs, after another one was served within it."""
    environ = request.environ
    logs.follow_request(_id_of(environ))
    traces.follow(environ[_TRACE])


def _id_of(environ: dict[str, Any]) -> str:
    known: str | None = environ.get(_ID)
    if known is None:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        known = environ[_ID] = given if _SANE.fullmatch(given) else f"{random.getrandbits(128):032x}"
    return known


def _begin() -> None:
    environ = request.environ
    given = environ.get("HTTP_TRACEPARENT")
    environ[_TRACE] = (given and traces.parse(given)) or traces.begin()
    follow_on()


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    for name, value in traces.headers().items():
        response.headers[name] = value
    return response


def _forget(_error: BaseException | None) -> None:
    logs.follow_request(None)
    traces.follow(None)
