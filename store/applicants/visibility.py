"""Visibility: privacy officers alone see an applicant that is restricted."""

from __future__ import annotations

from msgspec import structs

from store.applicants import feed
from store.applicants.feed import Transition
from store.applicants.table import Applicant
from store.system import clock


def restrict(before: Applicant) -> tuple[Applicant, list[Transition]]:
    """Return an applicant restricted, and the changes to report: none if it was restricted before, or is not shown to any caller yet."""
    if before.restricted:
        return before, []
    after = structs.replace(before, restricted=True, version=before.version + bool(before.version), updated_at=clock.now())
    return after, [feed.transition(before, after, ["restricted"], None)] if after.version else []
