"""Carry out erasures, some at a time. Each step commits, so that a run that is interrupted at any instant is resumed where it was.

1. The applicants are chosen, once.
2. A line for each erasure is written to the ledger, outside the database, and synced: a restored backup is erased again.
3. In one transaction the applicants are fenced and gone, and the feed tells of it.
4. Their events are erased, those that name others too, then those that were never read; then their changes.
5. Where the vendor is to erase, too, it is asked to; until it has, the erasure's own row names the applicants, and nothing else does.
6. The last names are removed, and the erasures are done."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import structlog
from sqlalchemy import Connection

from handlers.interpret import interpret
from handlers.privacy import vendor_deletion
from handlers.privacy.pace import Stopped
from handlers.rules import kept_news
from handlers.rules.news import EventReading
from store import database
from store.inbox.claims import InboxEvent
from store.inbox.encryption import Unopenable
from store.privacy.erasing import erasures, event_erasure, trace_erasure
from store.privacy.erasing.erasures import Begun
from store.privacy.erasing.event_erasure import Rewritten
from store.privacy.restoring import gate, ledger
from store.states import ApplicantKey
from store.system import fault_points
from store.system.logs import describe_error
from store.text.json_body import forms_of

log = structlog.get_logger()

#: Events and changes that one transaction erases: deliveries wait for it on SQLite.
EVENTS_AT_ONCE, CHANGES_AT_ONCE = 25, 300

#: Erasures that are carried out together: most of their cost is that of the statements, and of the search through what has no names.
AT_ONCE = 20

#: Called after each part, with how many events were erased in it.
OnEvents = Callable[[int], object]


def carry_out(erasure_id: str) -> bool:
    """Carry out one erasure, as `carry_out_all` does; return whether it is done."""
    return bool(carry_out_all([erasure_id]))


def carry_out_all(erasure_ids: Sequence[str], *, on_events: OnEvents = lambda _: None) -> int:
    """Erase what some erasures are about; return how many are done. A hold leaves one as it is; a vendor that has not erased leaves its
    names.

    Raises ledger.Unusable where the ledger cannot be written, or lacks lines: nothing is deleted then."""
    database.read(ledger.require_shared)
    begun = database.write(lambda connection: erasures.begin_all(connection, erasure_ids))
    if not begun:
        return 0
    fault_points.reach("erasure chosen")
    lines = ledger.append(begun, known=database.read(gate.known_lines))
    fault_points.reach("erasure in the ledger")
    if here := [one for one in begun if not one.waits]:
        _erase_here(here, on_events)
    ready = [one for one in begun if not one.with_vendor or vendor_deletion.carry_out(one, ledger_line=lines[one.id])]
    if ready:
        _finish(ready, [lines[one.id] for one in ready])
    return len(ready)


def attempt(erasure_ids: Sequence[str], *, on_events: OnEvents = lambda _: None) -> tuple[int, int]:
    """Carry out erasures; return how many are done, and how many failed for a reason of their own. The others are done all the same.

    Raises ledger.Unusable, Stopped, and what the database raises."""
    try:
        return carry_out_all(erasure_ids, on_events=on_events), 0
    except (Stopped, ledger.Unusable, *database.Failure):
        raise
    except Exception as error:
        if len(erasure_ids) > 1:
            done, failed = zip(*(attempt([one], on_events=on_events) for one in erasure_ids), strict=True)
            return sum(done), sum(failed)
        log.error("an erasure failed", erasure_id=erasure_ids[0], error=describe_error(error))
        return 0, 1


def _erase_here(begun: Sequence[Begun], on_events: OnEvents) -> None:
    """Fence the applicants, and erase what names them but the last names."""
    database.write(lambda connection: erasures.close(connection, begun))
    fault_points.reach("erasure fenced")
    for count in chain(_erase_named(begun), _erase_nameless(begun), _empty_changes(begun)):
        on_events(count)


def _finish(begun: Sequence[Begun], ledger_lines: Sequence[int]) -> None:
    # On its own: it looks through the audit log, and who decides about other erasures must not wait for that.
    database.write(lambda connection: erasures.forget_traces(connection, begun))
    database.write(lambda connection: erasures.finish(connection, begun, ledger_lines=ledger_lines))
    for one in begun:
        log.info("an erasure is done", erasure_id=one.id, count=len(one.keys))


def _erase_named(begun: Sequence[Begun]) -> Iterator[int]:
    """Erase the events that name the applicants; yield how many, part by part, until none is left."""
    erasure_of = {key: one.id for one in begun for key in one.keys}

    def part(connection: Connection) -> int:
        events = event_erasure.naming(connection, erasure_of, limit=EVENTS_AT_ONCE)
        named = _erase(connection, erasure_of, events)
        for erasure_id, count in Counter(erasure_id for erasure_id, _ in {(erasure_of[key], event) for key, event in named}).items():
            erasures.count_events(connection, erasure_id, count)
        return len(events)

    # Another process may have erased a part behind its lock: what counts is whether any is left.
    while database.read(lambda connection: event_erasure.is_any_left(connection, erasure_of)):
        count = database.write(part)
        fault_points.reach("erasure erased events")
        yield count


def _erase_nameless(begun: Sequence[Begun]) -> Iterator[int]:
    """Erase the events that name no applicant, or could not be handled, and whose bodies are about the applicants all the same."""
    for vendor, environment in sorted({(key.vendor, key.environment) for one in begun for key in one.keys}):
        references = [(one, [key.reference for key in one.keys if key.vendor == vendor]) for one in begun if one.environment == environment]
        names = [(one, _Names(theirs)) for one, theirs in references if theirs]
        every = _Names(chain(*(theirs for _, theirs in references)))
        for events in _nameless(vendor, environment):
            found = [event for event in events if every.concern(event)]
            for one, mine in [(one, [event for event in found if theirs.concern(event)]) for one, theirs in names]:
                if mine:
                    yield database.write(partial(_erase_still_nameless, begun=one, events=mine))


def _nameless(vendor: str, environment: str) -> Iterator[list[InboxEvent]]:
    """Yield the events that name no applicant, or could not be handled, some at a time."""
    last = 0
    while events := database.read(partial(_nameless_after, vendor=vendor, environment=environment, last=last)):
        last = events[-1].sequence
        yield events


def _nameless_after(connection: Connection, vendor: str, environment: str, last: int) -> list[InboxEvent]:
    return event_erasure.nameless_after(connection, vendor, environment, last, limit=EVENTS_AT_ONCE)


def _erase_still_nameless(connection: Connection, begun: Begun, events: Sequence[InboxEvent]) -> int:
    found = event_erasure.still_nameless(connection, events)
    _erase(connection, begun.keys, found)
    erasures.count_events(connection, begun.id, len(found))
    return len(found)


def _erase(connection: Connection, keys: Collection[ApplicantKey], events: Sequence[InboxEvent]) -> list[tuple[ApplicantKey, int]]:
    """Erase locked events, or rewrite those that name others; return the applicants that each named, with the event's sequence."""
    return event_erasure.erase(connection, [_rewritten(event, keys) for event in events], keys)


def _rewritten(event: InboxEvent, keys: Collection[ApplicantKey]) -> Rewritten:
    reading = _reading(event)
    named = [] if reading is None else [ApplicantKey(event.vendor, event.environment, one) for one in reading.references]
    others = [key.reference for key in named if key not in keys]
    return Rewritten(event=event, kept_news=kept_news.encode(reading, others) if reading and others else None)


class _Names:
    """The references of applicants, as bodies may hold them: each as a word of its own, plain or escaped as in JSON."""

    def __init__(self, references: Iterable[str]) -> None:
        self._plain = set(references)
        written = {form for one in self._plain for form in forms_of(one)}
        self._words = re.compile(rb"(?<!\w)(?:%s)(?!\w)" % b"|".join(map(re.escape, sorted(written))))

    def concern(self, event: InboxEvent) -> bool:
        """Return whether an event names one of the applicants, as far as it can be read, or its body holds a reference."""
        reading = _reading(event)
        if reading is not None and self._plain.intersection(reading.references):
            return True
        try:
            return self._words.search(event.body()) is not None
        except Unopenable:
            return False


def _reading(event: InboxEvent) -> EventReading | None:
    """Return the reading of an event; None if it fails."""
    try:
        return interpret(event)
    except Exception:  # Whatever a mapping does: what cannot be interpreted says nothing of others.
        return None


def _empty_changes(begun: Sequence[Begun]) -> Iterator[int]:
    """Empty the applicants' changes, part by part; yield that no event was erased."""
    keys, emptied = [key for one in begun for key in one.keys], CHANGES_AT_ONCE
    while emptied == CHANGES_AT_ONCE:
        emptied = database.write(lambda connection: trace_erasure.empty_changes(connection, keys, limit=CHANGES_AT_ONCE))
        fault_points.reach("erasure emptied changes")
        yield 0
