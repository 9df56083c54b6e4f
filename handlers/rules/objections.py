"""Objections: what speaks against an approval, and which decision of a person is in force. Nothing here does I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

from handlers.rules.registers import IMPORTED_HIT, JUDGEMENT, PROPOSAL, Entry, Registers
from store.text.states import Stand, Status

#: What an approval is decided against.
REFUSING = (Status.REJECTED, Status.NEEDS_REVIEW)


class Objection(NamedTuple):
    """News that speaks against an approval: an open alert, a verdict with hits, a refusal or a doubt."""

    event_id: str
    hits: list[str]


class PersonDecision(NamedTuple):
    """A decision of a person, its state, and whether it ever was in force."""

    entry: Entry
    stand: Stand
    stood: bool


def person_decisions(registers: Registers, base: Entry | None) -> list[PersonDecision]:
    """Return the last decision of a person and, if that is only a proposal, the decision before it; the newest first.

    An approval holds against what was known when it was made, and against hits only with two operators."""
    proposal, judgement = registers.get(PROPOSAL), registers.get(JUDGEMENT)
    known = [entry for entry in (proposal, judgement) if entry is not None]
    if proposal and newer(judgement, proposal):
        known.remove(proposal)
    if proposal and judgement and _ends_what_waited(proposal, judgement):
        known.remove(judgement)
    return [_judged(registers, base, entry) for entry in known]


def _ends_what_waited(proposal: Entry, judgement: Entry) -> bool:
    """Return whether the withdrawn proposal is this judgement: an earlier version kept decisions that wait beside those in force."""
    return is_withdrawn(proposal) and judgement.order == proposal.order and judgement.value["confirmed_by"] is None


def _judged(registers: Registers, base: Entry | None, entry: Entry) -> PersonDecision:
    if is_withdrawn(entry):
        return PersonDecision(entry, Stand.WITHDRAWN, stood=False)
    refuses = entry.value["status"] != Status.APPROVED
    stood = _has_its_persons(entry) and (refuses or _is_weighed(entry, objections(registers, base, before=entry)))
    outvoted = newer(base, entry)
    return PersonDecision(entry, Stand.OUTVOTED if outvoted else Stand.STANDS if stood else Stand.WAITS, stood)


def is_withdrawn(entry: Entry) -> bool:
    return entry.value.get("withdrawn_by") is not None


def _has_its_persons(entry: Entry) -> bool:
    """Return whether a decision that always needs a second operator has one."""
    return entry.value["confirmed_by"] is not None or not entry.value.get("needs_two")


def _is_weighed(entry: Entry, against: list[Objection]) -> bool:
    all_seen = {one.event_id for one in against} <= set(entry.value["seen"])
    return all_seen and (entry.value["confirmed_by"] is not None or not any(one.hits for one in against))


def objections(registers: Registers, base: Entry | None, *, before: Entry | None = None) -> list[Objection]:
    """Return what speaks against an approval today; or what did when a person decided, whether it was known or not."""
    decision, imported = registers.get("decision"), imported_hits(registers)
    found = [Objection(entry.event_id, ["aml"]) for entry in open_alerts(registers) if not newer(entry, before)]
    if decision and decision.value["hits"] and not newer(decision, before):
        found.append(Objection(decision.event_id, decision.value["hits"]))
    found += [Objection(entry.event_id, [hit]) for hit, entry in imported.items() if not decision or entry.event_id != decision.event_id]
    if base and not newer(base, before) and (base.value["hits"] or weighed_status(base.value, registers) in REFUSING):
        found.append(Objection(base.event_id, base.value["hits"]))
    return found


def imported_hits(registers: Registers) -> dict[str, Entry]:
    """Return the hits that imports named, until the vendor's own verdict says which there are."""
    decision = registers.get("decision")
    if decision is None or not decision.value.get("imported"):
        return {}
    return {name.removeprefix(IMPORTED_HIT): entry for name, entry in registers.items() if name.startswith(IMPORTED_HIT)}


def weighed_status(told: dict[str, Any], registers: Registers) -> Status:
    """Return the status of a verdict or progress. An imported approval beside an imported hit needs a review."""
    doubtful = told["status"] == Status.APPROVED and told.get("imported") and imported_hits(registers)
    return Status.NEEDS_REVIEW if doubtful else Status(told["status"])


def holding(registers: Registers, *names: str) -> list[Entry]:
    """Return the entries that are in force, of some registers."""
    return [registers[name] for name in names if holds(registers, name)]


def open_alerts(registers: Registers) -> list[Entry]:
    return holding(registers, *sorted(name for name in registers if name.startswith("alert:")))


def holds(registers: Registers, name: str) -> bool:
    entry = registers.get(name)
    return bool(entry and entry.value)


def newer(entry: Entry | None, other: Entry | None) -> bool:
    return entry is not None and other is not None and entry.stamp > other.stamp
