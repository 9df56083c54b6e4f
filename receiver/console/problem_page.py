"""What a person sees when the API refuses, a page is not there, or something fails."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from receiver.console import guard, rendering
from receiver.console.api import Refused
from receiver.console.guard import Forbidden
from receiver.web import problems
from receiver.web.problems import Problem
from receiver.web.request_id import request_id
from store import database
from store.inbox.record import Unavailable
from store.system.deadlines import DeadlineExceeded
from store.system.logs import describe_error

log = structlog.get_logger()

AWAY = "The database cannot be reached. Deliveries go on: web processes keep them. Load the page again in a moment."


def describe(app: Flask) -> None:
    """Answer every error of an application with a page."""
    app.register_error_handler(Refused, lambda error: _page(error.status, error.detail, error.problem.get("erased_at")))
    app.register_error_handler(Forbidden, lambda error: _page(403, str(error)))
    app.register_error_handler(Problem, lambda error: _page(error.code or 500, error.description or ""))
    app.register_error_handler(HTTPException, lambda error: _page(error.code or 500, problems.DETAILS.get(error.code or 500, "")))
    app.register_error_handler(Exception, _failure)


def _failure(error: Exception) -> Response:
    if isinstance(error, Unavailable | DeadlineExceeded) or database.is_away(error):
        log.error("the database cannot be reached", error=describe_error(error))
        return _page(503, AWAY)
    log.error("a request failed unexpectedly", error=describe_error(error))
    return _page(500, problems.DETAILS[500])


def _page(status: int, detail: str, erased_at: str | None = None) -> Response:
    if "signed_in" not in g:
        g.signed_in = None
    # What may be answered in a moment can be sent again, with all that was typed.
    kept = guard.typed() if status == 503 and request.method == "POST" and request.endpoint not in guard.OPEN else []
    shown = {"title": HTTPStatus(status).phrase, "detail": detail, "erased_at": erased_at, "request_id": request_id(), "kept": kept}
    return rendering.page("problem.html", status, number=status, **shown)
