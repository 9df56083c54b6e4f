"""GET /v1/status, /v1/vendors and /v1/overview: the whole service at a glance, as far as the database knows it. No person is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from functools import partial
from typing import Annotated, Any, TypeVar

from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection

from receiver.monitoring import status, vendors, waiting
from receiver.monitoring.findings.sentence import Finding
from receiver.openapi import overview_schemas
from receiver.web import queries
from receiver.web.auth import Right
from receiver.web.call import ListOf, call
from receiver.web.queries import ANSWER_SECONDS, One
from receiver.web.remembered import Remembered
from store.applicants import daily_counts
from store.system import clock
from store.text.states import VendorEnvironment

blueprint = Blueprint("overview", __name__, url_prefix="/v1")

T = TypeVar("T")

#: Looking at everything writes a row and reads much: it is done once in a while, however many callers ask.
REMEMBERED_SECONDS = 5.0


class OverviewQuery(One, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=366, description="How many days, of which today is the last. UTC.")] = 30


def _remembered(look: Callable[[str], T]) -> dict[VendorEnvironment, Remembered[T]]:
    return {environment: Remembered(partial(look, environment), seconds=REMEMBERED_SECONDS) for environment in VendorEnvironment}


def _read(look: Callable[[Connection, str], T]) -> Callable[[str], T]:
    return lambda environment: queries.read(lambda connection: look(connection, environment))


_lines = _remembered(partial(status.lines, seconds=ANSWER_SECONDS))
_vendors, _waiting = _remembered(_read(vendors.look)), _remembered(_read(waiting.count))


@blueprint.get("/status")
@call(right=Right.READ, query=One, answers=ListOf(overview_schemas.StatusLine))
def get_status(query: One) -> list[Finding]:
    """The state of everything, the most important first, as `standing status` says it; at most 5 seconds old.

    It is answered while the database is unavailable, and while nothing else is shown after a restore: the lines report that."""
    return _lines[query.environment].tell()


@blueprint.get("/vendors")
@call(right=Right.READ, query=One, answers=ListOf(overview_schemas.VendorOverview))
def list_vendors(query: One) -> list[dict[str, Any]]:
    """How each vendor's deliveries arrive: silence, pace, refusals, what is not understood, and its secrets; at most 5 seconds old."""
    return _vendors[query.environment].tell()


@blueprint.get("/overview")
@call(right=Right.READ, query=OverviewQuery, answers=overview_schemas.Overview)
def get_overview(query: OverviewQuery) -> dict[str, Any]:
    """Deliveries, verdicts and reversals by vendor and UTC day, and what waits now. Counts alone: no person is named."""
    today = clock.now().astimezone(UTC).date()
    since = today - timedelta(days=query.days - 1)
    days = queries.read(lambda connection: daily_counts.listing(connection, environment=query.environment, since=since))
    told = {"environment": query.environment, "first_day": since.isoformat(), "last_day": today.isoformat()}
    return told | {"days": days, "waiting": _waiting[query.environment].tell()}
