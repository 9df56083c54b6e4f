"""Problems: errors as RFC 9457 describes them. None of them quotes what was sent."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable

from receiver.web.request_id import request_id
from store import database
from store.inbox.record import Unavailable
from store.system.deadlines import DeadlineExceeded
from store.system.logs import describe_error

log = structlog.get_logger()

#: The type of a problem of which the status says enough.
PLAIN = "about:blank"

#: Seconds after which a sender may retry while the database is unavailable.
RETRY_AFTER = "5"

#: The framework's own texts may quote the request; these do not.
DETAILS = {
    400: "The request cannot be understood.",
    404: "There is nothing here.",
    405: "This method is not for this address.",
    408: "The request was not whole in time. The connection is closed.",
    413: "The body is larger than this service accepts.",
    500: "Something unexpected happened. It is logged under the request's id.",
    503: "The database cannot be reached, or too much comes at once. Nothing was kept; please try again.",
}


class Problem(HTTPException):
    """An answer other than success, with a detail that we wrote.

    `kind` is its type (a relative reference), where the status alone does not say what is wrong; `more` are the type's own members."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, *, kind: str = PLAIN, **more: str | None) -> None:
        super().__init__(description=detail)
        self.code = status
        self.extra_headers = headers or {}
        self.kind, self.more = kind, more


def sentence(error: Exception) -> str:
    """Return an error's message as a problem's detail."""
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def about(subject_id: str, error: HTTPException) -> Problem:
    """Return an error as a problem that names the id of what it is about."""
    headers = error.extra_headers if isinstance(error, Problem) else None
    return Problem(error.code or 500, _detail(error), headers, id=subject_id)


def _detail(error: HTTPException) -> str:
    if isinstance(error, Problem):
        return error.description or ""
    status = error.code or 500
    return DETAILS.get(status, HTTPStatus(status).phrase)


def describe(app: Flask) -> None:
    """Answer every error of an application as a problem."""
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(Exception, _failure)


def _answer(error: HTTPException) -> Response:
    status = error.code or 500
    detail = _detail(error)
    kind, more = (error.kind, error.more) if isinstance(error, Problem) else (PLAIN, {})
    told = {"type": kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "request_id": request_id()} | more
    response = Response(msgspec.json.encode(told), status=status, content_type="application/problem+json")
    response.headers.extend({name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")})
    if isinstance(error, Problem):
        response.headers.extend(error.extra_headers)
    if status == 503:
        response.headers.setdefault("Retry-After", RETRY_AFTER)
    return response


def _failure(error: Exception) -> Response:
    if isinstance(error, Unavailable | DeadlineExceeded) or database.is_away(error):
        log.error("the database cannot be reached", error=describe_error(error))
        return _answer(ServiceUnavailable())
    log.error("a request failed unexpectedly", error=describe_error(error))
    return _answer(InternalServerError())
