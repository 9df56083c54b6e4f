"""The projection: what is shown of an applicant, as a pure function of its registers. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec import structs

from handlers.rules.news import Step
from handlers.rules.registers import IMPORTED_HIT, Entry, Registers, shown_of
from store.applicants.table import Applicant
from store.states import HITS, Flag, Stand, Status
from store.system.clock import EPOCH

#: What an approval is decided against.
REFUSING = (Status.REJECTED, Status.NEEDS_REVIEW)

#: What never covers a rejection.
NEVER_OVER_A_REJECTION = (Status.NEEDS_REVIEW, Status.DOCUMENT_EXPIRED)


class Ground(NamedTuple):
    """One reason for an applicant's status: the status, its name, and the event that said so."""

    status: Status
    name: str
    event_id: str | None


class Objection(NamedTuple):
    """News that speaks against an approval: an open alert, a verdict with hits, a refusal or a doubt."""

    event_id: str
    hits: list[str]


class PersonDecision(NamedTuple):
    """The last decision of a person, its state, and whether it ever was in force."""

    entry: Entry
    stand: Stand
    stood: bool


def show(applicant: Applicant, registers: Registers) -> Applicant:
    """Return the applicant as its registers say."""
    base = base_entry(registers)
    ruled = person_decision(registers, base)
    step = base.value if base else shown_of(Step(status=Status.CREATED)) | {"flags": []}
    alerts, grounds = _alerts(registers), _grounds(registers, base, ruled)
    verdicts = registers["decision"].value["hits"] if "decision" in registers else ()
    hits = {*verdicts, *imported_hits(registers), *(("aml",) if alerts else ())}
    as_of = registers.get("as_of")
    first = registers.get("first")
    external = registers.get("external_user_id")
    verdict = _last_verdict(registers, ruled)
    asks_again = grounds[0].status == Status.RESUBMISSION_REQUESTED and verdict == applicant.last_verdict
    stands = ruled is not None and ruled.stand == Stand.STANDS
    return structs.replace(
        applicant,
        external_user_id=applicant.linked_user_id or (external and external.value),
        status=grounds[0].status,
        final=step["final"],
        provisional=step["provisional"] and Status(step["provisional"]),
        vendor_status=step["vendor_status"],
        may_retry=step["may_retry"],
        reasons=list(step["reasons"]),
        hits=[hit for hit in HITS if hit in hits],
        flags=_flags(registers, alerts, step["flags"]),
        checks=dict(step["checks"]),
        user_message=None if hits or step["hits"] or stands else step["user_message"],
        level=step["level"],
        last_verdict=verdict,
        decision=ruled and _described(ruled),
        objections=[one._asdict() for one in objections(registers, base)],
        problem_documents=applicant.problem_documents if asks_again else [],
        ever_approved=holds(registers, "ever_approved"),
        as_of=as_of and EPOCH + timedelta(microseconds=as_of.value),
        first_sequence=first and first.value,
        grounds=[ground._asdict() for ground in grounds],
        registers={name: list(entry) for name, entry in registers.items()},
    )


def is_known(applicant: Applicant, registers: Registers) -> bool:
    """Return whether the applicant is visible. An activation or a cleared alert alone does not create an applicant."""
    covered = holds(registers, "erased") or holds(registers, "deactivated")
    return bool(applicant.version or base_entry(registers) or covered or applicant.flags)


def base_entry(registers: Registers) -> Entry | None:
    """Return the verdict or progress that is shown when nothing overrides it: a final verdict, unless the case was reopened since."""
    final, reopened = registers.get("final"), registers.get("reopened")
    return final if final and not _newer(reopened, final) else registers.get("open")


def person_decision(registers: Registers, base: Entry | None) -> PersonDecision | None:
    """Return the last decision of a person; None if there is none. An approval holds against what was known when it was made, and
    against hits only with two operators."""
    entry = registers.get("judgement")
    if entry is None:
        return None
    refuses = entry.value["status"] != Status.APPROVED
    stood = _has_its_persons(entry) and (refuses or _is_weighed(entry, objections(registers, base, before=entry)))
    outvoted = _newer(base, entry)
    return PersonDecision(entry, Stand.OUTVOTED if outvoted else Stand.STANDS if stood else Stand.WAITS, stood)


def _has_its_persons(entry: Entry) -> bool:
    """Return whether a decision that always needs a second operator has one."""
    return entry.value["confirmed_by"] is not None or not entry.value.get("needs_two")


def _is_weighed(entry: Entry, against: list[Objection]) -> bool:
    all_seen = {one.event_id for one in against} <= set(entry.value["seen"])
    return all_seen and (entry.value["confirmed_by"] is not None or not any(one.hits for one in against))


def objections(registers: Registers, base: Entry | None, *, before: Entry | None = None) -> list[Objection]:
    """Return what speaks against an approval today; or what did when a person decided, whether it was known or not."""
    decision, imported = registers.get("decision"), imported_hits(registers)
    found = [Objection(entry.event_id, ["aml"]) for entry in _alerts(registers) if not _newer(entry, before)]
    if decision and decision.value["hits"] and not _newer(decision, before):
        found.append(Objection(decision.event_id, decision.value["hits"]))
    found += [Objection(entry.event_id, [hit]) for hit, entry in imported.items() if not decision or entry.event_id != decision.event_id]
    if base and not _newer(base, before) and (base.value["hits"] or _weighed_status(base.value, registers) in REFUSING):
        found.append(Objection(base.event_id, base.value["hits"]))
    return found


def imported_hits(registers: Registers) -> dict[str, Entry]:
    """Return the hits that imports named, until the vendor's own verdict says which there are."""
    decision = registers.get("decision")
    if decision is None or not decision.value.get("imported"):
        return {}
    return {name.removeprefix(IMPORTED_HIT): entry for name, entry in registers.items() if name.startswith(IMPORTED_HIT)}


def _weighed_status(told: dict[str, Any], registers: Registers) -> Status:
    """Return the status of a verdict or progress. An imported approval beside an imported hit needs a review."""
    doubtful = told["status"] == Status.APPROVED and told.get("imported") and imported_hits(registers)
    return Status.NEEDS_REVIEW if doubtful else Status(told["status"])


def _last_verdict(registers: Registers, ruled: PersonDecision | None) -> dict[str, Any] | None:
    """Return the newest verdict in force, the vendor's or a person's."""
    vendors, persons = registers.get("decision"), ruled.entry if ruled and ruled.stood else None
    newest = persons if _newer(persons, vendors) else vendors or persons
    if newest is None or _newer(registers.get("wiped"), newest):
        return None
    if newest is persons:
        return {"status": newest.value["status"], "level": None, "as_of": newest.value["at"]}
    verdict: dict[str, Any] = newest.value["verdict"]
    return verdict | {"status": _weighed_status(newest.value | verdict, registers)}


def _described(ruled: PersonDecision) -> dict[str, Any]:
    told = {name: value for name, value in ruled.entry.value.items() if name not in ("seen", "needs_two")}
    return told | {"state": ruled.stand.value, "event_id": ruled.entry.event_id}


def _grounds(registers: Registers, base: Entry | None, ruled: PersonDecision | None) -> list[Ground]:
    """Return the grounds of the status: the overrides, of which the first that covers the base decides; then the base, or a person's
    decision; then the rest."""
    bottom, decided = _bottom(registers, base), ruled and _decided(ruled)
    deciding = decided if ruled and decided and ruled.stand == Stand.STANDS else bottom
    lying = [(Ground(status, name, entry.event_id), entry) for status, name, entries in _overlays(registers) for entry in entries]
    weighed = ruled.entry if ruled and deciding is decided else None
    covering = [ground for ground, entry in lying if _covers(ground, entry, deciding, weighed)]
    idle = [ground for ground, _ in lying if ground not in covering]
    return [*covering, deciding, *idle, *(other for other in (decided, bottom) if other and other is not deciding)]


def _covers(ground: Ground, entry: Entry, beneath: Ground, weighed: Entry | None) -> bool:
    """Return whether an override covers the base. An alert and an expired document cover neither a rejection nor a later decision of a
    person."""
    if ground.status not in NEVER_OVER_A_REJECTION:
        return True
    return beneath.status != Status.REJECTED and not (weighed and _newer(weighed, entry))


def _bottom(registers: Registers, base: Entry | None) -> Ground:
    status = _weighed_status(base.value, registers) if base else Status.CREATED
    name = "the final verdict" if base and base is registers.get("final") else "the newest verdict or progress"
    return Ground(status, name, base.event_id if base else None)


def _decided(ruled: PersonDecision) -> Ground:
    name = "a person's decision"
    told = {Stand.STANDS: name, Stand.WAITS: f"{name}, once a second operator confirms it", Stand.OUTVOTED: f"{name}, before newer news"}
    return Ground(Status(ruled.entry.value["status"]), told[ruled.stand], ruled.entry.event_id)


def _overlays(registers: Registers) -> Iterable[tuple[Status, str, list[Entry]]]:
    """Return the possible overrides of a verdict, the strongest first, each with its entry."""
    yield Status.DELETED, "a deletion", _holding(registers, "erased")
    yield Status.DEACTIVATED, "a deactivation", _holding(registers, "deactivated")
    yield Status.NEEDS_REVIEW, "a monitoring alert", _alerts(registers)
    yield Status.DOCUMENT_EXPIRED, "an expired document", _holding(registers, "document_expired")


def _holding(registers: Registers, *names: str) -> list[Entry]:
    """Return the entries that are in force, of some registers."""
    return [registers[name] for name in names if holds(registers, name)]


def _flags(registers: Registers, alerts: list[Entry], of_the_step: list[str]) -> list[str]:
    expired = holds(registers, "document_expired")
    present = {
        Flag.DEACTIVATED: holds(registers, "deactivated"),
        Flag.DOCUMENT_EXPIRED: expired,
        Flag.DOCUMENT_EXPIRING: holds(registers, "document_expiring") and not expired,
        Flag.MONITORING_ALERT: bool(alerts),
        Flag.ARCHIVED: holds(registers, "archived"),
    }
    return [flag.value for flag in Flag if present.get(flag) or flag in of_the_step]


def _alerts(registers: Registers) -> list[Entry]:
    return _holding(registers, *sorted(name for name in registers if name.startswith("alert:")))


def holds(registers: Registers, name: str) -> bool:
    entry = registers.get(name)
    return bool(entry and entry.value)


def _newer(entry: Entry | None, other: Entry | None) -> bool:
    return entry is not None and other is not None and entry.stamp > other.stamp
