"""What a register keeps of a verdict, of progress, or of a person's decision. Nothing here does I/O."""

from __future__ import annotations

from typing import Any

from handlers.rules.news import Step
from store.applicants.table import NOTHING_CHECKED
from store.inbox.internal_events import DecisionBody
from store.states import Status
from store.system import clock


def shown(step: Step) -> dict[str, Any]:
    """What a register keeps of a step: what is shown of it."""
    return {
        "status": step.status, "final": step.final, "provisional": step.provisional, "vendor_status": step.vendor_status,
        "may_retry": step.may_retry, "reasons": list(step.reasons), "hits": list(step.hits), "checks": step.checks or NOTHING_CHECKED,
        "user_message": step.user_message, "level": step.level,
    } | imported(step)  # fmt: skip


def judged(status: Status, decided: DecisionBody) -> dict[str, Any]:
    """What a register keeps of a person's decision."""
    return {
        "status": status, "by": decided.by, "confirmed_by": decided.confirmed_by, "reason": decided.reason,
        "at": clock.rfc3339(decided.at), "seen": list(decided.seen), "needs_two": decided.needs_two,
    }  # fmt: skip


def imported(step: Step) -> dict[str, Any]:
    """Return the mark of what an import said; nothing for what the vendor said."""
    return {"imported": True} if step.imported else {}
