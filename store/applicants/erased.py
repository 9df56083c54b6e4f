"""The erased: which applicants were erased. What comes later about one of them is erased once it is read.

Only a keyed digest of each is kept, so the table names no person."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, exists, select, update

from store import database
from store.access import digests
from store.database import bulk
from store.database.privacy_tables import Fence, PrivacyState
from store.system import clock
from store.text.states import ApplicantKey

#: The lock that a worker shares and an erasure has alone.
FENCES_LOCK = b"FENCES"


#: How many digests one query looks up.
ASKED_AT_ONCE = 5000


class Erased(Struct, frozen=True, kw_only=True):
    """An applicant's erasure."""

    erasure_id: str
    erased_at: datetime
    #: News whose time of the vendor's clock is later counts. None: no news does.
    readmitted_at: datetime | None

    def lets_in(self, at: datetime | None) -> bool:
        """Return whether news of this time of the vendor's clock counts. Without a time it does not."""
        return self.readmitted_at is not None and at is not None and at > self.readmitted_at


def among(connection: Connection, keys: Collection[ApplicantKey]) -> dict[ApplicantKey, Erased]:
    """Return those of the applicants that were erased. Raises NoIndexKey and WrongIndexKey."""
    if not keys or not is_any(connection):
        return {}
    by_digest = {digests.of_applicant(key): key for key in keys}
    queries = (select(Fence.__table__).where(Fence.digest.in_(some)) for some in bulk.parts(list(by_digest), ASKED_AT_ONCE))
    return {by_digest[row.digest]: _erased(row) for query in queries for row in connection.execute(query)}


def erased_here(connection: Connection, keys: Collection[ApplicantKey]) -> dict[ApplicantKey, Erased]:
    """Return those of the applicants that were erased, and were not readmitted."""
    return {key: one for key, one in among(connection, keys).items() if one.readmitted_at is None}


def find(connection: Connection, key: ApplicantKey) -> Erased | None:
    """Return an applicant's erasure; None if it was not erased, or was readmitted."""
    return erased_here(connection, [key]).get(key)


def admitted(connection: Connection, keys: Iterable[ApplicantKey]) -> list[ApplicantKey]:
    """Return those of the applicants that were not erased, or were readmitted. Until this transaction ends no other applicant is fenced, so
    that what is written of the returned applicants is found by a later erasure."""
    hold_fences(connection)
    return not_erased(connection, keys)


def not_erased(connection: Connection, keys: Iterable[ApplicantKey]) -> list[ApplicantKey]:
    """Return those of the applicants that were not erased, or were readmitted."""
    keys = list(keys)
    gone = erased_here(connection, keys)
    return [key for key in keys if key not in gone]


def hold_fences(connection: Connection) -> None:
    """Let no applicant be fenced until this transaction ends. A transaction that fences waits for those before it, so that it finds what
    they write."""
    database.take_lock(connection, FENCES_LOCK, shared=True)


def remember(connection: Connection, erasure_of: Mapping[ApplicantKey, str]) -> None:
    """Record that applicants are erased, from now on, each by an erasure's id. One that was readmitted is erased again."""
    _fence(connection, {digests.of_applicant(key): (key.vendor, erasure_id) for key, erasure_id in erasure_of.items()})


def remember_digests(connection: Connection, found: Collection[bytes], erasure_id: str) -> None:
    """Record the same of applicants that are known by their digests alone."""
    _fence(connection, dict.fromkeys(found, (None, erasure_id)))


def readmit(connection: Connection, erasure_id: str, vendors: Collection[str]) -> int:
    """Let news from now on count again, of those of an erasure's applicants that are of some vendors; return how many."""
    mine = update(Fence).where(Fence.erasure_id == erasure_id, Fence.vendor.in_(vendors), Fence.readmitted_at.is_(None))
    return connection.execute(mine.values(readmitted_at=clock.now())).rowcount


def _fence(connection: Connection, fences: Mapping[bytes, tuple[str | None, str]]) -> None:
    database.take_lock(connection, FENCES_LOCK)
    same = {"erased_at": clock.now(), "readmitted_at": None}
    rows = [{"digest": digest, "vendor": vendor, "erasure_id": made} | same for digest, (vendor, made) in sorted(fences.items())]
    bulk.insert(connection, Fence, rows, over=("digest",))


def is_any(connection: Connection) -> bool:
    """Return whether any applicant was erased. With another INDEX_KEY none of them would be found: that raises."""
    kept, some = connection.execute(select(PrivacyState.index_key_check, exists().select_from(Fence).label("some"))).one()
    digests.prove(kept)
    return bool(some)


def _erased(row: Any) -> Erased:
    return Erased(erasure_id=row.erasure_id, erased_at=row.erased_at, readmitted_at=row.readmitted_at)
