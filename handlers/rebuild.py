"""Deriving every applicant anew from the kept events: to compare with what is shown, or to mend it.

Events are read in the order of receipt, a bounded number at a time. Mending takes a few applicants at a time, each locked
and derived once more under the lock, so that the service runs on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Connection

from handlers import reading, transitions
from handlers.news import News
from handlers.reading import Read
from handlers.registers import Registers, hear
from handlers.showing import show
from store import applicants, clock, database, feed, history, mentions
from store.applicants import Applicant, Key
from store.claims import Claimed
from store.states import Reversal, Status

EVENTS_AT_ONCE = 1000
APPLICANTS_AT_ONCE = 200

#: Applicants that one transaction mends.
MENDED_AT_ONCE = 50

#: Told after each part: how many events or applicants were looked at.
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One applicant that is not as its events say."""

    key: Key
    shown: Applicant
    derived: Applicant
    changed: list[str]

    @property
    def move(self) -> tuple[Status | None, Status]:
        """From which status to which."""
        return (self.shown.status if self.shown.version else None), self.derived.status

    @property
    def reversal(self) -> Reversal | None:
        return transitions.reversal(self.shown, self.derived)


@dataclass(frozen=True)
class Renamed:
    """Events that name other applicants than when they were handled: a changed mapping reads them otherwise."""

    events: dict[int, Claimed] = field(default_factory=dict)
    #: For each applicant, the events that name it and did not.
    added: dict[Key, list[int]] = field(default_factory=dict)


def differences(*, on_events: Progress, on_applicants: Progress) -> Iterator[Difference]:
    """Every applicant that is not as its events say."""
    renamed = find_renamed(on_events)
    seen: set[Key] = set()
    for keys in _known_keys(on_applicants):
        seen.update(key for key in keys if key in renamed.added)
        yield from _compare(keys, renamed)
    newcomers = sorted(set(renamed.added) - seen)
    for start in range(0, len(newcomers), APPLICANTS_AT_ONCE):
        yield from _compare(newcomers[start : start + APPLICANTS_AT_ONCE], renamed)


def find_renamed(on_events: Progress) -> Renamed:
    """The events that name other applicants than they did."""
    renamed = Renamed()
    for events, named in _handled_events():
        for event in events:
            news = reading.interpret(event)
            now = {Key(event.vendor, event.environment, reference) for reference in reading.references(news)}
            before = {Key(event.vendor, event.environment, reference) for reference in named.get(event.sequence, ())}
            if now != before:
                renamed.events[event.sequence] = event
            for key in now - before:
                renamed.added.setdefault(key, []).append(event.sequence)
        on_events(len(events))
    return renamed


def mend(keys: Iterable[Key], *, on_applicants: Progress) -> int:
    """Show what the events say of these applicants, telling each change; return how many changed. Commits, part by part."""
    renamed, mended = find_renamed(lambda _: None), 0
    waiting = iter(sorted(keys))
    while part := list(islice(waiting, MENDED_AT_ONCE)):
        with database.begin() as connection:
            mended += _mend(connection, part, renamed)
        on_applicants(len(part))
    _rename(renamed)
    return mended


def _mend(connection: Connection, keys: list[Key], renamed: Renamed) -> int:
    present = applicants.lock(connection, keys)
    found = [difference for key in keys if (difference := _difference(present[key], _derive(connection, key, renamed)))]
    now = clock.now()
    mended = [transitions.as_changed(one.shown, one.derived, one.changed, now=now) for one in found]
    applicants.save(connection, mended)
    history.remember_quietly(connection, (after for one, after in zip(found, mended, strict=True) if not one.changed))
    told = (feed.transition(one.shown, after, one.changed, one.reversal) for one, after in zip(found, mended, strict=True) if one.changed)
    feed.append(connection, told)
    return len(found)


def _rename(renamed: Renamed) -> None:
    """Remember which applicants events name, as they are read today."""
    for sequence, event in renamed.events.items():
        with database.begin() as connection:
            mentions.forget(connection, sequence)
            mentions.remember(connection, reading.said(Read(event, reading.interpret(event)), []))


def _compare(keys: list[Key], renamed: Renamed) -> Iterator[Difference]:
    with database.reading() as connection:
        shown = applicants.among(connection, keys)
        derived = _derive_many(connection, keys, renamed)
    for key in keys:
        difference = _difference(shown.get(key) or applicants.unknown(key), derived[key])
        if difference:
            yield difference


def _difference(shown: Applicant, registers: Registers) -> Difference | None:
    derived = show(shown, registers)
    changed = transitions.changes_shown(shown, derived, registers)
    if not changed and not (shown.version and transitions.beside(derived) != transitions.beside(shown)):
        return None
    return Difference(key=shown.key, shown=shown, derived=derived, changed=changed)


def _derive(connection: Connection, key: Key, renamed: Renamed) -> Registers:
    return _derive_many(connection, [key], renamed)[key]


def _derive_many(connection: Connection, keys: list[Key], renamed: Renamed) -> dict[Key, Registers]:
    """What all kept events together say of some applicants."""
    registers: dict[Key, Registers] = {key: {} for key in keys}
    for key, event in mentions.events_naming_any(connection, keys):
        _hear(registers, key, event)
    for key in keys:
        for sequence in renamed.added.get(key, ()):
            _hear(registers, key, renamed.events[sequence])
    return registers


def _hear(registers: dict[Key, Registers], key: Key, event: Claimed) -> None:
    news = reading.interpret(event)
    if isinstance(news, News) and key.reference in news.references:
        registers[key] = hear(registers[key], news, reading.occasion(event))


def _handled_events() -> Iterator[tuple[list[Claimed], dict[int, list[str]]]]:
    """Every handled event, and whom it named, in the order of receipt."""
    last = 0
    while True:
        with database.reading() as connection:
            events = mentions.handled_after(connection, last, limit=EVENTS_AT_ONCE)
            if not events:
                return
            named = mentions.of_events(connection, first=events[0].sequence, last=events[-1].sequence)
        yield events, named
        last = events[-1].sequence


def _known_keys(on_applicants: Progress) -> Iterator[list[Key]]:
    last: Key | None = None
    while True:
        with database.reading() as connection:
            keys = applicants.keys_after(connection, last, limit=APPLICANTS_AT_ONCE)
        if not keys:
            return
        yield keys
        on_applicants(len(keys))
        last = keys[-1]
