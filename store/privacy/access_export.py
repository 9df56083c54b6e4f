"""Access exports: what is kept about a person, as far as it may be disclosed to that person.

What is disclosed is listed, field by field. By default nothing is disclosed that would tip the person off: no hit, alert, doubt or
adverse change, and no sign that something was left out. What remains of a history is what a history without them would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row

from store.access import audit
from store.access.operators import Actor
from store.applicants import explanations, feed, history, mentions
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.inbox import events
from store.inbox.sealing.encryption import Unopenable
from store.privacy import holds, shown
from store.privacy.acts import DataSubject
from store.privacy.erasing import erasures
from store.privacy.keeping import relationships
from store.starts import requests, sealed
from store.system import clock
from store.text.states import Flag, Reversal, Status

#: Rows that are read at a time.
PAGE = 500

#: The fields of an applicant that are disclosed, beside its history; and those of a document that is to be sent again.
_NAMES = ("vendor", "environment", "reference", "external_user_id")
_TOLD = ("level", "document_expires_on", "user_message")
_TOLD_OF_START = ("vendor", "environment", "external_user_id", "mode", "level", "workflow", "documents", "requested_at")
_TOLD_OF_DOCUMENT = ("step", "type", "country", "comment")


class Withhold(StrEnum):
    """What an access export leaves out."""

    #: Whatever could tip the person off.
    ADVERSE = "adverse"
    NONE = "none"


def make(connection: Connection, subject: DataSubject, *, withhold: Withhold, by: Actor, reason: str | None) -> dict[str, Any] | None:
    """Return what is kept about a user, with an entry in the audit log; None if nothing is."""
    assert subject.external_user_id is not None
    keys = erasures.applicants_of(connection, subject)
    found = [one for one in applicants.among(connection, keys).values() if one.version]
    relationship = relationships.find(connection, subject.environment, subject.external_user_id)
    started = requests.of_user(connection, subject.environment, subject.external_user_id)
    if not found and relationship is None and not started:
        return None
    action = "access export" if withhold == Withhold.ADVERSE else "access export in full"
    audit.write(
        connection, actor=by.name, action=action, subject=subject.audit_subject, reason=reason, touched=len(found), os_user=by.os_user
    )
    found.sort(key=lambda one: one.key)
    told = {
        "external_user_id": subject.external_user_id,
        "environment": subject.environment,
        "made_at": clock.rfc3339(clock.now()),
        "relationship": relationship and {"ended_at": clock.rfc3339(relationship.ended_at)},
    }
    if withhold == Withhold.ADVERSE:
        return told | {
            "applicants": [_told(connection, one) for one in found],
            "verifications": [_started(connection, row) for row in started],
        }
    return told | _in_full(connection, subject, found) | {"verifications": [requests.summary(row) for row in started]}


# what may be disclosed ----------------------------------------------------------------------------------------


def _told(connection: Connection, applicant: Applicant) -> dict[str, Any]:
    rows = list(_tellable(_changes(connection, applicant)))
    last = rows[-1].applicant if rows else {}
    names = {name: getattr(applicant, name) for name in _NAMES}
    documents = [{name: one.get(name) for name in _TOLD_OF_DOCUMENT} for one in last.get("problem_documents", [])]
    return names | {name: last.get(name) for name in _TOLD} | {"documents_to_send_again": documents, "history": list(_moves(rows))}


def _started(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return a verification that was started, with what its vendor is still to get, and without how it went."""
    try:
        person = sealed.read(connection, row).person
    except Unopenable:
        person = None
    told = {name: value for name, value in requests.summary(row).items() if name in _TOLD_OF_START}
    return told | {"person": dict(person.values()) if person else None}


def _tellable(rows: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    """Yield the changes that may be disclosed. What follows the fall of an approval may not, until there is an approval again."""
    fallen = False
    for row in rows:
        if _is_doubtful(row):
            fallen = fallen or row.reversal is not None
            continue
        fallen = row.reversal in (Reversal.ADVERSE, Reversal.RE_REVIEW) or (fallen and row.to_status != Status.APPROVED)
        if not fallen:
            yield row


def _is_doubtful(row: Row[Any]) -> bool:
    snapshot = row.applicant
    return bool(snapshot["hits"]) or Flag.MONITORING_ALERT in snapshot["flags"] or row.to_status == Status.NEEDS_REVIEW


def _moves(rows: Iterable[Row[Any]]) -> Iterator[dict[str, Any]]:
    """Yield where the changes led, each status once in a row: two in a row would show that something between them was left out."""
    last = None
    for row in rows:
        told = {"status": row.to_status, "level": row.applicant["level"]}
        if told != last:
            yield told | {"at": clock.rfc3339(row.at)}
        last = told


# everything ---------------------------------------------------------------------------------------------------


def _in_full(connection: Connection, subject: DataSubject, found: Sequence[Applicant]) -> dict[str, Any]:
    mine = {one.reference for one in found}
    described = shown.describe_all(connection, found, with_held=True)
    rest = [
        {
            "history": [feed.describe_change(row) for row in _changes(connection, one)],
            "events": [_event(connection, event, mine) for event in _events(connection, one)],
        }
        for one in found
    ]
    told = [applicant | more for applicant, more in zip(described, rest, strict=True)]
    placed = holds.about(connection, subject.environment, [one.key for one in found], subject.external_user_id)
    return {"applicants": told, "holds": [holds.describe(row) for row in placed]}


def _event(connection: Connection, event: dict[str, Any], mine: set[str]) -> dict[str, Any]:
    """Return an event with its body, if that names no other person."""
    is_shared = bool(set(mentions.of_event(connection, event["place"][2])) - mine)
    return explanations.describe(event) | {"body": None if is_shared else _body(connection, event["event_id"])}


def _body(connection: Connection, event_id: str) -> str | None:
    row = events.find(connection, event_id)
    try:
        body = None if row is None or row["erased_at"] else events.body(connection, event_id)
    except Unopenable:
        return None
    return None if body is None else body.decode("utf-8", "replace")


def _changes(connection: Connection, applicant: Applicant) -> Iterator[Row[Any]]:
    last = 0
    while rows := history.of(connection, applicant.key, after=last, limit=PAGE):
        yield from rows
        last = rows[-1].version


def _events(connection: Connection, applicant: Applicant) -> Iterator[dict[str, Any]]:
    after = None
    while rows := explanations.events(connection, applicant.key, after=after, limit=PAGE):
        yield from rows
        after = rows[-1]["place"]
