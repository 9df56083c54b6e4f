"""The change feed: every change of every applicant, once, in the order of commits."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from importlib.metadata import version
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Row, exists, select, update

from store.applicants import daily_counts
from store.applicants.table import Applicant, describe
from store.database import bulk
from store.database.columns import page
from store.database.restriction import names_restricted
from store.database.tables import Feed, TransitionRow
from store.system import clock
from store.text.states import Reversal, Status

CODE_VERSION = version("standing")

#: Where the last change of an erased applicant leads, and the type of every change that was emptied.
ERASED = "erased"

#: The type of the notice that an applicant was erased.
NOTICE = f"applicant.{ERASED}"

#: The erasure that a notice reports.
ERASURE_ID = TransitionRow.applicant["erasure_id"].as_string().label("erasure_id")

#: Changes with what `describe_entry` needs.
ENTRIES = select(TransitionRow.__table__, names_restricted(TransitionRow).label("restricted"))


#: Why an epoch ends.
ENDED = "a backup was restored since, or a failover of the database lost commits"


class OutOfPlace(Exception):
    """The cursor was never given by this feed: it is of another epoch (a backup was restored, or commits were lost), or beyond the end."""


class Transition(Struct, frozen=True, kw_only=True):
    """One change of one applicant."""

    vendor: str
    environment: str
    reference: str
    version: int
    from_status: Status | None
    #: A status, or `erased`.
    to_status: str
    reversal: Reversal | None
    changed: list[str]
    reasons: list[str]
    event_id: str | None
    as_of: datetime | None
    at: datetime
    #: The applicant as it is after the change, as the contract shows it.
    applicant: dict[str, Any]
    #: Who linked it, from which user to which; None for every other change.
    linked: dict[str, str | None] | None = None


def transition(
    before: Applicant,
    after: Applicant,
    changed: list[str],
    reversal: Reversal | None,
    *,
    event_id: str | None = None,
    linked: dict[str, str | None] | None = None,
) -> Transition:
    """Return a change as it is reported. Without an event it comes from a link or from a rebuild."""
    return Transition(
        vendor=after.vendor,
        environment=after.environment,
        reference=after.reference,
        version=after.version,
        from_status=before.status if before.version else None,
        to_status=after.status,
        reversal=reversal,
        changed=changed,
        reasons=after.reasons,
        event_id=event_id,
        as_of=after.as_of,
        at=after.updated_at,
        applicant=describe(after),
        linked=linked,
    )


def erasure(applicant: Applicant, erasure_id: str) -> Transition:
    """Return the notice that an applicant was erased."""
    return Transition(
        vendor=applicant.vendor,
        environment=applicant.environment,
        reference=applicant.reference,
        version=0,
        from_status=None,
        to_status=ERASED,
        reversal=None,
        changed=[],
        reasons=[],
        event_id=None,
        as_of=None,
        at=clock.now(),
        applicant={"external_user_id": applicant.external_user_id, "erasure_id": erasure_id},
    )


def append(connection: Connection, transitions: Iterable[Transition]) -> None:
    """Number changes and write them, as the last step before the commit. The lock of the feed is held until then, so that no reader sees
    a number before a smaller one."""
    rows = [structs.asdict(transition) | {"code_version": CODE_VERSION} for transition in transitions]
    if not rows:
        return
    advance = update(Feed).values(last=Feed.last + len(rows)).returning(Feed.last)
    last = connection.execute(advance).scalar_one()
    for number, row in enumerate(rows, start=last - len(rows) + 1):
        row["number"] = number
        if row["to_status"] == ERASED:
            row["version"] = version_of_erased(number)
    bulk.insert(connection, TransitionRow, rows)
    daily_counts.add_changes(connection, rows)


def version_of_erased(number: Any) -> Any:
    """Return the version of a notice, or of an emptied change: no other change has it, and none of an applicant that begins again."""
    return -(number % 2**31)


def after(connection: Connection, number: int, *, environment: str, limit: int) -> list[Row[Any]]:
    """Return the changes after a number, oldest first."""
    query = ENTRIES.where(TransitionRow.environment == environment, TransitionRow.number > number)
    return list(connection.execute(query.order_by(TransitionRow.number).limit(limit)).all())


def reversals(
    connection: Connection, *, environment: str, kinds: Collection[str], since: datetime | None = None,
    after: tuple[int] | None = None, newest_first: bool = False, limit: int,
) -> list[Row[Any]]:  # fmt: skip
    """Return the changes that turned an approval, of the given kinds and since a time, in the order of the feed, or the newest first, after
    a place in that order."""
    query = ENTRIES.where(TransitionRow.environment == environment)
    query = query.where(TransitionRow.reversal.is_not(None), TransitionRow.reversal.in_(kinds))
    if since:
        query = query.where(TransitionRow.at >= since)
    return list(connection.execute(page(query, TransitionRow.number, after=after, newest_first=newest_first, limit=limit)).all())


def tells_of(connection: Connection, event_id: str) -> bool:
    """Return whether an event ever changed something."""
    return connection.execute(select(exists().where(TransitionRow.event_id == event_id))).scalar_one()


def last(connection: Connection) -> int:
    """Return the number of the newest change; 0 if there is none."""
    return connection.execute(select(Feed.last)).scalar_one()


def position(connection: Connection, cursor: str | None) -> tuple[str, int]:
    """Return the feed's epoch, and the number of a cursor: no cursor is the beginning, `latest` the end. Raises OutOfPlace."""
    epoch, newest = connection.execute(select(Feed.epoch, Feed.last)).one()
    if cursor is None:
        return epoch, 0
    if cursor == "latest":
        return epoch, newest
    given, _, number = cursor.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise OutOfPlace("this is not a cursor of the feed")
    if given != epoch or int(number) > newest:
        raise OutOfPlace(f"this cursor belongs to another epoch of the feed: {ENDED}; start again without a cursor")
    return epoch, int(number)


def number_of(connection: Connection, cursor: str) -> int:
    """Return the number of the change that has a cursor. Raises OutOfPlace."""
    if "." not in cursor:
        raise OutOfPlace("this is not a cursor of the feed")
    return position(connection, cursor)[1]


def cursor_of(epoch: str, number: int) -> str:
    return f"{epoch}.{number}"


def begin_epoch(connection: Connection) -> str:
    """Begin a new epoch and return it. Every cursor given before becomes invalid."""
    epoch = new_epoch()
    connection.execute(update(Feed).values(epoch=epoch))
    return epoch


def new_epoch() -> str:
    return secrets.token_hex(4)


def describe_change(row: Row[Any]) -> dict[str, Any]:
    """Return the fields of a change that each list of changes shows."""
    return {
        "from": row.from_status,
        "to": row.to_status,
        "reversal": row.reversal,
        "changed": row.changed,
        "reasons": row.reasons,
        "event_id": row.event_id,
        "as_of": clock.rfc3339(row.as_of),
        "at": clock.rfc3339(row.at),
        "code_version": row.code_version,
    } | ({"linked": row.linked} if row.linked else {})


def describe_in_history(row: Row[Any]) -> dict[str, Any]:
    """Return a change as the history of its applicant shows it: with its number in the feed, by which its proof is asked for."""
    return {"number": row.number} | describe_change(row)


def describe_entry(row: Row[Any], epoch: str) -> dict[str, Any]:
    """Return a change, a row of `ENTRIES`, as the feed shows it: with the applicant as it was then, or None where it is restricted.

    The notice of an erasure says who was erased, so that downstream can do the same. Of an emptied change only the place is left."""
    cursor, at = cursor_of(epoch, row.number), clock.rfc3339(row.at)
    if row.erased_at:
        return {"cursor": cursor, "type": ERASED, "environment": row.environment, "at": at}
    place = {"cursor": cursor, "type": f"applicant.{row.to_status}"}
    who = place | {"vendor": row.vendor, "environment": row.environment, "reference": row.reference}
    if row.to_status == ERASED:
        return who | {name: row.applicant[name] for name in ("external_user_id", "erasure_id")} | {"at": at}
    return who | describe_change(row) | {"applicant": None if row.restricted else row.applicant}
