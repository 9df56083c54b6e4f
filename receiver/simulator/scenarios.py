"""What a run of the simulator sends, and in which order: the stories, who plays in them, and what goes wrong on the way.

A seed makes the same plot again, with applicants whose names are new.
"""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from receiver.config import Settings
from receiver.simulator import payloads, stories
from receiver.simulator.client import LANES, Delivery, Letter
from receiver.simulator.payloads import Applicant, Step
from receiver.simulator.stories import STORIES, Story
from receiver.vendors import rehearsal
from receiver.vendors.base import Scheme
from store.system import clock

VENDORS = tuple(dict.fromkeys(story.vendor for story in STORIES))

#: Vendors whose events carry a time, so that the order in which they come makes no difference.
WITH_CLOCK = ("idngo", "ifcgate")

#: So long ago that what comes after a week, or after all, is past.
AGO = timedelta(days=9)

#: A duplicate comes at most so many deliveries after its first: a signed time is good for five minutes.
LATER_MAX = 5


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A vendor's hand."""

    scheme: Scheme
    secret: bytes

    def sign(self, body: bytes, event_type: str) -> dict[str, str]:
        return self.scheme.sign(body, self.secret, event_type=event_type, now=clock.now())


def signers(settings: Settings, environment: str) -> dict[str, Signer]:
    """Return how to sign for each vendor that has a secret of an environment: with the first one."""
    found = {}
    for vendor in VENDORS:
        sender = settings.senders.get(vendor)
        key = next((key for key in sender.keys if key.environment == environment), None) if sender else None
        if sender is not None and key is not None:
            found[vendor] = Signer(scheme=sender.scheme, secret=key.secret)
    return found


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where and when a run plays."""

    #: Distinguishes this run from all others.
    run: str
    environment: str
    #: IDnGO's level: one at which an approval counts.
    level: str
    #: The vendors that can be played.
    signers: dict[str, Signer]
    now: datetime

    def applicant(self, vendor: str, number: int) -> Applicant:
        began_at = self.now - AGO
        named = {"vendor": vendor, "environment": self.environment, "run": self.run, "level": self.level}
        return payloads.made_up(**named, number=number, began_at=began_at)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """A story with its applicant, in chapters, as this run sends it."""

    story: Story
    applicant: Applicant
    chapters: list[list[Step]]
    in_order: bool


@dataclass(frozen=True, kw_only=True)
class Plot:
    """All that is sent. Chapters follow one another; in a chapter, lanes are sent beside one another, each in its order."""

    tellings: list[Telling]
    chapters: list[list[list[Delivery]]]


def plot(scene: Scene, *, count: int, seed: int, duplicates: float, reordered: float, forgeries: float) -> Plot:
    """A run's plot. The first stories are those of the catalogue, in its order. The first story of each vendor is sent in order."""
    chance = random.Random(seed)  # noqa: S311
    known = [story for story in STORIES if story.vendor in scene.signers]
    chosen = [*known[:count], *chance.choices(known, k=max(0, count - len(known)))]
    tellings = [
        _telling(story, scene.applicant(story.vendor, number), chance, share=reordered if number >= len(scene.signers) else 0)
        for number, story in enumerate(chosen)
    ]
    numbers = itertools.count(count)
    chapters = []
    for chapter in range(max(len(telling.chapters) for telling in tellings)):
        lanes = [_lane(scene, tellings[lane::LANES], chapter, chance) for lane in range(LANES)]
        chapters.append([_with_faults(scene, lane, numbers, chance, duplicates=duplicates, forgeries=forgeries) for lane in lanes])
    return Plot(tellings=tellings, chapters=chapters)


def _telling(story: Story, applicant: Applicant, chance: random.Random, *, share: float) -> Telling:
    chapters = stories.chapters(story)
    reorder = chance.random() < share and story.vendor in WITH_CLOCK and len(story.steps) > 1
    if reorder:
        chapters = _in_another_order(chapters, chance)
    return Telling(story=story, applicant=applicant, chapters=chapters, in_order=not reorder)


def _in_another_order(chapters: list[list[Step]], chance: random.Random) -> list[list[Step]]:
    """As many steps in each chapter, though not those that belong there."""
    steps = [step for chapter in chapters for step in chapter]
    while (shuffled := chance.sample(steps, len(steps))) == steps:
        pass
    left = iter(shuffled)
    return [[next(left) for _ in chapter] for chapter in chapters]


def _lane(scene: Scene, tellings: Sequence[Telling], chapter: int, chance: random.Random) -> list[Delivery]:
    """What one lane sends of a chapter: its stories mingled, each in its order."""
    waiting = [
        [_delivery(scene, telling.applicant, step) for step in telling.chapters[chapter]]
        for telling in tellings
        if chapter < len(telling.chapters)
    ]
    turns = [mine for mine in waiting for _ in mine]
    chance.shuffle(turns)
    return [mine.pop(0) for mine in turns]


def _delivery(scene: Scene, applicant: Applicant, step: Step) -> Delivery:
    body, signer = payloads.body(applicant, step), scene.signers[applicant.vendor]
    letter = Letter(vendor=applicant.vendor, body=body, sign=lambda: signer.sign(body, step.event_type))
    return Delivery(letter=letter, kind="first", applicant=applicant)


def _with_faults(
    scene: Scene, lane: list[Delivery], numbers: itertools.count[int], chance: random.Random, *, duplicates: float, forgeries: float
) -> list[Delivery]:
    """A lane with what goes wrong on the way. Each delivery has a place, and what is put in comes between two places."""
    placed = [(float(place), delivery) for place, delivery in enumerate(lane)]
    for place, delivery in enumerate(lane):
        if chance.random() < duplicates:
            # Without a clock, an older body come again would mean something: it must be the latest.
            later = chance.randrange(LATER_MAX) if delivery.applicant.vendor in WITH_CLOCK else 0
            placed.append((place + 0.5 + later, replace(delivery, kind="again")))
        if chance.random() < forgeries:
            placed.append((chance.uniform(0, len(lane)), _forgery(scene, next(numbers), chance)))
    return [delivery for _, delivery in sorted(placed, key=lambda one: one[0])]


# forgeries ----------------------------------------------------------------------------------------------------

#: How a stranger signs who does not have the vendor's secret.
Forge = Callable[[Signer, bytes, str], dict[str, str]]


def _with_a_secret_of_their_own(signer: Signer, body: bytes, event_type: str) -> dict[str, str]:
    return replace(signer, secret=secrets.token_bytes(32)).sign(body, event_type)


def _with_a_signature_of_another_body(signer: Signer, body: bytes, event_type: str) -> dict[str, str]:
    return signer.sign(b"{}", event_type)


def _not_at_all(signer: Signer, body: bytes, event_type: str) -> dict[str, str]:
    return {}


FORGERIES: tuple[Forge, ...] = (_with_a_secret_of_their_own, _with_a_signature_of_another_body, _not_at_all)


def _forgery(scene: Scene, number: int, chance: random.Random) -> Delivery:
    """The approval of an applicant that no vendor knows."""
    vendor, forge = chance.choice(list(scene.signers)), chance.choice(FORGERIES)
    signer, applicant, step = scene.signers[vendor], scene.applicant(vendor, number), _approval(vendor)
    body = payloads.body(applicant, step)
    told = rehearsal.header(signer.secret, clock.now()) if scene.environment == "sandbox" else {}
    letter = Letter(vendor=vendor, body=body, sign=lambda: forge(signer, body, step.event_type) | told)
    return Delivery(letter=letter, kind="forged", applicant=applicant)


def _approval(vendor: str) -> Step:
    """What this vendor says to approve."""
    return next(story.steps[-1] for story in STORIES if story.vendor == vendor and story.name == "approved")
