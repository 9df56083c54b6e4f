"""Refusals: whose requests were refused, why, and how often. An address is kept for a week, because it is personal data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from store.database import bulk
from store.database.operations_tables import Refusal
from store.operations.delivery_counts import Sighting
from store.system import clock

REMEMBERED = timedelta(days=7)

#: The number of addresses that a process counts separately in an hour. In a flood from more, the others count together.
PEERS_MAX, OTHERS = 500, "others"


class Refused(NamedTuple):
    """Whose request was refused, as which vendor it was sent, and why, in which hour."""

    peer: str
    vendor: str
    cause: str
    since: datetime


class Peers:
    """The addresses that are counted separately in an hour. An IPv6 address counts with its /64 network."""

    def __init__(self) -> None:
        self._hour: datetime | None = None
        self._known: set[str] = set()

    def name(self, peer: str, hour: datetime) -> str:
        """Return the name under which an address is counted."""
        if hour != self._hour:
            self._hour, self._known = hour, set()
        name = _network_of(peer)
        if name not in self._known and len(self._known) >= PEERS_MAX:
            return OTHERS
        self._known.add(name)
        return name


def _network_of(peer: str) -> str:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return "unknown"
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address) if address.version == 4 else str(ip_network(f"{address}/64", strict=False))


class RefusalCounts:
    """What a process counted and has not written yet."""

    def __init__(self, peers: Peers | None = None) -> None:
        self._seen: dict[Refused, Sighting] = {}
        self._peers = peers or Peers()

    def note(self, *, peer: str, vendor: str, cause: str) -> None:
        """Count a refusal. Nothing waits for the database."""
        now = clock.now()
        hour = _hour_of(now)
        self._seen.setdefault(Refused(self._peers.name(peer, hour), vendor, cause, hour), Sighting()).add(1, now)

    def next(self) -> RefusalCounts:
        """Return empty counts, which remember the addresses of this hour."""
        return RefusalCounts(self._peers)

    def take_back(self, others: RefusalCounts) -> None:
        """Take over counts that another object could not write."""
        for key, seen in others._seen.items():
            self._seen.setdefault(key, Sighting()).add(seen.count, seen.last_at)

    def rows(self) -> list[dict[str, Any]]:
        """Return the counts as rows, in one order everywhere, so that processes that write at the same moment do not deadlock."""
        return [key._asdict() | vars(seen) for key, seen in sorted(self._seen.items(), key=lambda item: item[0])]


def add(connection: Connection, counts: RefusalCounts) -> None:
    """Add a process's counts to the table."""
    change = {"count": "refusals.count + excluded.count", "last_at": "excluded.last_at"}
    bulk.insert(connection, Refusal, counts.rows(), over=Refused._fields, change=change)


def forget_old(connection: Connection) -> None:
    """Erase addresses that are older than a week."""
    connection.execute(delete(Refusal).where(Refusal.since < clock.now() - REMEMBERED))


def listing(connection: Connection, *, since: datetime | None = None, vendor: str | None = None, limit: int) -> Iterable[dict[str, Any]]:
    """Return refusals by address, vendor and cause, the most frequent first."""
    by = (Refusal.peer, Refusal.vendor, Refusal.cause)
    count = func.sum(Refusal.count).label("count")
    first = func.min(Refusal.since, type_=Refusal.since.type).label("first_at")
    last = func.max(Refusal.last_at, type_=Refusal.last_at.type).label("last_at")
    query = select(*by, count, first, last)
    if since:
        query = query.where(Refusal.last_at >= since)
    if vendor:
        query = query.where(Refusal.vendor == vendor)
    for row in connection.execute(query.group_by(*by).order_by(count.desc(), *by).limit(limit)):
        yield dict(row._mapping) | {"first_at": clock.rfc3339(row.first_at), "last_at": clock.rfc3339(row.last_at)}


def by_cause(connection: Connection, *, since: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return refusals since a time by vendor: each cause, the most frequent first, without addresses."""
    count, last = func.sum(Refusal.count).label("count"), func.max(Refusal.last_at, type_=Refusal.last_at.type).label("last_at")
    query = select(Refusal.vendor, Refusal.cause, count, last).where(Refusal.last_at >= since)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query.group_by(Refusal.vendor, Refusal.cause).order_by(count.desc(), Refusal.cause)):
        told = {"cause": row.cause, "count": row.count, "last_at": clock.rfc3339(row.last_at)}
        found.setdefault(row.vendor, []).append(told)
    return found


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
