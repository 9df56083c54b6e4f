"""Signature schemes: what each vendor's module must offer, and the comparison that all of them use."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import msgspec

from store.inbox.deliveries import Delivery
from store.system.environment import Environment
from store.text import json_body


class Forged(Exception):
    """No signature, a wrong one, or one by a refused algorithm."""


class Stale(Forged):
    """The signature is right, and its time is more than 5 minutes off."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """One secret that a vendor may sign with, and the environment its deliveries belong to."""

    secret: bytes
    environment: str
    #: What the secret is called where it must not be shown, by each key for data at rest, the newest key's first.
    fingerprints: tuple[str, ...] = field(default=(), compare=False)

    @property
    def fingerprint(self) -> str | None:
        """The name under which uses of the secret are counted; None without a key for data at rest."""
        return next(iter(self.fingerprints), None)


class Headers(Protocol):
    """A request's headers, whatever the case of their names."""

    def get(self, key: str, default: str) -> str: ...


class RequestHeaders:
    """The headers of a request's environment. Flask's own cost several times as much to read."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def get(self, key: str, default: str) -> str:
        value: str = self._environ.get(_place_of(key), default)
        return value

    def __contains__(self, key: str) -> bool:
        return _place_of(key) in self._environ


@cache
def _place_of(name: str) -> str:
    """Return where a header's value is in a request's environment."""
    place = name.upper().replace("-", "_")
    return place if place in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{place}"


class Scheme(Protocol):
    """How one vendor's deliveries are authenticated, as configured."""

    @property
    def signature_header(self) -> str:
        """The name of the header with the signature."""
        ...

    def authenticate(self, headers: Headers, body: bytes, keys: tuple[SigningKey, ...], *, now: datetime) -> Delivery:
        """Return the delivery, as an event to keep. Raises Forged or Stale, and nothing else, whatever was sent."""
        ...

    def sign(self, body: bytes, secret: bytes, *, event_type: str, now: datetime) -> dict[str, str]:
        """The headers that the vendor would send with a body: for the simulator and for tests."""
        ...


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What a vendor's module offers."""

    #: Returns its scheme, as the environment configures it.
    configure: Callable[[Environment], Scheme]
    #: A configured secret as the bytes to sign with, in that scheme. Raises ValueError.
    parse_secret: Callable[[str, Scheme], bytes]


def signing_key(keys: tuple[SigningKey, ...], given: str, digest: Callable[[bytes], str]) -> SigningKey:
    """Return the key whose digest is the given one, whatever its case; compared in constant time. Raises Forged."""
    # WSGI hands headers over as Latin-1; compare_digest on text would raise for what is not ASCII.
    presented = given.strip().lower().encode("latin-1", "replace")
    for key in keys:
        if hmac.compare_digest(digest(key.secret).encode(), presented):
            return key
    raise Forged


def header_name(environment: Environment, name: str, default: str) -> str:
    """Return the name of a header, as configured."""
    header = environment.text(name, default)
    if not is_header_name(header):
        environment.wrong(name, "is no name of a header")
    return header


def is_header_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9-]{1,100}", text) is not None


def environment_of(key: SigningKey, body: bytes) -> str:
    """Return `sandbox` if its secret signed, or if the body says so: `sandboxMode` is there and is neither false, "false" nor null."""
    return "sandbox" if _says_sandbox(body) else key.environment


def peek(body: bytes, shape: type[json_body.Shape]) -> json_body.Shape:
    """Return the fields of a body that identify its event; an empty struct if the body cannot be read, which is not decided here."""
    try:
        return json_body.decode(body, shape)
    except json_body.NoObject:
        return shape()


def sha256(*parts: bytes) -> bytes:
    """Return the digest of several parts. Only the last may contain a NUL."""
    return hashlib.sha256(b"\0".join(parts)).digest()


class _Mode(msgspec.Struct):
    sandboxMode: Any = None


def _says_sandbox(body: bytes) -> bool:
    """Return whether any `sandboxMode` of the body says sandbox. A key may be escaped, and may occur twice: all of them count."""
    escaped = b"\\u" in body
    if b"sandboxMode" not in body and not escaped:
        return False
    if not escaped and body.count(b"sandboxMode") == 1:
        return _is_sandbox(peek(body, _Mode).sandboxMode)
    return any(map(_is_sandbox, [peek(body, _Mode).sandboxMode, *json_body.values_of(body, "sandboxMode")]))


def _is_sandbox(mode: object) -> bool:
    return mode is not None and mode is not False and mode != "false"
