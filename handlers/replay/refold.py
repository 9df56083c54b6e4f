"""Registers: what the rules remember of each applicant must be what the kept events make of it.

What is shown of an applicant is compared with the log by `store.proof.verification`; registers are in no leaf, and follow from events that
are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from handlers.replay.derive import APPLICANTS_AT_ONCE, OnProgress, Renamed, derive_many, difference_of
from handlers.rules.projection import show
from handlers.rules.registers import Registers
from store import database
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.database import bulk
from store.proof.verification import run, snapshots
from store.proof.verification.faults import Fault
from store.text.states import ApplicantKey


def faults(renamed: Renamed, *, on_applicants: OnProgress = lambda _: None) -> Iterator[Fault]:
    """Yield each applicant whose registers are not what its events make of them. One that changes meanwhile is compared again.

    `renamed`: the events that name others than they did when they were handled."""
    seen = set[ApplicantKey]()
    last: ApplicantKey | None = None
    while keys := database.read(partial(applicants.keys_after, last=last, limit=APPLICANTS_AT_ONCE)):
        seen.update(key for key in keys if key in renamed.added)
        yield from _compared(keys, renamed)
        on_applicants(len(keys))
        last = keys[-1]
    for some in bulk.parts(sorted(set(renamed.added) - seen), APPLICANTS_AT_ONCE):
        yield from _compared(some, renamed)


def _compared(keys: Sequence[ApplicantKey], renamed: Renamed) -> Iterator[Fault]:
    found = _differing(keys, renamed)
    for _ in range(run.TRIES if found else 0):
        found = _differing(list(found), renamed)
    if found:
        names = database.read(partial(snapshots.names, found=[applicant for applicant, _ in found.values()]))
        yield from (Fault(snapshots.APPLICANT, names[key], why) for key, (_, why) in found.items())


def _differing(keys: Sequence[ApplicantKey], renamed: Renamed) -> dict[ApplicantKey, tuple[Applicant, str]]:
    """Return those of the applicants that are not what their events say, each with what differs."""
    with database.reading() as connection:
        shown = applicants.among(connection, keys)
        derived = derive_many(connection, keys, renamed)
    found = {}
    for key, registers in derived.items():
        applicant = shown.get(key) or applicants.unknown(key)
        if why := _difference(applicant, registers):
            found[key] = applicant, why
    return found


def _difference(shown: Applicant, registers: Registers) -> str | None:
    difference = difference_of(shown, registers)
    if difference is not None:
        return f"{', '.join(difference.changed) or 'as_of, ever_approved or last_verdict'} not as its events say"
    kept, derived = shown.registers, _as_kept(show(shown, registers).registers)
    # A register of a monitoring has the vendor's id in its name.
    if differing := {name.partition(":")[0] for name in derived.keys() | kept.keys() if derived.get(name) != kept.get(name)}:
        return f"its registers ({', '.join(sorted(differing))}) are not what its events make of them"
    return None


def _as_kept(registers: dict[str, Any]) -> dict[str, Any]:
    """Return registers as the database gives them back."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(registers))
    return plain
