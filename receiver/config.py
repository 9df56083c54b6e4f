"""What the web process is told from outside: secrets, tokens, limits."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from receiver import peers
from receiver.vendors import VENDORS
from receiver.vendors.base import Key, Scheme
from store import config, sealing
from store.config import Environment

#: A text with `=` at its end alone is a name without its token, unless it is as long as base64 of a secret.
NAMELESS_CHARS_MIN = 16

MAX_BODY_BYTES = 5 * 1024 * 1024

#: nginx keeps connections to its upstreams for 60 s, an ALB for as long.
KEEPALIVE_SECONDS = 75


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A vendor that is configured: how it signs, and with which keys."""

    scheme: Scheme
    keys: tuple[Key, ...]


@dataclass(frozen=True, kw_only=True)
class Token:
    """A bearer token, known by its digest, and whose it is."""

    name: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The web process's settings."""

    host: str
    port: int
    processes: int
    #: How many connections each process serves at a time; further ones wait in line.
    connections: int
    #: The vendors that have secrets; the others answer 404.
    senders: dict[str, Sender]
    read_tokens: tuple[Token, ...]
    link_tokens: tuple[Token, ...]
    operator_tokens: tuple[Token, ...]
    #: Empty: metrics and the API's description are open.
    metrics_tokens: tuple[Token, ...]
    max_body_bytes: int
    #: Proxies whose `X-Forwarded-For` is believed, for logs alone.
    trusted_proxies: tuple[peers.Network, ...]
    #: How long a connection without a request is kept: longer than a proxy keeps it, so that the proxy closes it, and not this end.
    keepalive_seconds: int


def read(environment: Environment) -> Settings:
    """The web process's settings; what is wrong with them is remembered by the environment."""
    return Settings(
        host=environment.text("HOST", "127.0.0.1"),
        port=environment.number("PORT", 8000, most=65535),
        processes=environment.number("WEB_CONCURRENCY", 2),
        connections=environment.number("WEB_CONNECTIONS", 200),
        senders={name: sender for name in VENDORS if (sender := _sender(environment, name)).keys},
        read_tokens=environment.each("READ_TOKENS", _token),
        link_tokens=environment.each("LINK_TOKENS", _token),
        operator_tokens=environment.each("OPERATOR_TOKENS", _token),
        metrics_tokens=environment.each("METRICS_TOKENS", _token),
        max_body_bytes=environment.number("MAX_BODY_BYTES", MAX_BODY_BYTES),
        trusted_proxies=environment.each("TRUSTED_PROXIES", peers.network),
        keepalive_seconds=environment.number("KEEPALIVE_SECONDS", KEEPALIVE_SECONDS, most=3600),
    )


@cache
def settings() -> Settings:
    """The web process's settings and, checked along with them, the store's. Read once in a process. Raises Misconfigured."""
    environment = Environment()
    config.read(environment)
    found = read(environment)
    environment.check()
    return found


def _sender(environment: Environment, vendor: str) -> Sender:
    module, prefix = VENDORS[vendor], vendor.upper()
    scheme = module.scheme(environment)
    names = {f"{prefix}_SECRETS": "live", f"{prefix}_SANDBOX_SECRETS": "sandbox"}
    naming_keys = config.encryption_keys(environment)
    keys = [
        Key(secret=secret, environment=world, fingerprints=sealing.fingerprints(secret, naming_keys))
        for name, world in names.items()
        for secret in environment.each(name, lambda text: module.parse_secret(text, scheme))
    ]
    if len({key.secret for key in keys}) < len(keys):
        environment.wrong(f"{prefix}_SECRETS", f"and {prefix}_SANDBOX_SECRETS must all be different: one is given twice")
    return Sender(scheme=scheme, keys=tuple(keys))


def _token(entry: str) -> Token:
    """`token` or `name=token`, the token plain or `sha256:<hex>`. Base64 may end a plain token with `=`."""
    name, separator, token = entry.partition("=")
    if not separator or (not token.strip("=") and len(name) >= NAMELESS_CHARS_MIN):
        name, token = "", entry
    if not token.strip("= "):
        raise ValueError("has a name and no token")
    if name and not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        raise ValueError("has a name with other characters than letters, digits, '_', '.' and '-'")
    if not token.startswith("sha256:"):
        digest = hashlib.sha256(token.encode()).digest()
    elif re.fullmatch(r"[0-9a-fA-F]{64}", token.removeprefix("sha256:")):
        digest = bytes.fromhex(token.removeprefix("sha256:"))
    else:
        raise ValueError("begins with sha256: and is not followed by 64 hex digits")
    return Token(name=name or f"token {digest.hex()[:8]}", digest=digest)
