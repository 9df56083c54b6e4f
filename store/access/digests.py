"""Keyed digests: what is left of a name or a body once it is erased. Without INDEX_KEY no guess can be compared with one."""

from __future__ import annotations

import hmac
from functools import cache

from store import config
from store.database.sessions import Unfit
from store.text.states import ApplicantKey


class NoIndexKey(Unfit):
    """INDEX_KEY is missing: nothing can be erased, and nothing that was erased can be recognised."""

    def __init__(self) -> None:
        super().__init__("INDEX_KEY is missing: base64 of 32 random bytes, the same on all hosts, to be backed up and never replaced")


class WrongIndexKey(Unfit):
    """INDEX_KEY is another than the one that kept digests were made with."""

    def __init__(self) -> None:
        super().__init__("INDEX_KEY is not the key that the digests of this database were made with: give the one that you backed up")


def of(kind: str, *parts: bytes | str) -> bytes:
    """Return the digest of what `parts` name together, apart from that of any other kind. Raises NoIndexKey."""
    return hmac.digest(_key(), _joined(kind, *parts), "sha256")


def of_applicant(key: ApplicantKey) -> bytes:
    """Return the digest of an applicant's key. Raises NoIndexKey."""
    return of("applicant", *key)


def of_user(environment: str, external_user_id: str) -> bytes:
    """Return the digest of a user's id. Raises NoIndexKey."""
    return of("user", environment, external_user_id)


def check() -> bytes:
    """Return what shows, on every start, that INDEX_KEY is the one that the database's digests were made with. Raises NoIndexKey."""
    return of("check")


def prove(kept: bytes | None) -> None:
    """Compare INDEX_KEY with the check value that was kept beside digests; None: there are none. Raises NoIndexKey and WrongIndexKey."""
    if kept is not None and kept != check():
        raise WrongIndexKey


def _joined(*parts: bytes | str) -> bytes:
    """Return the parts so that no other parts give the same bytes: each with its length before it."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)


@cache
def _key() -> bytes:
    found = config.settings().privacy.index_key
    if found is None:
        raise NoIndexKey
    return found
