"""Erasures that somebody should look at: past their deadline, waiting for a hold or for a vendor, ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, func, select

from store.database.privacy_tables import Erasure
from store.privacy import holds
from store.privacy.erasing import vendor_wait
from store.privacy.erasing.erasures import AHEAD, Cause, Stage
from store.privacy.erasing.waiting import IS_OPEN
from store.system import clock


class Overview(Struct, frozen=True, kw_only=True):
    """How many erasures there are of each kind, in an environment."""

    #: Requests that are past their deadline, and neither refused nor done.
    overdue: int
    #: Those that wait for a hold to be lifted.
    held: int
    #: Those that are to be carried out, or are.
    ahead: int
    #: Those that wait for a vendor whose API cannot be asked, or refuses the credentials.
    without_credentials: int
    #: Those that wait for their vendor, and when the first of them was asked of it.
    at_vendor: int
    at_vendor_since: datetime | None


def of(connection: Connection, environment: str) -> Overview:
    """Return the overview, in one statement."""
    is_ahead, is_at_vendor = Erasure.status.in_(AHEAD), vendor_wait.waits()
    late = and_(Erasure.cause == Cause.REQUEST, Erasure.status.in_((Stage.REQUESTED, *AHEAD)), Erasure.deadline < clock.now())
    kinds: dict[str, ColumnElement[Any]] = {
        "overdue": func.count().filter(late),
        "held": func.count().filter(is_ahead, Erasure.targets.is_(None), holds.on_erasure()),
        "ahead": func.count().filter(is_ahead),
        "without_credentials": func.count().filter(is_at_vendor, Erasure.vendor_answer.in_(vendor_wait.CREDENTIALS)),
        "at_vendor": func.count().filter(is_at_vendor),
        "at_vendor_since": func.min(Erasure.vendor_asked_at).filter(is_at_vendor),
    }
    query = select(*(count.label(name) for name, count in kinds.items())).where(Erasure.environment == environment, IS_OPEN)
    return Overview(**connection.execute(query).one()._mapping)
