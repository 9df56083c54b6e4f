"""Derive applicants from the kept events, and compare them with what is shown.

Events are read in the order of receipt, in batches of a bounded size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from handlers.interpret import interpret
from handlers.rules import reversals, transitions
from handlers.rules.news import EventReading, Unreadable
from handlers.rules.projection import show
from handlers.rules.registers import Registers, apply_news
from store import database
from store.applicants import erased, mentions
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.inbox.events import InboxEvent
from store.text.states import ApplicantKey, Reversal, Status

APPLICANTS_AT_ONCE = 200


#: Told after each part: how many events or applicants were looked at.
OnProgress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One applicant whose shown state differs from what its events say."""

    key: ApplicantKey
    shown: Applicant
    derived: Applicant
    changed: list[str]

    @property
    def move(self) -> tuple[Status | None, Status]:
        """Return the status before and after."""
        return (self.shown.status if self.shown.version else None), self.derived.status

    @property
    def reversal(self) -> Reversal | None:
        return reversals.reversal(self.shown, self.derived)


@dataclass(frozen=True)
class Renamed:
    """Events that now name other applicants than when they were handled, because a mapping changed."""

    events: dict[int, InboxEvent] = field(default_factory=dict)
    #: For each applicant, the events that name it and did not.
    added: dict[ApplicantKey, list[int]] = field(default_factory=dict)
    #: Events that cannot be interpreted, by id. The applicants that they name stay as they are.
    failing: set[str] = field(default_factory=set)
    #: Events that are noted and would be unreadable, by id.
    unreadable: set[str] = field(default_factory=set)

    def note(self, events: Iterable[InboxEvent], named: dict[int, list[str]]) -> set[ApplicantKey]:
        """Compare which applicants events name with which they named when they were handled; return all of these."""
        concerned: set[ApplicantKey] = set()
        for event in events:
            before = {ApplicantKey(event.vendor, event.environment, reference) for reference in named.get(event.sequence, ())}
            reading = self.read(event)
            if reading is None:
                concerned |= before
                continue
            if isinstance(reading.news, Unreadable):
                self.unreadable.add(event.id)
            now = {ApplicantKey(event.vendor, event.environment, reference) for reference in reading.references}
            concerned |= now | before
            if now != before:
                self.events[event.sequence] = event
            for key in now - before:
                self.added.setdefault(key, []).append(event.sequence)
        return concerned

    def read(self, event: InboxEvent) -> EventReading | None:
        """Return the reading of an event; None, and remembered, if interpreting it fails."""
        try:
            return interpret(event)
        except Exception:  # Whatever a mapping does: handling the event would fail, and change no applicant.
            self.failing.add(event.id)
            return None


def compare(keys: Sequence[ApplicantKey], renamed: Renamed) -> Iterator[Difference]:
    """Return the differences of some applicants, from one snapshot. Nothing is locked."""
    with database.reading() as connection:
        shown = applicants.among(connection, keys)
        derived = derive_many(connection, keys, renamed)
    for key, registers in derived.items():
        difference = difference_of(shown.get(key) or applicants.unknown(key), registers)
        if difference:
            yield difference


def difference_of(shown: Applicant, registers: Registers) -> Difference | None:
    derived = show(shown, registers)
    changed = transitions.changes_shown(shown, derived, registers)
    if not changed and not (shown.version and transitions.beside(derived) != transitions.beside(shown)):
        return None
    return Difference(key=shown.key, shown=shown, derived=derived, changed=changed)


def derive_many(connection: Connection, keys: Sequence[ApplicantKey], renamed: Renamed) -> dict[ApplicantKey, Registers]:
    """Return what all kept events say of some applicants. The erased are left out, and those with an event that cannot be interpreted."""
    keys = erased.not_erased(connection, keys)
    heard = mentions.events_naming_any(connection, keys)
    heard += [(key, renamed.events[sequence]) for key in keys for sequence in renamed.added.get(key, ())]
    registers: dict[ApplicantKey, Registers] = {key: {} for key in keys}
    for key, event in heard:
        reading = renamed.read(event)
        if reading is None:
            registers.pop(key, None)
        elif key in registers and key.reference in reading.references:
            registers[key] = apply_news(registers[key], reading)
    return registers
