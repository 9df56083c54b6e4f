"""Images: what a played vendor sees of one while its bytes pass by. It keeps a digest and the size, and never the image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

#: How each format begins.
BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"%PDF-": "application/pdf"}

#: What an encrypted PDF has in its trailer.
ENCRYPTED = b"/Encrypt"

_BEGINNING_BYTES = max(map(len, BEGINNINGS))


@dataclass
class Sight:
    """What is seen of an image."""

    size: int = 0
    is_encrypted: bool = False
    _beginning: bytes = b""
    _last: bytes = b""
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def feed(self, data: bytes | bytearray) -> None:
        """Look at the next bytes."""
        self.size += len(data)
        self._digest.update(data)
        if len(self._beginning) < _BEGINNING_BYTES:
            self._beginning += bytes(data[:_BEGINNING_BYTES])
        overlap = self._last + bytes(data[: len(ENCRYPTED)])
        self.is_encrypted = self.is_encrypted or ENCRYPTED in overlap or ENCRYPTED in data
        self._last = (self._last + bytes(data[-len(ENCRYPTED) :]))[-len(ENCRYPTED) :]

    @property
    def content_type(self) -> str | None:
        """The format, by the first bytes; None if a vendor does not take it."""
        return next((name for beginning, name in BEGINNINGS.items() if self._beginning.startswith(beginning)), None)

    @property
    def is_encrypted_pdf(self) -> bool:
        return self.is_encrypted and self.content_type == "application/pdf"

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def look(content: bytes) -> Sight:
    """Look at a whole image."""
    sight = Sight()
    sight.feed(content)
    return sight
