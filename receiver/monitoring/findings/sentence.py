"""A sentence about the state of one thing, its severity, and the command that shows more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from store.text.counts import counted

#: `wrong`: deliveries are refused, or events wait for somebody to act. `look`: somebody should look at it. `ok`: nothing to do.
Verdict = Literal["ok", "look", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What was found about one thing."""

    about: str
    verdict: Verdict
    says: str
    look: str = ""

    def __str__(self) -> str:
        return f"{self.about}: {self.says}"


@dataclass(frozen=True)
class Sentence:
    """What can be found. Its texts hold fields in braces; a call fills them."""

    about: str
    verdict: Verdict
    says: str
    look: str = ""

    def __call__(self, **fields: Any) -> Finding:
        return Finding(self.about.format(**fields), self.verdict, self.says.format(**fields), self.look.format(**fields))


def many(count: int, one: str, several: str | None = None) -> str:
    """Return a count with its noun: `no events`, `1 event`, `2 events`."""
    return counted(count, one, several) if count else f"no {several or one + 's'}"


def duration(seconds: float) -> str:
    """Return a duration in the unit that a person would use."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def option(environment: str) -> str:
    """Return what a command needs to show this environment."""
    return " --sandbox" if environment == "sandbox" else ""
