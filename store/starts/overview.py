"""How many started verifications wait, since when, and how many were given up and wait for somebody."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, func, select

from store.database.vendor_tables import VerificationRequest
from store.starts.requests import StartStatus


class Waiting(Struct, frozen=True, kw_only=True):
    """The verifications of a vendor whose next step is to be done here."""

    vendor: str
    count: int
    #: When the oldest of them was asked for, or opened again.
    oldest_at: datetime


class GivenUp(Struct, frozen=True, kw_only=True):
    """The verifications of a vendor that were given up for one kind of reason."""

    vendor: str
    kind: str
    count: int


def waiting(connection: Connection, environment: str) -> list[Waiting]:
    """Return what waits, vendor by vendor."""
    mine = (VerificationRequest.due_at.is_not(None), VerificationRequest.environment == environment)
    columns = (
        VerificationRequest.vendor,
        func.count(),
        func.min(VerificationRequest.opened_at, type_=VerificationRequest.opened_at.type),
    )
    query = select(*columns).where(*mine).group_by(VerificationRequest.vendor).order_by(VerificationRequest.vendor)
    return [Waiting(vendor=vendor, count=count, oldest_at=oldest_at) for vendor, count, oldest_at in connection.execute(query)]


def given_up(connection: Connection, environment: str) -> list[GivenUp]:
    """Return what failed and was neither retried nor called off, by vendor and kind."""
    kind = VerificationRequest.failure["kind"].as_string()
    mine = (VerificationRequest.status == StartStatus.FAILED.value, VerificationRequest.environment == environment)
    query = select(VerificationRequest.vendor, kind, func.count()).where(*mine).group_by(VerificationRequest.vendor, kind)
    return [
        GivenUp(vendor=vendor, kind=kind, count=count)
        for vendor, kind, count in connection.execute(query.order_by(VerificationRequest.vendor, kind))
    ]
