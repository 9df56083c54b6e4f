"""IDnGO's documents, played: images arrive, steps become complete, and a review says which to send again."""

from __future__ import annotations

import re
from typing import Any

from receiver.simulator.played.exchange import Reply, Request, json_object
from receiver.simulator.played.idngo.errors import refused, upload_refused
from receiver.simulator.played.images import Sight
from receiver.simulator.played.records import Image, Played
from receiver.simulator.played.uploads import Upload
from receiver.simulator.stories import INTERNAL, PHOTO_AGAIN

#: The step that a document type belongs to.
STEPS = {
    "PASSPORT": "IDENTITY",
    "ID_CARD": "IDENTITY",
    "DRIVERS": "IDENTITY",
    "RESIDENCE_PERMIT": "IDENTITY",
    "SELFIE": "SELFIE",
    "UTILITY_BILL": "PROOF_OF_RESIDENCE",
}

#: Card-style documents have two images.
TWO_SIDED = ("ID_CARD", "DRIVERS")
SIDES = ("FRONT_SIDE", "BACK_SIDE")

#: An image may have so many bytes.
IMAGE_BYTES_MAX = 64 * 1024 * 1024

#: Only so many uploads of a document are answered with errors and warnings.
ANSWERED_MAX = 4

#: Two tags that the platform documents.
ERROR, WARNING = "dataNotReadable", "maybeExpiredDoc"


def add(reference: str, request: Request, played: Played) -> Reply:
    """Take an image. An error in it makes it inactive and, of a document with two sides, the other side too."""
    upload = request.upload or Upload(is_readable=False)
    metadata = json_object(upload.metadata) if upload.is_readable else None
    _check_applicant(reference, played)
    if metadata is None or not re.fullmatch("[A-Z]{3}", str(metadata.get("country"))) or "idDocType" not in metadata:
        raise refused(400, "The part metadata needs idDocType and an alpha-3 country")
    if metadata.get("idDocSubType") not in (None, *SIDES):
        raise refused(400, "idDocSubType must be FRONT_SIDE or BACK_SIDE")
    if STEPS.get(metadata["idDocType"]) not in played.requires:
        raise upload_refused(1010)
    if request.fault is not None and request.fault.isdigit():
        raise upload_refused(int(request.fault))
    answer = {"idDocType": metadata["idDocType"], "country": metadata["country"]}
    if upload.image is None:
        return Reply(status=200, content=answer)
    _check_image(upload.image, upload.declared)
    image = _kept(reference, metadata, upload.image, played)
    if request.fault == "bad_image":
        _make_inactive(played, reference, image.type)
    if request.headers.get("x-return-doc-warnings") == "true" and _attempts(played, reference, image.type) <= ANSWERED_MAX:
        answer["errors"] = [ERROR] if request.fault == "bad_image" else []
        answer["warnings"] = [WARNING] if request.fault == "image_warning" else []
    return Reply(status=200, content=answer, headers={"X-Image-Id": str(image.number)})


def incomplete(reference: str, played: Played) -> list[str]:
    """Return the steps that wait for a document. Both sides are needed where one of two was sent."""
    return [step for step in played.requires if not _is_complete(_of_step(played, reference, step))]


def states(reference: str, played: Played) -> dict[str, Any]:
    """Return the state of each step; null if nothing was sent for it, and after a final rejection."""
    if played.table[reference].status == "RED:FINAL":
        return dict.fromkeys(played.requires)
    return {step: _state(_of_step(played, reference, step)) for step in played.requires}


def judge(played: Played, reference: str) -> None:
    """Write the verdict of a review to the images: a RED:RETRY fails those that the play says, else the first."""
    status = played.table[reference].status
    if not status.startswith(("GREEN", "RED")):
        return
    images = [image for image in played.images if image.reference == reference and image.active]
    failed = [image for image in images if played.failed and {STEPS[image.type], _place(image)} & set(played.failed)]
    for image in images:
        image.review = "RED" if status == "RED:RETRY" and image in (failed or images[:1]) else "GREEN"


def fill(reference: str, played: Played) -> None:
    """Send what a person sends on the vendor's pages: an image for each step that waits for one."""
    for step in incomplete(reference, played):
        document = next(name for name, its in STEPS.items() if its == step)
        _supersede(played, reference, document, None)
        sight = {"content_type": "image/jpeg", "size": 0, "sha256": ""}
        played.add_image(reference=reference, type=document, side=None, country="EST", **sight)


def _check_applicant(reference: str, played: Played) -> None:
    standing = played.table[reference]
    if standing.says.get("deleted"):
        raise upload_refused(1008)
    if standing.status == "RED:FINAL":
        raise upload_refused(1009)
    if standing.status in ("pending", "queued", "prechecked"):
        raise upload_refused(1006)


def _check_image(sight: Sight, declared: str) -> None:
    if sight.size == 0:
        raise upload_refused(1003)
    if sight.size > IMAGE_BYTES_MAX:
        raise upload_refused(1002)
    if sight.content_type is None:
        raise upload_refused(1005)
    if declared not in ("", "application/octet-stream", sight.content_type):
        raise upload_refused(1004)
    if sight.is_encrypted_pdf:
        raise upload_refused(1011)


def _kept(reference: str, metadata: dict[str, Any], sight: Sight, played: Played) -> Image:
    """Record an image. One that is byte-equal to an active image of the applicant is refused."""
    if any(image.sha256 == sight.sha256 for image in played.images if image.reference == reference and image.active):
        raise upload_refused(1000)
    named = {"type": metadata["idDocType"], "side": metadata.get("idDocSubType"), "country": metadata["country"]}
    _supersede(played, reference, named["type"], named["side"])
    seen = {"content_type": sight.content_type, "size": sight.size, "sha256": sight.sha256}
    return played.add_image(reference=reference, **named, **seen)


def _supersede(played: Played, reference: str, document: str, side: str | None) -> None:
    """Let an image take the place of one that a review refused: of the same side, or of another document of the step."""
    for image in _of_step(played, reference, STEPS[document]):
        if image.review == "RED" and (image.type != document or image.side == side):
            image.active = False


def _make_inactive(played: Played, reference: str, document: str) -> None:
    for image in played.images:
        if (image.reference, image.type) == (reference, document):
            image.active = False


def _attempts(played: Played, reference: str, document: str) -> int:
    return sum((image.reference, image.type) == (reference, document) for image in played.images)


def _of_step(played: Played, reference: str, step: str) -> list[Image]:
    return [image for image in played.images if image.reference == reference and image.active and STEPS.get(image.type) == step]


def _is_complete(images: list[Image]) -> bool:
    good = {(image.type, image.side) for image in images if image.review != "RED"}
    if any(image.review == "RED" for image in images):
        return False
    return any(_is_whole(document, {side for name, side in good if name == document}) for document, _ in good)


def _is_whole(document: str, sides: set[str | None]) -> bool:
    return set(SIDES) <= sides or (None in sides and document not in TWO_SIDED)


def _state(images: list[Image]) -> dict[str, Any] | None:
    if not images:
        return None
    latest = images[-1]
    reviews = {str(image.number): _review(image.review) for image in images if image.review}
    state: dict[str, Any] = {"country": latest.country, "idDocType": latest.type, "imageIds": [image.number for image in images]}
    if reviews:
        worst = "RED" if any(image.review == "RED" for image in images) else "GREEN"
        said = {"moderationComment": PHOTO_AGAIN} if worst == "RED" else {}
        state = {"reviewResult": said | {"reviewAnswer": worst}} | state
    return state | {"imageReviewResults": reviews}


def _review(answer: str) -> dict[str, Any]:
    if answer == "GREEN":
        return {"reviewAnswer": "GREEN"}
    comments = {"moderationComment": PHOTO_AGAIN, "clientComment": INTERNAL}
    return comments | {"reviewAnswer": "RED", "rejectLabels": ["UNSATISFACTORY_PHOTOS"], "reviewRejectType": "RETRY"}


def _place(image: Image) -> str:
    return f"{STEPS[image.type]}/{image.side}"
