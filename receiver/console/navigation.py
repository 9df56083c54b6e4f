"""The navigation: which pages there are, in the order of the night, and the right that each needs."""

from __future__ import annotations

from typing import NamedTuple

from receiver.web.auth import Right


class Section(NamedTuple):
    """A page that every other page links to."""

    title: str
    endpoint: str
    right: Right = Right.READ
    #: The blueprints of the pages below it.
    below: tuple[str, ...] = ()

    @property
    def blueprints(self) -> tuple[str, ...]:
        """Return the blueprints whose pages belong to this section."""
        return (self.endpoint.partition(".")[0], *self.below)


SECTIONS = (
    Section("Attention", "attention.show"),
    Section("Applicants", "applicants.show", below=("applicant", "person")),
    Section("Review queue", "review.show", below=("decisions",)),
    Section("Reversals", "reversals.show"),
    Section("Events", "events.show", below=("event",)),
    Section("Replays", "replays.show", Right.OPERATE, below=("replay",)),
    Section("Reactions", "reactions.show", below=("reaction",)),
    Section("Reconcile", "reconcile.show"),
    Section("Vendors", "vendors.show"),
    Section("Privacy", "privacy.show", Right.PRIVACY, below=("erasure", "hold", "holds", "retention", "relationship")),
    Section("Audit", "audit.show", Right.OPERATE),
    Section("Log", "log.show", below=("proofs",)),
    Section("Overview", "overview.show"),
    Section("Sessions", "sessions.show"),
)
