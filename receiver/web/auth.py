"""Authorization: bearer tokens, each with a right and a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from flask import request

from receiver import config
from receiver.web.problems import Problem
from store.access import tokens
from store.access.operators import Actor
from store.access.tokens import Token

#: Where the console names the caller, in a request that it makes within its process. No HTTP client can set it.
CALLER = "standing.caller"


class Right(StrEnum):
    """What a call needs. `GRANTED` says which rights each token has."""

    READ = "read"
    LINK = "link"
    #: To start verifications at the vendors, and to see those that were started.
    START = "start"
    OPERATE = "operate"
    #: All that is done about a person's data: holds, erasures, retention, access.
    PRIVACY = "privacy"
    #: To request an erasure and to place a hold. No token has this right alone.
    REQUEST = "request"
    #: Metrics and the API's description. Every caller has it where no token is set for it, and no other token gives it.
    WATCH = "watch"


#: The rights of the tokens in each list, by the right that names the list.
GRANTED: dict[Right, frozenset[Right]] = {
    Right.OPERATE: frozenset({Right.READ, Right.LINK, Right.START, Right.OPERATE, Right.REQUEST}),
    Right.PRIVACY: frozenset({Right.READ, Right.PRIVACY, Right.REQUEST}),
    Right.READ: frozenset({Right.READ}),
    Right.LINK: frozenset({Right.LINK}),
    Right.START: frozenset({Right.START}),
}


@dataclass(frozen=True)
class Caller:
    """The caller, by the name of the token."""

    name: str
    right: Right

    @property
    def actor(self) -> Actor:
        """Return the person who makes the request."""
        return Actor(name=self.name, by_token=True)

    @property
    def is_privacy_officer(self) -> bool:
        return self.right == Right.PRIVACY


class TooSmallRight(Problem):
    """403: the caller is known, and has too small a right."""

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


def caller_of(right: Right) -> Caller:
    """Return the caller of a call that needs a right. Raises a problem: 401 without a known token."""
    return _watcher() if right == Right.WATCH else _caller()


def check(caller: Caller, right: Right) -> None:
    """Check that a caller has a right. Raises TooSmallRight."""
    if right != Right.WATCH and right not in GRANTED[caller.right]:
        raise TooSmallRight(f"This call needs a token with the right to {right}.")


def may_see_details() -> bool:
    """Return whether the caller may see counts and details: with a metrics token, or one that may read."""
    lists = config.settings().tokens
    return _matching((*lists.metrics, *lists.read, *lists.operator, *lists.privacy)) is not None


def _watcher() -> Caller:
    some = config.settings().tokens.metrics
    token = _matching(some)
    if some and token is None:
        raise _unauthorized()
    return Caller(token.name if token else "anybody", Right.WATCH)


def _caller() -> Caller:
    within = request.environ.get(CALLER)
    found = within if isinstance(within, Caller) else owner(_presented())
    if found is None:
        raise _unauthorized()
    return found


def owner(presented: bytes) -> Caller | None:
    """Return the caller whose token this is."""
    for right, some in lists().items():
        if token := tokens.matching(some, presented):
            return Caller(token.name, right)
    return None


def lists() -> dict[Right, tuple[Token, ...]]:
    """Return the tokens that give each right."""
    given = config.settings().tokens
    return {
        Right.OPERATE: given.operator,
        Right.PRIVACY: given.privacy,
        Right.READ: given.read,
        Right.LINK: given.link,
        Right.START: given.starter,
    }


def _matching(some: Iterable[Token]) -> Token | None:
    return tokens.matching(some, _presented())


def _presented() -> bytes:
    """Return the token that the request bears; nothing that is a token, if it bears none."""
    kind, _, presented = request.headers.get("Authorization", "").partition(" ")
    # WSGI hands the header's bytes over as Latin-1: these are the bytes that were sent.
    return presented.strip().encode("latin-1", "replace") if kind.lower() == "bearer" else b""


def _unauthorized() -> Problem:
    return Problem(401, "This call needs a bearer token that is known here.", {"WWW-Authenticate": "Bearer"})
