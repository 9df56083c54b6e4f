"""What a service made of the stories that the simulator told it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.simulator.client import Letter, Sent, Service, side_by_side
from receiver.simulator.payloads import Applicant
from receiver.simulator.scenarios import Telling
from receiver.simulator.stories import Story


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One story: whether it was sent whole, and how the applicant stands against what it says."""

    telling: Telling
    sent_whole: bool
    #: The applicant as the API shows it; empty if it cannot be read.
    applicant: dict[str, Any]
    history: list[dict[str, Any]]
    differences: list[str]

    @property
    def as_told(self) -> bool:
        return self.sent_whole and not self.differences


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """A delivery that no vendor signed: how it was answered, and what is answered to who asks for its applicant."""

    applicant: Applicant
    answer: str
    found: str

    @property
    def refused(self) -> bool:
        return self.answer == "401" and self.found == "404"


def look(service: Service, tellings: Sequence[Telling], sent: Iterable[Sent]) -> list[Finding]:
    """How the applicant of each telling stands."""
    kept: dict[Applicant, set[Letter]] = {telling.applicant: set() for telling in tellings}
    for one in sent:
        if one.delivery.kind != "forged" and one.answer.status == 200:
            kept[one.delivery.applicant].add(one.delivery.letter)
    return side_by_side(lambda telling: _find(service, telling, len(kept[telling.applicant])), tellings)


def look_for_forged(service: Service, sent: Iterable[Sent]) -> list[Forgery]:
    """Whether anything came of the forgeries."""

    def find(one: Sent) -> Forgery:
        applicant = one.delivery.applicant
        found = service.read("applicants", applicant.vendor, applicant.reference)
        return Forgery(applicant=applicant, answer=one.answer.word, found=found.word)

    return side_by_side(find, [one for one in sent if one.delivery.kind == "forged"])


def kept_twice(sent: Iterable[Sent]) -> int:
    """How often a letter was accepted that had been accepted before."""
    accepted = [one.delivery.letter for one in sent if one.answer.word == "accepted"]
    return len(accepted) - len(set(accepted))


def _find(service: Service, telling: Telling, kept: int) -> Finding:
    name = ("applicants", telling.applicant.vendor, telling.applicant.reference)
    answer, history = service.read(*name), service.read(*name, "history", limit="500").content.get("data", [])
    readable = answer.status == 200
    return Finding(
        telling=telling,
        sent_whole=kept == len(telling.story.steps),
        applicant=answer.content if readable else {},
        history=history,
        differences=differences(telling, answer.content, history) if readable else [f"the applicant cannot be read ({answer.word})"],
    )


def differences(telling: Telling, applicant: dict[str, Any], history: list[dict[str, Any]]) -> list[str]:
    """In what an applicant differs from what the story says."""
    story: Story = telling.story
    shown = {name: applicant.get(name) for name in story.ending}
    found = [f"{name} should be {told!r} and is {shown[name]!r}" for name, told in story.ending.items() if shown[name] != told]
    # How often an approval fell on the way depends on the order in which it was heard; where it ends does not.
    reversals = tuple(change["reversal"] for change in history if change["reversal"])
    if telling.in_order and reversals != story.reversals:
        found.append(f"reversals should be {list(story.reversals)} and are {list(reversals)}")
    return found
