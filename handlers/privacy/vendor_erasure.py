"""What a vendor's own deletion leads to, where ERASE_WITH_VENDOR is set: an erasure here, in the transaction that handles the news.

A hold beats it: the applicant is deleted and restricted, and is erased once the hold is lifted."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, exists, select

from handlers.rules.news import Deletion, EventReading, Unreadable
from store import config
from store.access.digests import NoIndexKey
from store.applicants import visibility
from store.applicants.feed import Transition
from store.applicants.table import Applicant
from store.database.privacy_tables import Erasure
from store.inbox import internal_events
from store.inbox.events import InboxEvent
from store.privacy import holds
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, DataSubject, Stage
from store.text import traces
from store.text.states import ApplicantKey, Status

log = structlog.get_logger()


def file(connection: Connection, batch: Sequence[EventReading], present: dict[ApplicantKey, Applicant]) -> list[Transition]:
    """Write down an erasure for each applicant whose personal data a vendor erased; restrict those that a hold is on, and return these
    changes."""
    if not config.settings().privacy.erase_with_vendor:
        return []
    deleted = [(key, reading.event) for reading in batch if _tells_of_erased_data(reading) for key in _deleted(reading, present)]
    return [change for key, event in deleted for change in _file(connection, key, present, event)]


def _tells_of_erased_data(reading: EventReading) -> bool:
    if isinstance(reading.news, Unreadable) or internal_events.kind(reading.event.headers):
        return False
    return isinstance(reading.says, Deletion) and reading.says.of_personal_data


def _deleted(reading: EventReading, present: dict[ApplicantKey, Applicant]) -> list[ApplicantKey]:
    """Return the applicants that the deletion is about, unless the vendor has said something newer of them."""
    keys = [ApplicantKey(reading.event.vendor, reading.event.environment, reference) for reference in reading.references]
    return [key for key in keys if key in present and present[key].status == Status.DELETED]


def _file(connection: Connection, key: ApplicantKey, present: dict[ApplicantKey, Applicant], event: InboxEvent) -> list[Transition]:
    subject = DataSubject(**key._asdict())
    try:
        is_open = exists().where(Erasure.subject == subject.digest, Erasure.status.in_(erasures.AHEAD))
        if not connection.execute(select(is_open)).scalar_one():
            said = {"reason": "the vendor erased it", "decision_reason": "ERASE_WITH_VENDOR"}
            erasures.create(connection, subject, stage=Stage.APPROVED, cause=Cause.VENDOR, by=key.vendor, **said)
    except NoIndexKey:
        with traces.following(traces.from_kept(event.trace)):
            log.error(
                "a vendor erased an applicant, and INDEX_KEY is missing: nothing is erased here", event_id=event.id, vendor=key.vendor
            )
        return []
    if not holds.on(connection, key.environment, [key], present[key].external_user_id):
        return []
    present[key], change = visibility.restrict(present[key])
    return [change] if change else []
