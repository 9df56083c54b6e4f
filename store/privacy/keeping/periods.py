"""Periods: until when an applicant is kept, by the rules of RETENTION.

The period of an applicant that was ever approved begins with the end of the relationship. Where none is recorded, and for all other
applicants, it begins with the last event: the receipt of the newest event that names the applicant, or else its last change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select

from store import config
from store.applicants import table
from store.applicants.table import Applicant
from store.config.privacy_settings import Kept
from store.database import bulk
from store.database.privacy_tables import Relationship
from store.database.tables import EventRow, MentionRow
from store.system import clock
from store.text.states import ApplicantKey, Status, VendorEnvironment

#: A user of an environment.
User = tuple[str, str]

#: Applicants whose events are looked up in one statement.
KEYS_AT_ONCE = 500


class Keeping(Struct, frozen=True, kw_only=True):
    """Until when an applicant is kept, and by which rule."""

    rule: Kept
    #: None: no rule is configured, or the relationship goes on.
    until: datetime | None
    #: Its relationship goes on, so that its period has not begun.
    goes_on: bool = False

    def is_over(self, now: datetime) -> bool:
        """Return whether the applicant is due."""
        return self.until is not None and self.until <= now

    def forbids(self, now: datetime) -> bool:
        """Return whether a rule keeps the applicant for now."""
        return self.goes_on or (self.until is not None and self.until > now)


def keep_until(connection: Connection, applicants: Sequence[Applicant]) -> dict[ApplicantKey, datetime | None]:
    """Return until when each applicant is kept. None: no rule is configured for it, or its relationship goes on."""
    return {key: one.until for key, one in keeping(connection, applicants).items()}


def keeping(connection: Connection, applicants: Sequence[Applicant]) -> dict[ApplicantKey, Keeping]:
    """Return until when each applicant is kept, and by which rule."""
    rules = config.settings().privacy.retention
    ruled = [one for one in applicants if rule_of(one) in rules]
    ends = _ends(connection, {user for one in ruled if (user := _counting_user(one))})
    last = _last_events(connection, [one.key for one in ruled if _counting_user(one) not in ends])
    return {one.key: _keeping(one, ends, last.get(one.key, one.updated_at)) for one in applicants}


def rule_of(applicant: Applicant) -> Kept:
    """Return the rule that an applicant is kept by."""
    if applicant.environment == VendorEnvironment.SANDBOX:
        return Kept.SANDBOX
    if applicant.ever_approved:
        return Kept.APPROVED
    rejected = applicant.last_verdict and applicant.last_verdict["status"] == Status.REJECTED
    return Kept.REJECTED if rejected else Kept.OTHER


def _counting_user(applicant: Applicant) -> User | None:
    """Return the user whose relationship an applicant's period is counted from."""
    counts = rule_of(applicant) == Kept.APPROVED and applicant.external_user_id
    return (applicant.environment, str(applicant.external_user_id)) if counts else None


def _keeping(applicant: Applicant, ends: dict[User, datetime | None], last_event: datetime) -> Keeping:
    rule, user = rule_of(applicant), _counting_user(applicant)
    period = config.settings().privacy.retention.get(rule)
    if period is None:
        return Keeping(rule=rule, until=None)
    begins = ends.get(user, last_event) if user else last_event
    return Keeping(rule=rule, until=begins and period.after(begins), goes_on=begins is None)


def _ends(connection: Connection, users: Collection[User]) -> dict[User, datetime | None]:
    """Return when the relationships with users ended; None: it goes on. A user without a record is left out."""
    ends: dict[User, datetime | None] = {}
    for environment in {user[0] for user in users}:
        named = [user[1] for user in users if user[0] == environment]
        query = select(Relationship.external_user_id, Relationship.ended_at)
        mine = (Relationship.environment == environment, Relationship.external_user_id.in_(named))
        ends |= {(environment, row.external_user_id): row.ended_at for row in connection.execute(query.where(*mine))}
    return ends


def _last_events(connection: Connection, keys: Sequence[ApplicantKey]) -> dict[ApplicantKey, datetime]:
    """Return when the newest event that names each applicant was received."""
    found: dict[ApplicantKey, datetime] = {}
    columns: tuple[Any, ...] = (MentionRow.vendor, MentionRow.environment, MentionRow.reference)
    query = select(*columns, func.max(EventRow.received_at)).join(MentionRow, MentionRow.event_sequence == EventRow.sequence)
    for some in bulk.parts(keys, KEYS_AT_ONCE):
        for *key, received_at in connection.execute(query.where(bulk.of_applicants(MentionRow, some)).group_by(*columns)):
            found[ApplicantKey(*key)] = received_at
    return found


def of_keys(connection: Connection, keys: Sequence[ApplicantKey]) -> dict[ApplicantKey, Keeping]:
    """Return the same of those of the applicants that have a row."""
    return keeping(connection, list(table.among(connection, keys).values()))


def forbid(connection: Connection, keys: Sequence[ApplicantKey]) -> bool:
    """Return whether a rule keeps one of the applicants for now."""
    now = clock.now()
    return any(one.forbids(now) for one in of_keys(connection, keys).values())
