"""Bearer tokens: who may act, each with a right and, where it matters, the name of a person.

A name is one person, whatever its case and whichever list it is in. A token is in one list, once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from store.system.environment import Environment

#: A shorter token could be guessed. A digest does not tell how long its token is.
TOKEN_CHARS_MIN = 16

#: A person's old and new token, while one replaces the other; counted across all lists.
TOKENS_EACH_MAX = 2

#: The lists in which each token belongs to a person.
OF_PERSONS = ("OPERATOR_TOKENS", "PRIVACY_TOKENS")


@dataclass(frozen=True, kw_only=True)
class Token:
    """A bearer token, known by its digest, and the name of its owner."""

    name: str
    digest: bytes
    is_named: bool = True

    @property
    def person(self) -> str:
        """Return the person: `Day` and `day` are one."""
        return person(self.name)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Every list of tokens."""

    read: tuple[Token, ...]
    link: tuple[Token, ...]
    starter: tuple[Token, ...]
    operator: tuple[Token, ...]
    privacy: tuple[Token, ...]
    #: Empty: metrics and the API's description are open.
    metrics: tuple[Token, ...]


def read(environment: Environment) -> Tokens:
    """Return every list of tokens. The environment collects what is wrong with them."""
    lists = {field.name: f"{field.name.upper()}_TOKENS" for field in fields(Tokens)}
    found = Tokens(**{field: environment.each(name, parse) for field, name in lists.items()})
    named = {name: getattr(found, field) for field, name in lists.items()}
    for name in OF_PERSONS:
        if not all(token.is_named for token in named[name]):
            environment.wrong(name, "has a token without a name: give each as name=token, so that the audit log names who acted")
    _check_persons(environment, named)
    _check_distinct(environment, named)
    return found


def matching(tokens: Iterable[Token], presented: bytes) -> Token | None:
    """Return the presented token, if it is one of these; compared in constant time."""
    found = digest(presented)
    return next((token for token in tokens if hmac.compare_digest(token.digest, found)), None)


def digest(presented: bytes) -> bytes:
    """Return the digest by which a token is known."""
    return hashlib.sha256(presented).digest()


def person(name: str) -> str:
    """Return what two names of one person have in common."""
    return name.casefold()


def parse(entry: str) -> Token:
    """Return the token of an entry: `token` or `name=token`, the token plain or `sha256:<hex>`. Raises ValueError.

    Base64 may end a plain token with `=`."""
    name, separator, token = entry.partition("=")
    if not separator or (not token.strip("=") and len(name) >= TOKEN_CHARS_MIN):
        name, token = "", entry
    if not token.strip("= "):
        raise ValueError("has a name and no token")
    if name and not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        raise ValueError("has a name with other characters than letters, digits, '_', '.' and '-'")
    known = _digest(token)
    return Token(name=name or f"token {known.hex()[:8]}", digest=known, is_named=bool(name))


def _digest(token: str) -> bytes:
    if token.startswith("sha256:"):
        hexadecimal = token.removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", hexadecimal):
            raise ValueError("begins with sha256: and is not followed by 64 hex digits")
        return bytes.fromhex(hexadecimal)
    if len(token) < TOKEN_CHARS_MIN:
        raise ValueError(f"has a token of fewer than {TOKEN_CHARS_MIN} characters")
    return digest(token.encode())


def _check_persons(environment: Environment, named: dict[str, tuple[Token, ...]]) -> None:
    """Refuse a name with more tokens than a rotation needs. The problem names the list that holds the surplus token."""
    counted: Counter[str] = Counter()
    for name, tokens in named.items():
        counted.update(token.person for token in tokens if token.is_named)
        if any(counted[token.person] > TOKENS_EACH_MAX for token in tokens if token.is_named):
            environment.wrong(name, f"gives a name more than {TOKENS_EACH_MAX} tokens in all: a person has one, and one more to rotate")


def _check_distinct(environment: Environment, named: dict[str, tuple[Token, ...]]) -> None:
    """Refuse a token in two lists, which would have two rights, and one under two names, which would be two persons."""
    first: dict[bytes, str] = {}
    for name, tokens in named.items():
        if len({token.digest for token in tokens}) < len(tokens):
            environment.wrong(name, "has one token twice")
        for token in tokens:
            other = first.setdefault(token.digest, name)
            if other != name:
                environment.wrong(name, f"and {other} have one token in common")
