"""Encryption at rest: each body has a data key of its own, which a master key wraps. Both are AES-256-GCM, bound to the event's id.

Deleting the wrapped data key makes the body unreadable; so does destroying the master key, in every backup that holds the wrapped key.
Bodies of the old form (before revision 0017) are sealed by the master key itself. They stay readable until `standing keys rotate`
converts them.

Master keys may change while a process runs. A process reads them again when it meets a key that it does not know, and, if they are in
Standing's own file, when that file changed. A master key is in the file before any process wraps with it, so that every process can unwrap.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from store import config

NONCE_BYTES, KEY_BYTES = 12, 32

#: Those of earlier versions, which took no key to make, had 8.
FINGERPRINT_CHARS = 16

#: A process looks at most so often whether the master keys changed.
LOOK_SECONDS = 1.0

#: `events.key_id` of a body that has a data key of its own.
NO_MASTER_KEY = ""

Keys = tuple[bytes, ...]


class Unopenable(Exception):
    """A sealed body cannot be opened: its key is not configured, or the bytes are not what was sealed."""


class WrappedKey(NamedTuple):
    """The data key of one event, encrypted by a master key."""

    #: The id of the master key.
    key_id: str
    wrapped: bytes


class Sealed(NamedTuple):
    """An encrypted body, and its wrapped data key."""

    body: bytes
    key: WrappedKey


class Keyring:
    """Master keys, newest first. The first wraps; any may unwrap."""

    def __init__(self, keys: Keys, *, reread: Callable[[], Keys] | None = None, watched: Path | None = None) -> None:
        """`reread` returns the keys as they are configured now. `watched`: the file whose change means that there is a newer key."""
        self._reread, self._watched = reread, watched
        self._looked_at = 0.0
        #: When each unknown key was last looked for in vain.
        self._missed: dict[str, float] = {}
        self._file_seen = _version(watched)
        self._take(keys)
        #: The ids of keys whose first use the database has recorded.
        self.recorded: set[str] = set()

    @property
    def ids(self) -> list[str]:
        """Return the public ids of the keys, newest first."""
        return list(self._ciphers)

    @property
    def newest(self) -> str:
        """Return the id of the key that wraps."""
        return next(iter(self._ciphers))

    def seal(self, body: bytes, *, event_id: str) -> Sealed:
        """Encrypt a body with a random data key, and wrap that with the newest master key."""
        self._look_at_file()
        data_key = os.urandom(KEY_BYTES)
        return Sealed(_encrypt(AESGCM(data_key), body, _of_body(event_id)), self._wrap(data_key, event_id))

    def open(self, body: bytes, *, key_id: str, event_id: str, wrapped: WrappedKey | None) -> bytes:
        """Return the body that was sealed for this event, in either form: with its wrapped data key, or by the master key `key_id`. Raises
        Unopenable."""
        if wrapped:
            return open_with(self.unwrap(wrapped, event_id=event_id), body, event_id=event_id)
        if key_id == NO_MASTER_KEY:
            raise Unopenable("its data key was deleted, as of an event that is erased")
        return _decrypt(self._cipher(key_id), body, _of_old_form(key_id, event_id))

    def unwrap(self, wrapped: WrappedKey, *, event_id: str) -> bytes:
        """Return the data key of an event. Raises Unopenable."""
        return _decrypt(self._cipher(wrapped.key_id), wrapped.wrapped, _of_key(wrapped.key_id, event_id))

    def rewrap(self, wrapped: WrappedKey, *, event_id: str) -> WrappedKey:
        """Return the same data key, wrapped with the newest master key. Raises Unopenable."""
        return self._wrap(self.unwrap(wrapped, event_id=event_id), event_id)

    def read_again(self) -> None:
        """Take the keys as they are configured now. What is wrong with them is ignored: the keys in memory still count."""
        self._looked_at, self._file_seen = time.monotonic(), _version(self._watched)
        if self._reread and (keys := self._reread()):
            self._take(keys)

    def _take(self, keys: Keys) -> None:
        # One assignment: other threads see the old keys or the new ones.
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}

    def _wrap(self, data_key: bytes, event_id: str) -> WrappedKey:
        key_id, cipher = next(iter(self._ciphers.items()))
        return WrappedKey(key_id, _encrypt(cipher, data_key, _of_key(key_id, event_id)))

    def _cipher(self, key_id: str) -> AESGCM:
        if key_id not in self._ciphers and time.monotonic() - self._missed.get(key_id, float("-inf")) > LOOK_SECONDS:
            self.read_again()
        found = self._ciphers.get(key_id)
        if found is None:
            self._missed[key_id] = time.monotonic()
            raise Unopenable(f"no configured key has the id {key_id}")
        return found

    def _look_at_file(self) -> None:
        if self._watched and self._may_look():
            self._looked_at = time.monotonic()
            if _version(self._watched) != self._file_seen:
                self.read_again()

    def _may_look(self) -> bool:
        return time.monotonic() - self._looked_at > LOOK_SECONDS


@cache
def keyring() -> Keyring:
    """Return the configured keys."""
    return Keyring(config.settings().encryption_keys, reread=config.encryption_keys_now, watched=config.generated_keys())


def open_with(data_key: bytes, body: bytes, *, event_id: str) -> bytes:
    """Return the body that was sealed for this event, with its data key. Raises Unopenable."""
    return _decrypt(AESGCM(data_key), body, _of_body(event_id))


def key_id(key: bytes) -> str:
    """Return a key's public name: the beginning of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def fingerprints(secret: bytes, keys: Keys) -> tuple[str, ...]:
    """Return the names under which a secret may be shown: one for each key for data at rest, the newest first.

    Without such a key a guess cannot be compared with a name, however weak the secret is. Hosts with the same keys compute the same
    names."""
    return tuple(hmac.digest(_naming_key(key), secret, "sha256").hex()[:FINGERPRINT_CHARS] for key in keys)


@cache
def _naming_key(key: bytes) -> bytes:
    """Derive a key for names alone from a key for data at rest."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"standing: fingerprints of secrets").derive(key)


def _encrypt(cipher: AESGCM, plain: bytes, binding: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, binding)


def _decrypt(cipher: AESGCM, sealed: bytes, binding: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], binding)
    except InvalidTag as error:
        raise Unopenable("the sealed body or its key was changed, or belongs to another event") from error


# What each is bound to. The three differ, so that none can take the place of another.


def _of_body(event_id: str) -> bytes:
    return f"body|{event_id}".encode()


def _of_key(key_id: str, event_id: str) -> bytes:
    return f"key|{key_id}|{event_id}".encode()


def _of_old_form(key_id: str, event_id: str) -> bytes:
    return f"{key_id}|{event_id}".encode()


def _version(file: Path | None) -> tuple[int, int] | None:
    """Return what changes with each replacement of a file; None without one."""
    try:
        found = file and file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino) if found else None
