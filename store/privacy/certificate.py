"""The certificate of an erasure: what was erased, when, by whose decision, and what it does not cover. It names no person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from store import config
from store.applicants import feed
from store.database.tables import TransitionRow
from store.privacy import master_keys, requests
from store.privacy.erasing.erasures import Stage
from store.privacy.errors import NotPossible
from store.system import clock

#: What an erasure removes.
ERASED = (
    "the applicants with their registers, statuses, reasons, messages and links to a user",
    "the bodies, headers, hashes and names of their events; what a body said of others is kept as their own news",
    "their changes in the history and the feed, which stay in their places and are empty",
    "their reactions' answers, claims of reviews, mentions, and what replays and the audit log said of them",
)

#: Why a time is not known yet.
PENDING = "pending"


def certificate(connection: Connection, erasure_id: str) -> dict[str, Any]:
    """Return the certificate of an erasure. Raises UnknownToUs, and NotPossible while the erasure is not done."""
    row = requests.find(connection, erasure_id)
    if row.status != Stage.DONE:
        raise NotPossible(f"it is {row.status}, and not done: there is nothing to certify")
    return {
        "erasure_id": row.id,
        "environment": row.environment,
        "cause": row.cause,
        **_decision(row),
        "erased_at": clock.rfc3339(row.done_at),
        "applicants": row.applicants,
        "events": row.events,
        "erased": list(ERASED),
        "backups": _backups(connection, row),
        "downstream": _downstream(connection, row),
        "with_vendor": row.with_vendor,
        "vendor_confirmed": row.vendor_confirmed_by and f"confirmed by {row.vendor_confirmed_by}, not by the vendor",
        "vendor_tasks": row.vendor_tasks or [],
    }


def bodies_unreadable_by(connection: Connection, done_at: datetime) -> datetime | None:
    """Return since when no backup from before an erasure can be opened, or when that will be so, because Standing destroys the keys itself.

    None: keys of that time are given from outside, and it is not recorded that they are destroyed."""
    known = master_keys.covered_by(connection, done_at)
    return known or (master_keys.expected_by(connection, done_at) if config.generated_keys() else None)


def _decision(row: Row[Any]) -> dict[str, Any]:
    return {
        "received_at": clock.rfc3339(row.received_at),
        "deadline": clock.rfc3339(row.deadline),
        "requested_by": row.requested_by,
        "decided_by": row.decided_by,
        "decided_at": clock.rfc3339(row.decided_at),
        "basis": row.basis,
        "early": row.early,
    }


def _backups(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return what backups and replicas from before the erasure hold still, and until when."""
    done, last = clock.rfc3339(row.done_at), clock.rfc3339(row.done_at + config.settings().privacy.backup_life)
    unreadable = clock.rfc3339(bodies_unreadable_by(connection, row.done_at))
    return {
        "bodies_unreadable_by": unreadable or PENDING,
        "other_columns": f"stay in backups from before {done} until those are deleted, which is due by {last}",
        "delete_backups_by": last,
    }


ASKED = "were asked by a change of type applicant.erased to do the same; whether they did is theirs to certify"
NOT_ASKED = "were not asked: with ERASURE_NOTICE_DAYS=0 no change names its applicant"


def _downstream(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return what the feed and the endpoints reported."""
    notice = config.settings().privacy.notice
    named = TransitionRow.applicant["erasure_id"].as_string() == row.id
    told = select(func.count()).where(TransitionRow.to_status == feed.ERASED, TransitionRow.erased_at.is_(None), named)
    naming = connection.execute(told).scalar_one()
    return {
        "notices": row.applicants,
        "notices_that_name_somebody": naming,
        "names_until": clock.rfc3339(row.done_at + notice) if naming else None,
        "endpoints": ASKED if notice else NOT_ASKED,
    }
