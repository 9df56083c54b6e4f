"""Who is signed in at this browser: the cookie, the session's row, and the person's rights of today."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from flask import Response, g, request

from receiver.web import auth, queries
from receiver.web.auth import Caller, Right
from store.access import console_sessions, tokens
from store.access.console_sessions import Session
from store.system import clock

#: The browser sends it over TLS (or to this machine), to this host alone, and shows it to no script. With a link from elsewhere it is sent
#: too, so that views can be shared; with a form from elsewhere it is not.
COOKIE = "__Host-standing"

#: A page's script reads a live part again with this header. That is no use of the session: a tab that is left open ends like any other.
AGAIN = "Standing-Again"

#: Sensitive acts need a token that was given within this time.
PROVED_MAX = timedelta(minutes=5)


@dataclass(frozen=True)
class SignedIn:
    """A person, with a session and a right."""

    session: Session
    caller: Caller


def current() -> SignedIn | None:
    """Return who is signed in at this browser. A person whose token was taken from the settings is signed in no longer."""
    secret = request.cookies.get(COOKIE)
    found = queries.read(lambda connection: console_sessions.find(connection, secret)) if secret else None
    if found is None or (found.is_by_token and not _has_token(found, str(secret))):
        return None
    if found.is_to_be_seen and AGAIN not in request.headers:
        queries.write(lambda connection: console_sessions.see(connection, found.id))
    return SignedIn(found, Caller(found.person, Right(found.right)))


def begin(caller: Caller, token: bytes) -> None:
    """Begin a session at this browser, under a new secret, for the caller who gave a token."""
    known = tokens.digest(token)
    begun = queries.write(lambda connection: console_sessions.begin(connection, person=caller.name, right=caller.right, token_digest=known))
    g.browser = begun.secret


def prove(person: SignedIn, token: str) -> bool:
    """Return whether a person gave the token in the last minutes, or gives it now."""
    if token:
        caller = auth.owner(token.strip().encode())
        if caller is None or (tokens.person(caller.name), caller.right) != (tokens.person(person.caller.name), person.caller.right):
            return False
        queries.write(lambda connection: console_sessions.prove(connection, person.session.id))
        return True
    return abs(clock.now() - person.session.proved_at) < PROVED_MAX


def forget() -> None:
    """Have the browser begin with nothing."""
    g.browser = _drawn()


def browser() -> str:
    """Return the secret that this browser holds, or is given with this answer."""
    if "browser" not in g:
        g.browser = request.cookies.get(COOKIE) or _drawn()
    return str(g.browser)


def keep(response: Response) -> Response:
    """Give the browser its secret, if it has another one."""
    if "browser" in g and g.browser != request.cookies.get(COOKIE):
        response.set_cookie(COOKIE, g.browser, path="/", secure=True, httponly=True, samesite="Lax")
    return response


def _has_token(session: Session, secret: str) -> bool:
    """Return whether the token that the session was begun with is still this person's, with this right."""
    mine = [token for token in auth.lists()[Right(session.right)] if token.is_named and token.person == tokens.person(session.person)]
    return any(session.began_with(secret, token.digest) for token in mine)


def _drawn() -> str:
    return secrets.token_urlsafe(32)
