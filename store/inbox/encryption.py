"""Encryption at rest: bodies are sealed with AES-256-GCM, each bound to the id of its event, so that no two can be exchanged."""

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
    """Keys for data at rest, newest first. The first encrypts; any may decrypt."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._newest = key_id(keys[0])

    def seal(self, body: bytes, *, event_id: str) -> tuple[str, bytes]:
        """Return the id of the key used, and nonce with ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return self._newest, nonce + self._ciphers[self._newest].encrypt(nonce, body, _binding(self._newest, event_id))

    def open(self, sealed: bytes, *, key_id: str, event_id: str) -> bytes:
        """Return the body that was sealed for this event. Raises Unopenable."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unopenable(f"no configured key has the id {key_id}")
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _binding(key_id, event_id))
        except InvalidTag as error:
            raise Unopenable("the sealed body was changed, or belongs to another event") from error


@cache
def keyring() -> Keyring:
    """Return the configured keys."""
    return Keyring(config.settings().encryption_keys)


def key_id(key: bytes) -> str:
    """Return a key's public name: the beginning of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def fingerprints(secret: bytes, keys: tuple[bytes, ...]) -> tuple[str, ...]:
    """Return the names under which a secret may be shown: one for each key for data at rest, the newest first.

    Without such a key a guess cannot be compared with a name, however weak the secret is. Hosts with the same keys compute the same
    names."""
    return tuple(hmac.digest(_naming_key(key), secret, "sha256").hex()[:FINGERPRINT_CHARS] for key in keys)


@cache
def _naming_key(key: bytes) -> bytes:
    """Derive a key for names alone from a key for data at rest."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"standing: fingerprints of secrets").derive(key)


def _binding(key_id: str, event_id: str) -> bytes:
    return f"{key_id}|{event_id}".encode()
