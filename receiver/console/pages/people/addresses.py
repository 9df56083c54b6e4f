"""Addresses: the page about what a row of a list names."""

from __future__ import annotations

from receiver.console import rendering
from receiver.console.lists import Row


def applicant(row: Row) -> str | None:
    """Return the address of the page of the applicant that a row names."""
    if not row.get("vendor") or not row.get("reference"):
        return None
    return rendering.to("applicant.show", vendor=row["vendor"], reference=row["reference"])


def person(row: Row) -> str | None:
    """Return the address of the page of the person that a row names."""
    whose = row.get("external_user_id")
    return rendering.to("person.show", external_user_id=whose) if whose else None


def proof_of_change(row: Row) -> str:
    """Return the address of the proof of a change of the feed."""
    return rendering.to("proofs.of_change", change=row["cursor"])


def event(row: Row) -> str | None:
    """Return the address of the page of the event that a row names."""
    return rendering.to("event.show", event_id=row["event_id"]) if row.get("event_id") else None
