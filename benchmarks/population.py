"""Who is told of: made-up applicants of the three vendors, each with a story of two to five events, told side by side."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from receiver.simulator import payloads
from receiver.simulator.payloads import Applicant, Step
from receiver.simulator.stories import STORIES, Story, chapters
from tests.support import signing

#: Stands in every name of a population, and nowhere else: who replaces it has a population of others, with the same stories.
RUN = "5ca1ab1e"

#: How often each story is told in one population.
TELLINGS = 20

TOLD = tuple(story for story in STORIES if len(story.steps) > 1)
_BEGAN = datetime.now(UTC) - timedelta(days=9)
_runs = itertools.count(0x10000000)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What a vendor says once: a body, and the type that only a header tells."""

    vendor: str
    event_type: str
    body: bytes

    def of(self, run: str) -> Letter:
        """The same, said of the applicants of another run."""
        return Letter(vendor=self.vendor, event_type=self.event_type, body=self.body.replace(RUN.encode(), run.encode()))

    def request(self) -> bytes:
        """The whole HTTP request, signed at this moment."""
        options = {"event_type": self.event_type} if self.vendor == "idenfy" else {}
        head = [f"POST /webhooks/{self.vendor} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        head += [f"{name}: {value}" for name, value in signing.headers(self.vendor, self.body, **options).items()]
        return "\r\n".join([*head, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


def new_run() -> str:
    """Eight hex digits that no other population of this process has."""
    return f"{next(_runs):08x}"


def deliveries(count: int) -> list[bytes]:
    """So many signed requests, no two the same, each applicant's in the order of its story."""
    return [letter.request() for letter in letters(count)]


def letters(count: int) -> Iterator[Letter]:
    """What so many deliveries say: one population after the other."""
    return itertools.islice((letter.of(run) for run in iter(new_run, "") for letter in population()), count)


@cache
def population() -> tuple[Letter, ...]:
    """One population's events: everybody's first, then everybody's second, and so on, as they mix when many verify at once."""
    told = [_letters(story, number, story.steps) for number, story in _cast()]
    return tuple(letter for layer in itertools.zip_longest(*told) for letter in layer if letter)


def endings() -> Counter[str]:
    """How many applicants of one population end in each status."""
    return Counter(str(story.ending["status"]) for _, story in _cast())


def references() -> list[tuple[str, str]]:
    """Everybody of one population: vendor and reference."""
    return [(story.vendor, _applicant(story, number).reference) for number, story in _cast()]


def fallen(count: int) -> tuple[list[Letter], list[Letter]]:
    """Of so many new applicants of all vendors: what approves them, in order, and the one event that takes it back."""
    run, stories = new_run(), [story for story in TOLD if story.reversals == ("adverse",)]
    cast = list(zip(range(count), itertools.cycle(stories), strict=False))
    before = [_letters(story, number, [step for chapter in chapters(story)[:-1] for step in chapter]) for number, story in cast]
    after = [_letters(story, number, chapters(story)[-1]) for number, story in cast]
    layers = itertools.zip_longest(*before)
    return [one.of(run) for layer in layers for one in layer if one], [one.of(run) for letters in after for one in letters]


def _cast() -> Iterator[tuple[int, Story]]:
    return enumerate(TOLD * TELLINGS)


def _applicant(story: Story, number: int) -> Applicant:
    named = {"vendor": story.vendor, "environment": "live", "run": RUN, "level": "basic-kyc-level"}
    return payloads.made_up(**named, number=number, began_at=_BEGAN)


def _letters(story: Story, number: int, steps: list[Step] | tuple[Step, ...]) -> list[Letter]:
    who = _applicant(story, number)
    return [Letter(vendor=story.vendor, event_type=step.event_type, body=payloads.body(who, step)) for step in steps]
