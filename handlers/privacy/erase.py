"""Carry out erasures. Each step commits, so that a run that is interrupted at any instant is resumed where it was.

1. The applicants are chosen, once.
2. A line is written to the ledger, outside the database, and synced: a restored backup is erased again.
3. In one transaction the applicants are fenced and gone, and the feed tells of it.
4. Their events are erased, those that name others too, then those that were never read; then their changes.
5. Where the vendor is to erase, too, it is asked to; until it has, the erasure's own row names the applicants, and nothing else does.
6. The last names are removed, and the erasure is done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import structlog
from sqlalchemy import Connection

from handlers.interpret import interpret
from handlers.privacy import vendor_deletion
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

log = structlog.get_logger()

#: Events and changes that one transaction erases: deliveries wait for it on SQLite.
EVENTS_AT_ONCE, CHANGES_AT_ONCE = 25, 300

#: Told after each part: how many events were erased in it.
OnEvents = Callable[[int], object]


def carry_out(erasure_id: str, *, on_events: OnEvents = lambda _: None) -> bool:
    """Erase what an erasure is about; return whether it is done. A hold leaves it as it is; a vendor that has not erased leaves its names.

    Raises ledger.Unusable where the ledger cannot be written, or lacks lines: nothing is deleted then."""
    database.read(ledger.require_shared)
    begun = database.write(lambda connection: erasures.begin(connection, erasure_id))
    if begun is None:
        return False
    fault_points.reach("erasure chosen")
    line = ledger.append(begun, known=database.read(gate.known_lines))
    fault_points.reach("erasure in the ledger")
    if not begun.waits:
        _erase_here(begun, on_events)
    if begun.with_vendor and not vendor_deletion.carry_out(begun, ledger_line=line):
        return False
    # On its own: it looks through the audit log, and who decides about other erasures must not wait for that.
    database.write(lambda connection: erasures.forget_traces(connection, begun))
    database.write(lambda connection: erasures.finish(connection, begun, ledger_line=line))
    log.info("an erasure is done", erasure_id=erasure_id, count=len(begun.keys))
    return True


def _erase_here(begun: Begun, on_events: OnEvents) -> None:
    """Fence the applicants, and erase what names them but the last names."""
    database.write(lambda connection: erasures.close(connection, begun))
    fault_points.reach("erasure fenced")
    for count in chain(_erase_named(begun), _erase_nameless(begun), _empty_changes(begun)):
        on_events(count)


def _erase_named(begun: Begun) -> Iterator[int]:
    """Erase the events that name the applicants; yield how many, part by part, until none is left."""

    def part(connection: Connection) -> int:
        return _erase(connection, begun, event_erasure.naming(connection, begun.keys, limit=EVENTS_AT_ONCE))

    while True:
        count = database.write(part)
        # Another process may have erased this part behind its lock: what counts is whether any is left.
        if not count and not database.read(lambda connection: event_erasure.is_any_left(connection, begun.keys)):
            return
        fault_points.reach("erasure erased events")
        yield count


def _erase_nameless(begun: Begun) -> Iterator[int]:
    """Erase the events that name no applicant, or could not be handled, and whose bodies are about the applicants all the same."""
    for vendor in sorted({key.vendor for key in begun.keys}):
        last, names = 0, _Names(key.reference for key in begun.keys if key.vendor == vendor)
        while events := _nameless(vendor, begun.environment, last):
            last = events[-1].sequence
            found = [event for event in events if names.concern(event)]
            if found:
                yield database.write(partial(_erase_still_nameless, begun=begun, events=found))


def _nameless(vendor: str, environment: str, last: int) -> list[InboxEvent]:
    with database.reading() as connection:
        return event_erasure.nameless_after(connection, vendor, environment, last, limit=EVENTS_AT_ONCE)


def _erase_still_nameless(connection: Connection, begun: Begun, events: Sequence[InboxEvent]) -> int:
    return _erase(connection, begun, event_erasure.still_nameless(connection, events))


def _erase(connection: Connection, begun: Begun, events: Sequence[InboxEvent]) -> int:
    """Erase locked events, or rewrite those that name others; return how many."""
    erased = {key.reference for key in begun.keys}
    event_erasure.erase(connection, [_rewritten(event, erased) for event in events], begun.keys)
    erasures.count_events(connection, begun, len(events))
    return len(events)


def _rewritten(event: InboxEvent, erased: Collection[str]) -> Rewritten:
    reading = _reading(event)
    others = [] if reading is None else [one for one in reading.references if one not in erased]
    return Rewritten(event=event, kept_news=kept_news.encode(reading, others) if reading and others else None)


class _Names:
    """The references of applicants, as bodies may hold them: each as a word of its own, plain or escaped as in JSON."""

    def __init__(self, references: Iterable[str]) -> None:
        self._plain = set(references)
        written = {form for one in self._plain for form in (one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1])}
        self._words = re.compile(rb"(?<!\w)(?:%s)(?!\w)" % b"|".join(re.escape(form).encode() for form in sorted(written)))

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


def _empty_changes(begun: Begun) -> Iterator[int]:
    """Empty the applicants' changes, part by part; yield that no event was erased."""

    def part(connection: Connection, key: ApplicantKey) -> int:
        return trace_erasure.empty_changes(connection, key, limit=CHANGES_AT_ONCE)

    for key in begun.keys:
        while database.write(partial(part, key=key)):
            fault_points.reach("erasure emptied changes")
            yield 0
