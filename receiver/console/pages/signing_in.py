"""Signing in and out: a token is given once, and becomes a session."""

from __future__ import annotations

import re

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import PREFIX, guard, rendering, sessions
from receiver.console.attempts import ATTEMPTS, TOO_MANY
from receiver.web import auth
from receiver.web.auth import GRANTED, Right
from store.access import tokens

blueprint = Blueprint("signing_in", __name__)

UNKNOWN = "This token is not known here, or its owner has no name. The console is for people: name=token in OPERATOR_TOKENS, \
PRIVACY_TOKENS or READ_TOKENS."

#: What the names of fields begin with that signing in keeps for another form.
KEPT = "kept."

#: An address of ours. What a browser would read another way than we do is none.
_OURS = re.compile(rf"{PREFIX}/[^\\\x00-\x20\x7f]{{0,2000}}")


@blueprint.get("/sign-in")
def show() -> Response:
    """Return the form that takes a token."""
    return _form(200)


@blueprint.post("/sign-in")
def sign_in() -> AnyResponse:
    """Begin a session for the token's owner, and lead to the page that was asked for."""
    if not ATTEMPTS.may_try():
        answer = _form(429, TOO_MANY)
        answer.headers["Retry-After"] = "60"
        return answer
    token = request.form.get("token", "").strip().encode()
    caller = auth.owner(token)
    if caller is None or Right.READ not in GRANTED[caller.right] or not _is_named(caller):
        ATTEMPTS.refused()
        return _form(403, UNKNOWN)
    sessions.begin(caller, token)
    again = _again()
    return rendering.page("again.html", again=again, kept=_kept(), name=caller.name) if again else redirect(_next(), 303)


@blueprint.post("/sign-out")
@guard.needs(Right.READ)
def sign_out() -> AnyResponse:
    """End this session."""
    g.api.delete("sessions", guard.person().session.id)
    sessions.forget()
    return redirect(rendering.to("signing_in.show"), 303)


def _form(status: int, says: str = "") -> Response:
    g.signed_in = None
    return rendering.page("signing_in.html", status, says=says, next=_next(), kept=_kept(), again=_again())


def _kept() -> list[tuple[str, str]]:
    """Return what a form held that came after its session had ended."""
    return [(name.removeprefix(KEPT), value) for name, value in guard.typed() if name.startswith(KEPT)]


def _again() -> str:
    """Return where that form was to go; empty if there was none."""
    wanted = request.form.get("again", "")
    return wanted if _OURS.fullmatch(wanted) else ""


def _is_named(caller: auth.Caller) -> bool:
    return any(token.is_named and token.person == tokens.person(caller.name) for token in auth.lists()[caller.right])


def _next() -> str:
    """Return the page of ours that was asked for; else the first one."""
    wanted = request.values.get("next", "")
    return wanted if _OURS.fullmatch(wanted) else f"{PREFIX}/"
