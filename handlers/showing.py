"""What is shown of an applicant: a pure function of its registers. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import structs

from handlers.news import Step
from handlers.registers import EPOCH, Entry, Registers, shown
from store.applicants import Applicant
from store.states import HITS, Flag, Status

#: What never covers a rejection.
NEVER_OVER_A_REJECTION = (Status.NEEDS_REVIEW, Status.DOCUMENT_EXPIRED)


class Ground(NamedTuple):
    """One reason why an applicant stands where it stands: the status it stands for, what it is, and the event that said so."""

    status: Status
    name: str
    event_id: str | None


def show(applicant: Applicant, registers: Registers) -> Applicant:
    """The applicant as its registers say."""
    lying = beneath(registers)
    step = lying.value if lying else shown(Step(status=Status.CREATED)) | {"flags": []}
    decision = registers.get("decision")
    alerts, grounds = _alerts(registers), _grounds(registers)
    hits = {*(decision.value["hits"] if decision else ()), *(("aml",) if alerts else ())}
    as_of = registers.get("as_of")
    first = registers.get("first")
    external = registers.get("external_user_id")
    verdict = decision.value["verdict"] if decision and not _newer(registers.get("wiped"), decision) else None
    asks_again = grounds[0].status == Status.RESUBMISSION_REQUESTED and verdict == applicant.last_verdict
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
        user_message=None if hits or step["hits"] else step["user_message"],
        level=step["level"],
        last_verdict=verdict,
        problem_documents=applicant.problem_documents if asks_again else [],
        ever_approved=holds(registers, "ever_approved"),
        as_of=as_of and _moment(as_of.value),
        first_sequence=first and first.value,
        grounds=[ground._asdict() for ground in grounds],
        registers={name: list(entry) for name, entry in registers.items()},
    )


def is_known(applicant: Applicant, registers: Registers) -> bool:
    """Whether there is anything to show. What only lifts (an activation, a clearing) says nothing of an unknown applicant."""
    covered = holds(registers, "erased") or holds(registers, "deactivated")
    return bool(applicant.version or beneath(registers) or covered or applicant.flags)


def beneath(registers: Registers) -> Entry | None:
    """The verdict or progress that is shown, or would be if nothing lay over it: a binding one unless the case was reopened since."""
    final, reopened = registers.get("final"), registers.get("reopened")
    return final if final and not _newer(reopened, final) else registers.get("open")


def _grounds(registers: Registers) -> list[Ground]:
    """Why it stands where it stands: what lies over the verdict or progress, the first that covers deciding; then that itself."""
    bottom = beneath(registers)
    status = Status(bottom.value["status"]) if bottom else Status.CREATED
    lying = [Ground(status, name, entry.event_id) for status, name, entries in _overlays(registers) for entry in entries]
    covering = [ground for ground in lying if ground.status not in NEVER_OVER_A_REJECTION or status != Status.REJECTED]
    idle = [ground for ground in lying if ground not in covering]
    name = "the final verdict" if bottom and bottom is registers.get("final") else "the newest verdict or progress"
    return [*covering, Ground(status, name, bottom.event_id if bottom else None), *idle]


def _overlays(registers: Registers) -> Iterable[tuple[Status, str, list[Entry]]]:
    """What may lie over a verdict, the strongest first, and the news that put it there."""

    def holding(name: str) -> list[Entry]:
        return [registers[name]] if holds(registers, name) else []

    yield Status.DELETED, "a deletion", holding("erased")
    yield Status.DEACTIVATED, "a deactivation", holding("deactivated")
    yield Status.NEEDS_REVIEW, "a monitoring alert", _alerts(registers)
    yield Status.DOCUMENT_EXPIRED, "an expired document", holding("document_expired")


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
    return [entry for name, entry in sorted(registers.items()) if name.startswith("alert:") and entry.value]


def holds(registers: Registers, name: str) -> bool:
    entry = registers.get(name)
    return bool(entry and entry.value)


def _newer(entry: Entry | None, other: Entry) -> bool:
    return entry is not None and entry.stamp > other.stamp


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
