"""The projection: what is shown of an applicant, as a pure function of its registers. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec import structs

from handlers.rules.news import Step
from handlers.rules.objections import (
    PersonDecision,
    holding,
    holds,
    imported_hits,
    newer,
    objections,
    open_alerts,
    person_decisions,
    weighed_status,
)
from handlers.rules.registers import Entry, Registers, shown_of
from store.applicants.table import Applicant
from store.system.clock import EPOCH
from store.text.states import HITS, Flag, Stand, Status

#: What never covers a rejection.
NEVER_OVER_A_REJECTION = (Status.NEEDS_REVIEW, Status.DOCUMENT_EXPIRED)


#: The ground of an applicant's status where a person's decision is in force.
PERSONS_DECISION = "a person's decision"


class Ground(NamedTuple):
    """One reason for an applicant's status: the status, its name, and the event that said so."""

    status: Status
    name: str
    event_id: str | None


def show(applicant: Applicant, registers: Registers) -> Applicant:
    """Return the applicant as its registers say."""
    base = base_entry(registers)
    ruled = person_decisions(registers, base)
    step = base.value if base else shown_of(Step(status=Status.CREATED)) | {"flags": []}
    alerts, grounds = open_alerts(registers), _grounds(registers, base, ruled)
    verdicts = registers["decision"].value["hits"] if "decision" in registers else ()
    hits = {*verdicts, *imported_hits(registers), *(("aml",) if alerts else ())}
    as_of = registers.get("as_of")
    first = registers.get("first")
    external = registers.get("external_user_id")
    verdict = _last_verdict(registers, ruled)
    asks_again = grounds[0].status == Status.RESUBMISSION_REQUESTED and verdict == applicant.last_verdict
    stands = _standing(ruled) is not None
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
        decision=_described(ruled[0]) if ruled else None,
        objections=[one._asdict() for one in objections(registers, base)],
        problem_documents=applicant.problem_documents if asks_again else [],
        document_expires_on=expiry.value if (expiry := registers.get("document_expires_on")) else None,
        ever_approved=holds(registers, "ever_approved"),
        as_of=as_of and EPOCH + timedelta(microseconds=as_of.value),
        first_sequence=first and first.value,
        grounds=[ground._asdict() for ground in grounds],
        registers={name: list(entry) for name, entry in registers.items()},
    )


def is_known(applicant: Applicant, registers: Registers) -> bool:
    """Return whether the applicant is visible. An activation or a cleared alert alone does not create an applicant."""
    return bool(applicant.version or base_entry(registers) or applicant.flags)


def base_entry(registers: Registers) -> Entry | None:
    """Return the verdict or progress that is shown when nothing overrides it: a final verdict, unless the case was reopened since."""
    final, reopened = registers.get("final"), registers.get("reopened")
    return final if final and not newer(reopened, final) else registers.get("open")


def _standing(ruled: list[PersonDecision]) -> PersonDecision | None:
    return next((one for one in ruled if one.stand == Stand.STANDS), None)


def _last_verdict(registers: Registers, ruled: list[PersonDecision]) -> dict[str, Any] | None:
    """Return the newest verdict in force, the vendor's or a person's."""
    vendors, persons = registers.get("decision"), next((one.entry for one in ruled if one.stood), None)
    newest = persons if newer(persons, vendors) else vendors or persons
    if newest is None or newer(registers.get("wiped"), newest):
        return None
    if newest is persons:
        return {"status": newest.value["status"], "level": None, "as_of": newest.value["at"]}
    verdict: dict[str, Any] = newest.value["verdict"]
    return verdict | {"status": weighed_status(newest.value | verdict, registers)}


def _described(ruled: PersonDecision) -> dict[str, Any]:
    told = {name: value for name, value in ruled.entry.value.items() if name not in ("seen", "needs_two")}
    return told | {"state": ruled.stand.value, "event_id": ruled.entry.event_id}


def _grounds(registers: Registers, base: Entry | None, ruled: list[PersonDecision]) -> list[Ground]:
    """Return the grounds of the status: the overrides, of which the first that covers the base decides; then the base, or a person's
    decision; then the rest."""
    bottom, standing = _bottom(registers, base), _standing(ruled)
    deciding = _decided(standing) if standing else bottom
    lying = [(Ground(status, name, entry.event_id), entry) for status, name, entries in _overlays(registers) for entry in entries]
    weighed = standing.entry if standing else None
    covering = [ground for ground, entry in lying if _covers(ground, entry, deciding, weighed)]
    idle = [ground for ground, _ in lying if ground not in covering]
    others = [*(_decided(one) for one in ruled if one is not standing and one.stand != Stand.WITHDRAWN), bottom]
    return [*covering, deciding, *idle, *(other for other in others if other != deciding)]


def _covers(ground: Ground, entry: Entry, beneath: Ground, weighed: Entry | None) -> bool:
    """Return whether an override covers the base. An alert and an expired document cover neither a rejection nor a later decision of a
    person."""
    if ground.status not in NEVER_OVER_A_REJECTION:
        return True
    return beneath.status != Status.REJECTED and not (weighed and newer(weighed, entry))


def _bottom(registers: Registers, base: Entry | None) -> Ground:
    status = weighed_status(base.value, registers) if base else Status.CREATED
    name = "the final verdict" if base and base is registers.get("final") else "the newest verdict or progress"
    return Ground(status, name, base.event_id if base else None)


def _decided(ruled: PersonDecision) -> Ground:
    name = PERSONS_DECISION
    told = {Stand.STANDS: name, Stand.WAITS: f"{name}, once a second operator confirms it", Stand.OUTVOTED: f"{name}, before newer news"}
    return Ground(Status(ruled.entry.value["status"]), told[ruled.stand], ruled.entry.event_id)


def _overlays(registers: Registers) -> Iterable[tuple[Status, str, list[Entry]]]:
    """Return the possible overrides of a verdict, the strongest first, each with its entry."""
    yield Status.DELETED, "a deletion", holding(registers, "erased")
    yield Status.DEACTIVATED, "a deactivation", holding(registers, "deactivated")
    yield Status.NEEDS_REVIEW, "a monitoring alert", open_alerts(registers)
    yield Status.DOCUMENT_EXPIRED, "an expired document", holding(registers, "document_expired")


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
