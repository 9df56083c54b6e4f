"""Findings: each verification at the service and at the played vendor, compared with what its part says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from receiver.simulator.vendor_server import Vendors
from receiver.simulator.whole.scenes import Scene

#: The status of a verification whose vendor has everything. On hosted pages the person brings the rest.
DONE = {"documents": ("submitted",), "hosted": ("linked", "submitted")}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One verification."""

    scene: Scene
    #: How often the applicant's approval was turned.
    reversals: tuple[str, ...]
    differences: list[str]

    @property
    def as_told(self) -> bool:
        return not self.differences


def look(scene: Scene) -> Finding:
    """Compare a verification with its part."""
    calls, part = scene.stage.calls, scene.part
    known = scene.verification.get("reference") is not None
    reversals = calls.reversals(part.vendor, scene.reference) if known else ()
    if scene.complaints:
        return Finding(scene=scene, reversals=reversals, differences=scene.complaints)
    scene.verification = calls.verification(scene.id)
    scene.applicant = calls.applicant(part.vendor, scene.reference)
    found = [*_of_the_verification(scene), *_of_the_applicant(scene, reversals), *_of_the_vendor(scene)]
    return Finding(scene=scene, reversals=reversals, differences=found)


def bought_twice(vendors: Vendors) -> list[str]:
    """Return the users with more than one verification that was bought at a vendor."""
    found = []
    for name, played in vendors.played.items():
        users = [played.table[reference].user for reference in played.bought if reference in played.table]
        found += [f"{name} {user}" for user in sorted({user for user in users if users.count(user) > 1})]
    return found


def _of_the_verification(scene: Scene) -> Iterator[str]:
    status = scene.verification.get("status")
    if status not in DONE[scene.part.mode]:
        yield f"the verification should be {' or '.join(DONE[scene.part.mode])} and is {status}"


def _of_the_applicant(scene: Scene, reversals: tuple[str, ...]) -> Iterator[str]:
    expected: dict[str, Any] = {"external_user_id": scene.user, **scene.part.ending}
    for name, told in expected.items():
        if scene.applicant.get(name) != told:
            yield f"{name} should be {told!r} and is {scene.applicant.get(name)!r}"
    if reversals != scene.part.reversals:
        yield f"reversals should be {list(scene.part.reversals)} and are {list(reversals)}"


def _of_the_vendor(scene: Scene) -> Iterator[str]:
    """Compare with what arrived at the vendor: who it is, the images, and how often a review was asked for."""
    played = scene.stage.vendors.played[scene.part.vendor]
    if played.of_user(scene.user) != scene.reference:
        yield f"the vendor knows this person as {played.of_user(scene.user)}, and the service as {scene.reference}"
    sent = sorted(hashlib.sha256(picture.content).hexdigest() for picture in scene.pictures)
    arrived = sorted(image.sha256 for image in played.images if image.reference == scene.reference and image.size)
    if sent != arrived:
        yield f"{len(sent)} images were sent, and {len(set(sent) & set(arrived))} of them arrived unchanged"
    reviews = played.submitted.count(scene.reference)
    if reviews != scene.part.reviews:
        yield f"the vendor should be asked for {scene.part.reviews} reviews, and was for {reviews}"
