"""The images of an upload, collected in memory: each with the document that it shows, checked, and with a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.clients.request_body import Piece
from handlers.start import images
from handlers.start.images import Image
from handlers.start.uploads.incoming import IncomingFile, NotTaken
from store.starts.relay.protocol import Answer, Order
from store.starts.wanted.person import Document
from store.system import clock


@dataclass(frozen=True, kw_only=True)
class Attached:
    """An image, and the document that it shows."""

    document: Document
    image: Image = field(repr=False)
    #: SHA-256 of the verification's id and the image: it shows later whether an image is this one.
    digest: str

    @property
    def title(self) -> str:
        return title(self.document.type, self.document.side)

    def record(self, says: Sequence[str], *, taken: bool, **more: object) -> dict[str, Any]:
        """Return what is recorded of an image that was sent: nothing of its content."""
        told = {"type": self.document.type, "side": self.document.side, "country": self.document.country, "size": self.image.size}
        return told | {"digest": self.digest, "at": clock.rfc3339(clock.now()), "taken": taken, "says": list(says)} | more


def title(kind: str, side: str | None) -> str:
    """Return how an image is named to its caller."""
    return f"{kind} {side}" if side else kind


def collect(order: Order, files: Iterable[IncomingFile], *, vendor: str) -> list[Attached]:
    """Read the files of an upload; return them in the order of their documents. Raises NotTaken if one is missing or wrong, and Broken."""
    wanted = {document.part: document for document in order.documents if document.part}
    if not wanted or len(wanted) < len(order.documents):
        raise _refused("Each document needs a part of its own.")
    found: dict[str, Attached] = {}
    for file in files:
        document = wanted.get(file.part)
        if document is None or file.part in found:
            raise _refused("Each file needs a document that names its part, and each part may come once.")
        found[file.part] = _read(order.verification_id, document, file)
    attached = [found[part] for part in wanted if part in found]
    if missing := [title(document.type, document.side) for part, document in wanted.items() if part not in found]:
        raise _refused(f"No image was sent for {', '.join(missing)}.")
    if wrong := [f"{one.title} {fault}" for one in attached if (fault := images.wrong(one.image, vendor=vendor))]:
        raise NotTaken(Answer(status=422, detail=f"{'; '.join(wrong)}. Nothing was sent to the vendor."))
    return attached


def _read(verification_id: str, document: Document, file: IncomingFile) -> Attached:
    pieces: list[Piece] = []
    digest = hashlib.sha256(verification_id.encode())
    for chunk in file.chunks:
        pieces.append(chunk)
        digest.update(chunk)
    return Attached(document=document, image=Image(pieces=tuple(pieces), content_type=file.content_type), digest=digest.hexdigest())


def _refused(detail: str) -> NotTaken:
    return NotTaken(Answer(status=400, detail=detail))
