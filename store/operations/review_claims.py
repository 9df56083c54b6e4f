"""Claims of the review queue: who looks after an entry, so that no other person works on it."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import Connection, delete

from store import database
from store.access import audit
from store.access.operators import Actor
from store.access.tokens import person
from store.database.operations_tables import ReviewClaim
from store.operations import review_queue
from store.operations.review_queue import Waiting, What
from store.system import clock
from store.text.names import EVENT_ID
from store.text.states import ApplicantKey


class NotClaimed(Exception):
    """The claim is not possible. The message says why."""


class NotWaiting(NotClaimed):
    """Nothing of this name waits for a person."""


class Entry(NamedTuple):
    """An entry of the review queue, by its name."""

    environment: str
    what: What
    name: str


def entry(environment: str, name: str) -> Entry:
    """Return the entry of a name: `vendor/reference`, or the id of an event or a reaction."""
    what: What = "applicant" if "/" in name else "event" if EVENT_ID.fullmatch(name) else "reaction"
    return Entry(environment, what, name)


def claim(connection: Connection, wanted: Entry, *, by: Actor) -> Waiting:
    """Claim an entry, with an act in the audit log; claiming it again changes nothing. Raises NotClaimed."""
    found = _waiting(connection, wanted)
    if found.claimed_by is not None:
        if person(found.claimed_by) != person(by.name):
            raise NotClaimed(f"it is claimed by {found.claimed_by}, and must be unclaimed first")
        return found
    values = wanted._asdict() | {"claimed_by": by.name, "at": clock.now()}
    made = database.insert(ReviewClaim).values(**values)
    mine = {name: values[name] for name in ("claimed_by", "at")}
    # A claim from before the entry began to wait has ended; a newer one came at the same moment as this.
    written = made.on_conflict_do_update(index_elements=Entry._fields, set_=mine, where=ReviewClaim.at < found.place.since)
    if connection.execute(written.returning(ReviewClaim.name)).first() is None:
        raise NotClaimed("somebody else has claimed it at this moment")
    _record(connection, "claim", wanted, by)
    return _waiting(connection, wanted)


def unclaim(connection: Connection, wanted: Entry, *, by: Actor) -> Waiting:
    """Give a claimed entry back, whoever claimed it, with an act in the audit log. Raises NotClaimed."""
    found = _waiting(connection, wanted)
    if found.claimed_by is None:
        raise NotClaimed("the entry is not claimed")
    connection.execute(delete(ReviewClaim).filter_by(**wanted._asdict()))
    _record(connection, "unclaim", wanted, by)
    return _waiting(connection, wanted)


def _waiting(connection: Connection, wanted: Entry) -> Waiting:
    is_named = wanted.what != "reaction" or re.fullmatch(r"[1-9][0-9]{0,17}", wanted.name, re.ASCII)
    found = review_queue.find(connection, **wanted._asdict()) if is_named else None
    if found is None:
        raise NotWaiting("nothing of this name waits for a person")
    return found


def _record(connection: Connection, action: str, wanted: Entry, by: Actor) -> None:
    audit.write(connection, actor=by.name, action=action, subject=_subject(wanted), os_user=by.os_user)


def _subject(wanted: Entry) -> str:
    if wanted.what == "applicant":
        vendor, _, reference = wanted.name.partition("/")
        return audit.applicant_subject(ApplicantKey(vendor, wanted.environment, reference))
    return audit.event_subject(wanted.name) if wanted.what == "event" else f"reaction {wanted.name}"
