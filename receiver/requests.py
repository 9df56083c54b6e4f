"""Every request has an id: the sender's if it is sane, else ours. It is in the logs, and on the answer."""

from __future__ import annotations

import re
import uuid

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def identify(app: Flask) -> None:
    """Give every request of an application its id."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(lambda _error: structlog.contextvars.clear_contextvars())


def body() -> bytes:
    """The request's body, byte for byte. Raises 413 if it is larger than allowed, 400 if it is not what HTTP says it is."""
    limit = int(current_app.config["MAX_CONTENT_LENGTH"])
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    try:
        # One byte more than is allowed: a chunked body does not say how long it is.
        found: bytes = request.environ["wsgi.input"].read(limit + 1)
    except Exception as error:  # The server raises what it likes over a malformed or broken-off body; all of it is the sender's.
        raise BadRequest from error
    if len(found) > limit:
        raise RequestEntityTooLarge
    return found


def request_id() -> str:
    """The id of the request at hand."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
    return str(g.request_id)


def _begin() -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id())


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
