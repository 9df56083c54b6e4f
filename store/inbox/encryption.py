"""Bodies at rest: sealed with AES-256-GCM, each bound to its event's id, so that no two can be exchanged."""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from store import config

NONCE_BYTES = 12

#: Those of earlier versions, which took no key to make, had 8.
FINGERPRINT_CHARS = 16


class Unopenable(Exception):
    """A sealed body cannot be opened: its key is not configured, or the bytes are not what was sealed."""


class Keyring:
    """Keys for data at rest, newest first: the first seals, any may open."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._newest = key_id(keys[0])

    def seal(self, body: bytes, *, event_id: str) -> tuple[str, bytes]:
        """The id of the key used, and nonce and ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return self._newest, nonce + self._ciphers[self._newest].encrypt(nonce, body, _binding(self._newest, event_id))

    def open(self, sealed: bytes, *, key_id: str, event_id: str) -> bytes:
        """The body that was sealed for this event. Raises Unopenable."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unopenable(f"no configured key has the id {key_id}")
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _binding(key_id, event_id))
        except InvalidTag as error:
            raise Unopenable("the sealed body was changed, or belongs to another event") from error


@cache
def keyring() -> Keyring:
    """The configured keys."""
    return Keyring(config.settings().encryption_keys)


def key_id(key: bytes) -> str:
    """A key's public name: the beginning of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def fingerprints(secret: bytes, keys: tuple[bytes, ...]) -> tuple[str, ...]:
    """Return what a secret is called where it must not be shown, one name by each key for data at rest, the newest key's first.

    Who has no such key cannot compare a guess with a name, however weak the secret is. Hosts with the same keys give the same names."""
    return tuple(hmac.digest(_naming_key(key), secret, "sha256").hex()[:FINGERPRINT_CHARS] for key in keys)


@cache
def _naming_key(key: bytes) -> bytes:
    """A key for names alone, derived from one for data at rest."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"standing: fingerprints of secrets").derive(key)


def _binding(key_id: str, event_id: str) -> bytes:
    return f"{key_id}|{event_id}".encode()
