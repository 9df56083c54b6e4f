"""The guard: who may see and do what in the console. Every request passes it before any page.

A request needs a session, except to sign in (`OPEN`). Every view states a right. Whatever changes something needs the form's token
and comes from a page of ours. Sensitive acts need a token that was given in the last minutes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, render_template, request, url_for
from gevent import Timeout
from werkzeug.exceptions import NotFound, RequestTimeout

from receiver.console import PREFIX, sessions
from receiver.console.api import Api
from receiver.console.attempts import ATTEMPTS, TOO_MANY
from receiver.console.sessions import SignedIn
from receiver.web import attempts, auth
from receiver.web.auth import GRANTED, Right, TooSmallRight
from store.access import tokens
from store.text.names import is_storable

#: Endpoints that need no session.
OPEN = ("static", "signing_in.show", "signing_in.sign_in")

#: Scripts, styles and pictures are files of ours; nothing is loaded from elsewhere, nothing is inline, and no other site frames a page.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # No other host learns which page a person came from. Without any referrer browsers send no Origin with a form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

SESSION_ENDED = "The session has ended, and nothing was done. Sign in, and you can send what you had typed."
NOT_THEIRS = "This is not the token of the person who is signed in."

#: Seconds that a form may take to arrive: a stranger who sends slowly would keep a place from others.
BODY_SECONDS_MAX = 5.0

View = Callable[..., Any]


class Forbidden(Exception):
    """The person may not see or do this, or the form is not one of ours. The message is shown."""


def needs(right: Right, *, proof: bool = False) -> Callable[[View], View]:
    """State the right that a view needs; with `proof`, that its person gave the token in the last minutes."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(**path: str) -> Any:
            _check_right(right, path)
            return (_asked_again() if proof else None) or view(**path)

        guarded.__dict__["right"] = right
        return guarded

    return decorate


def person() -> SignedIn:
    """Return the person who is signed in."""
    found: SignedIn = g.signed_in
    return found


def may(right: Right) -> bool:
    """Return whether the person who is signed in has a right."""
    return right in GRANTED[person().caller.right]


def is_own(name: str) -> bool:
    """Return whether the person who is signed in has this name: what that person began, another one decides."""
    return tokens.person(name) == tokens.person(person().caller.name)


def typed() -> list[tuple[str, str]]:
    """Return what the form of the current request holds, without its secrets."""
    return [(name, value) for name, value in request.form.items(multi=True) if name not in ("csrf", "token")]


def protect(app: Flask, api: Flask) -> None:
    """Let no request of an application pass without a session, and have pages ask an API."""

    def check() -> Any:
        if request.endpoint in (None, "static"):
            return None
        if not all(map(is_storable, (request.view_args or {}).values())):
            raise NotFound  # No name of anything: neither a page nor an address can hold such bytes.
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            _check_form()
        if request.endpoint in OPEN:
            return None
        g.signed_in = sessions.current()
        if g.signed_in is None:
            return _to_sign_in()
        g.api = Api(api, g.signed_in.caller)
        return None

    app.before_request(check)
    app.after_request(_close)


def check_rights_stated(app: Flask) -> None:
    """Check that every view states the right that it needs."""
    without = [name for name, view in app.view_functions.items() if name not in OPEN and "right" not in vars(view)]
    assert not without, f"these views state no right: {', '.join(without)}"


def csrf_token() -> str:
    """Return the token of this browser's forms."""
    return hmac.new(sessions.browser().encode(), b"form", "sha256").hexdigest()


def _check_right(right: Right, path: dict[str, str]) -> None:
    """Raises Forbidden where the person has too small a right; the audit log records that, as of a call of the API."""
    try:
        with attempts.recorded(person().caller, path):
            auth.check(person().caller, right)
    except TooSmallRight as error:
        raise Forbidden(f"This page needs a token with the right to {right}.") from error


def _check_form() -> None:
    """Raises Forbidden unless a page of ours made this request."""
    if _host_of(request.headers.get("Origin", "")) != request.host:
        raise Forbidden("This request does not come from a page of the console.")
    with Timeout(BODY_SECONDS_MAX, RequestTimeout()):
        request.form  # noqa: B018 - This reads the body, before anything else does.
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), csrf_token().encode()):
        raise Forbidden("This form is too old. Go back, load the page, and send it again.")


def _host_of(origin: str) -> str | None:
    """Return the host of an origin, with its port; None where it names none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _asked_again() -> Response | None:
    """Return the form again, with all that it held, and a field for the token; None if the token was given."""
    token = request.form.get("token", "")
    if token and not ATTEMPTS.may_try():
        return _prove(TOO_MANY, 429)
    if sessions.prove(person(), token):
        return None
    if token:
        ATTEMPTS.refused()
    return _prove(NOT_THEIRS if token else "", 403)


def _prove(wrong: str, status: int) -> Response:
    return Response(render_template("prove.html", kept=typed(), wrong=wrong), status)


def _to_sign_in() -> Any:
    """Lead to the form that takes a token; after another form, ask for the token at once, and keep what was typed."""
    if request.method != "POST" or request.endpoint == "signing_in.sign_out":
        return redirect(url_for("signing_in.show", next=_here()), 303)
    return Response(render_template("signing_in.html", says=SESSION_ENDED, next=f"{PREFIX}/", kept=typed(), again=_address()), 403)


def _here() -> str:
    """Return the address of this view as the browser wrote it: an id in it may hold any character."""
    return _address() if request.method == "GET" else ""


def _address() -> str:
    return str(request.environ.get("RAW_URI", ""))


def _close(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
