"""Carry out erasures, some at a time. Each step commits, so that a run that is interrupted at any instant is resumed where it was.

1. The applicants are chosen, once.
2. A line for each erasure is written to the ledger, outside the database, and synced: a restored backup is erased again.
3. In one transaction the applicants are fenced and gone, and the feed tells of it.
4. Their events are erased, those that name others too, then those that were never read; then their changes.
5. Where the vendor is to erase, too, it is asked to; until it has, the erasure's own row names the applicants, and nothing else does.
6. The last names are removed, and the erasures are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

import structlog
from msgspec import structs
from sqlalchemy import Connection

from handlers.privacy import vendor_deletion
from handlers.privacy.names import Names, reading_of
from handlers.privacy.pace import Stopped
from handlers.rules import kept_news
from store import database
from store.inbox.events import InboxEvent
from store.privacy.erasing import erasures, event_erasure, trace_erasure
from store.privacy.erasing.erasures import Begun
from store.privacy.erasing.event_erasure import Rewritten
from store.privacy.restoring import gate, ledger
from store.system import fault_points
from store.system.logs import describe_error
from store.text.states import ApplicantKey

log = structlog.get_logger()

#: Events and changes that one transaction erases: deliveries wait for it on SQLite.
EVENTS_AT_ONCE, CHANGES_AT_ONCE = 25, 300

#: Erasures that are carried out together: most of their cost is that of the statements, and of the search through what has no names.
AT_ONCE = 20

#: Called after each part, with how many events were erased in it.
OnEvents = Callable[[int], object]


def carry_out(erasure_id: str) -> bool:
    """Erase what an erasure is about; return whether it is done. A hold leaves it as it is; a vendor that has not erased leaves its names.

    Raises ledger.Unusable where the ledger cannot be written, or lacks lines: nothing is deleted then."""
    return any(_carry_out(group, lambda _: None) for group in _begin([erasure_id]))


def attempt(erasure_ids: Sequence[str], *, on_events: OnEvents = lambda _: None) -> tuple[int, int]:
    """Carry out erasures as `carry_out` does; return how many are done, and how many failed for a reason of their own.

    Raises ledger.Unusable, Stopped, and what the database raises."""
    return _total(_attempt(group, on_events) for group in _begin(erasure_ids))


def _attempt(group: Sequence[Begun], on_events: OnEvents) -> tuple[int, int]:
    try:
        return _carry_out(group, on_events), 0
    except (Stopped, ledger.Unusable, *database.Failure):
        raise
    except Exception as error:
        if len(group) > 1:
            return _total(attempt([one.id], on_events=on_events) for one in group)
        log.error("an erasure failed", erasure_id=group[0].id, error=describe_error(error))
        return 0, 1


def _total(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    listed = list(counts)
    return sum(done for done, _ in listed), sum(failed for _, failed in listed)


def _begin(erasure_ids: Sequence[str]) -> list[list[Begun]]:
    """Choose what erasures are about; return in groups those that can be carried out."""
    database.read(ledger.require_shared)
    # Before anything is chosen: what is chosen takes no hold any more.
    ledger.append([], known=database.read(gate.known_lines))
    return _groups(database.write(lambda connection: erasures.begin_all(connection, erasure_ids)))


def _groups(begun: Sequence[Begun]) -> list[list[Begun]]:
    """Return erasures in groups of few applicants, each applicant once. An erasure without applicants is on its own: it has no fence that
    would show that this database has it, before it is done."""
    groups: list[list[Begun]] = []
    keys: set[ApplicantKey] = set()
    for one in begun:
        if not keys or not one.keys or keys.intersection(one.keys) or len(keys) + len(one.keys) > AT_ONCE:
            groups.append([])
            keys.clear()
        groups[-1].append(one)
        keys.update(one.keys)
    return groups


def _carry_out(begun: Sequence[Begun], on_events: OnEvents) -> int:
    """Carry out a group of erasures that are begun; return how many are done."""
    fault_points.reach("erasure chosen")
    lines = _write_down(begun)
    fault_points.reach("erasure in the ledger")
    if here := [one for one in begun if not one.waits]:
        _erase_here(here, on_events)
    ready = [one for one in begun if not one.with_vendor or vendor_deletion.carry_out(one, ledger_line=lines[one.id])]
    if waited := [one for one in ready if one.waits]:
        _forget_traces(waited)
    if ready:
        database.write(lambda connection: erasures.finish(connection, ready, ledger_lines=[lines[one.id] for one in ready]))
    for one in ready:
        log.info("an erasure is done", erasure_id=one.id, count=len(one.keys))
    return len(ready)


def _write_down(begun: Sequence[Begun]) -> dict[str, int]:
    """Write erasures into the ledger; return their lines. Where that fails, those that it lacks are undecided again: holds are possible."""
    try:
        return ledger.append(begun, known=database.read(gate.known_lines))
    except ledger.Unusable:
        lacking = ledger.without(one.id for one in begun)
        database.write(lambda connection: erasures.give_back(connection, lacking))
        raise


def _erase_here(begun: Sequence[Begun], on_events: OnEvents) -> None:
    """Fence the applicants, and erase what names them but the erasures' own rows."""
    database.write(lambda connection: erasures.close(connection, begun))
    fault_points.reach("erasure fenced")
    for count in chain(_erase_named(begun), _erase_nameless(begun), _empty_changes(begun)):
        on_events(count)
    _forget_traces(begun)


def _forget_traces(begun: Sequence[Begun]) -> None:
    """Remove the last names. The audit log is searched before the transaction that writes: deliveries wait for that one on SQLite."""
    found = database.read(lambda connection: erasures.find_acts(connection, begun))
    database.write(lambda connection: erasures.forget_traces(connection, begun, found))


def _erase_named(begun: Sequence[Begun]) -> Iterator[int]:
    """Erase the events that name the applicants; yield how many, part by part, until none is left."""
    erasure_of = erasures.by_applicant(begun)

    def part(connection: Connection) -> int:
        events = event_erasure.naming(connection, erasure_of, limit=EVENTS_AT_ONCE)
        named = event_erasure.erase(connection, [_rewritten(event, erasure_of) for event in events], erasure_of)
        _count(connection, erasure_of, named)
        return len(events)

    # Another process may have erased a part behind its lock: what counts is whether any is left.
    while database.read(lambda connection: event_erasure.is_any_left(connection, erasure_of)):
        count = database.write(part)
        fault_points.reach("erasure erased events")
        yield count


def _erase_nameless(begun: Sequence[Begun]) -> Iterator[int]:
    """Erase the events that name no applicant, or could not be handled, and whose bodies are about the applicants all the same."""
    erasure_of = erasures.by_applicant(begun)
    for vendor, environment in sorted({(key.vendor, key.environment) for key in erasure_of}):
        names = Names(key for key in erasure_of if (key.vendor, key.environment) == (vendor, environment))
        for events in _nameless(vendor, environment):
            found = [(event, named) for event in events if (named := names.of(event))]
            if found:
                yield database.write(partial(_erase_still_nameless, erasure_of=erasure_of, found=found))


def _nameless(vendor: str, environment: str) -> Iterator[list[InboxEvent]]:
    """Yield the events that name no applicant, or could not be handled, some at a time."""
    last = 0
    while events := database.read(partial(_nameless_after, vendor=vendor, environment=environment, last=last)):
        last = events[-1].sequence
        yield events


def _nameless_after(connection: Connection, vendor: str, environment: str, last: int) -> list[InboxEvent]:
    return event_erasure.nameless_after(connection, vendor, environment, last, limit=EVENTS_AT_ONCE)


def _erase_still_nameless(
    connection: Connection, erasure_of: Mapping[ApplicantKey, str], found: Sequence[tuple[InboxEvent, Collection[ApplicantKey]]]
) -> int:
    named = {event.sequence: keys for event, keys in found}
    events = event_erasure.still_nameless(connection, [event for event, _ in found])
    rewritten = [structs.replace(_rewritten(event, erasure_of), about=named[event.sequence]) for event in events]
    event_erasure.erase(connection, rewritten, erasure_of)
    _count(connection, erasure_of, [(key, event.sequence) for event in events for key in named[event.sequence]])
    return len(events)


def _count(connection: Connection, erasure_of: Mapping[ApplicantKey, str], named: Iterable[tuple[ApplicantKey, int]]) -> None:
    """Count the events that were erased for each erasure. Sorted, because an erasure's row is locked by that."""
    counts = Counter(erasure_id for erasure_id, _ in {(erasure_of[key], sequence) for key, sequence in named})
    for erasure_id, count in sorted(counts.items()):
        erasures.count_events(connection, erasure_id, count)


def _rewritten(event: InboxEvent, keys: Collection[ApplicantKey]) -> Rewritten:
    """Return what is left of an event without some applicants: nothing, or what it says of others."""
    reading = reading_of(event)
    named = [] if reading is None else [ApplicantKey(event.vendor, event.environment, one) for one in reading.references]
    others = [key.reference for key in named if key not in keys]
    return Rewritten(event=event, kept_news=kept_news.encode(reading, others) if reading and others else None)


def _empty_changes(begun: Sequence[Begun]) -> Iterator[int]:
    """Empty the applicants' changes, part by part; yield that no event was erased."""
    erasure_of, emptied = erasures.by_applicant(begun), CHANGES_AT_ONCE
    while emptied == CHANGES_AT_ONCE:
        emptied = database.write(lambda connection: trace_erasure.empty_changes(connection, erasure_of, limit=CHANGES_AT_ONCE))
        fault_points.reach("erasure emptied changes")
        yield 0
