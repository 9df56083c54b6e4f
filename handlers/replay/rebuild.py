"""Rebuild: applicants whose shown state differs from their events are derived from scratch and written.

A few applicants at a time are locked and derived once more under the lock, so that the service runs on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import Connection

from handlers.interpret import interpret
from handlers.replay.derive import APPLICANTS_AT_ONCE, Difference, OnProgress, Renamed, compare, derive_many, difference_of
from handlers.rules import outcome, transitions
from store import database
from store.applicants import erased, feed, history, mentions
from store.applicants import table as applicants
from store.database import bulk
from store.inbox.events import InboxEvent
from store.system import clock
from store.text.states import ApplicantKey

EVENTS_AT_ONCE = 1000

#: Applicants that one transaction repairs.
MENDED_AT_ONCE = 50


def differences(renamed: Renamed, *, on_applicants: OnProgress) -> Iterator[Difference]:
    """Return every applicant that differs from its events, among them those that renamed events name."""
    seen: set[ApplicantKey] = set()
    for keys in _known_keys(on_applicants):
        seen.update(key for key in keys if key in renamed.added)
        yield from compare(keys, renamed)
    newcomers = sorted(set(renamed.added) - seen)
    for some in bulk.parts(newcomers, APPLICANTS_AT_ONCE):
        yield from compare(some, renamed)


def find_renamed(on_events: OnProgress) -> Renamed:
    """Return the events that now name other applicants."""
    renamed = Renamed()
    for events, named in _handled_events():
        renamed.note(events, named)
        on_events(len(events))
    return renamed


def repair(keys: Iterable[ApplicantKey], *, on_applicants: OnProgress) -> int:
    """Repair these applicants, reporting each change; return how many changed. Commits part by part."""
    renamed, repaired = find_renamed(lambda _: None), 0
    waiting = iter(sorted(keys))
    while part := list(islice(waiting, MENDED_AT_ONCE)):
        with database.begin() as connection:
            repaired += _repair(connection, part, renamed)
        on_applicants(len(part))
    _rename(renamed)
    return repaired


def _repair(connection: Connection, keys: list[ApplicantKey], renamed: Renamed) -> int:
    keys = erased.admitted(connection, keys)
    present = applicants.lock(connection, keys)
    derived = derive_many(connection, keys, renamed)
    found = [difference for key, registers in derived.items() if (difference := difference_of(present[key], registers))]
    now = clock.now()
    repaired = [transitions.as_changed(one.shown, one.derived, one.changed, now=now) for one in found]
    applicants.save(connection, repaired)
    history.remember_quietly(connection, (after for one, after in zip(found, repaired, strict=True) if not one.changed))
    told = (feed.transition(one.shown, after, one.changed, one.reversal) for one, after in zip(found, repaired, strict=True) if one.changed)
    feed.append(connection, told)
    return len(found)


def _rename(renamed: Renamed) -> None:
    """Record which applicants the events name now."""
    for sequence, event in renamed.events.items():
        with database.begin() as connection:
            mentions.forget(connection, sequence)
            named = {ApplicantKey(one.vendor, one.environment, one.reference): one for one in outcome.mentions_of(interpret(event), [])}
            mentions.remember(connection, [named[key] for key in erased.admitted(connection, named)])


def _handled_events() -> Iterator[tuple[list[InboxEvent], dict[int, list[str]]]]:
    """Yield every handled event, and which applicants it named, in the order of receipt."""
    last = 0
    while True:
        with database.reading() as connection:
            events = mentions.handled_after(connection, last, limit=EVENTS_AT_ONCE)
            if not events:
                return
            named = mentions.of_events(connection, [event.sequence for event in events])
        yield events, named
        last = events[-1].sequence


def _known_keys(on_applicants: OnProgress) -> Iterator[list[ApplicantKey]]:
    last: ApplicantKey | None = None
    while True:
        with database.reading() as connection:
            keys = applicants.keys_after(connection, last, limit=APPLICANTS_AT_ONCE)
        if not keys:
            return
        yield keys
        on_applicants(len(keys))
        last = keys[-1]
