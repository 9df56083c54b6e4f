"""Images: what is checked of one before it is sent, and the form in which it is sent. None is ever kept.

An image is in memory once, in the pieces in which it arrived. Checks and encodings read the pieces.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from handlers.clients.request_body import Body, Piece

MEGABYTE = 1024 * 1024

#: How an image of each type begins (https://documentation.idenfy.com/kyc/direct-processing: PNG, JPG, JPEG, PDF; the same at IDnGO).
MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "application/pdf": b"%PDF-"}

#: Readers of PDF accept other bytes before its mark.
_PDF_BEGINS_WITHIN = 1024

#: Other names that are in use for these types.
_SAME = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png", "application/x-pdf": "application/pdf"}

#: How a file of each type is named, because some servers go by the ending.
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}

#: The largest image of each vendor: the file at IDnGO (error 1002); at iDenfy as much as a whole request.
BYTES_MAX = {"idngo": 64 * MEGABYTE, "idenfy": 20 * MEGABYTE}

#: The largest request to iDenfy: JSON with base64, and so at most 15 MB of files.
REQUEST_BYTES_MAX = 20 * MEGABYTE

#: A reference to an encryption dictionary, or the dictionary itself. It is in plain sight even in an encrypted file.
_ENCRYPTED = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R\b|<<)")
_ENCRYPTED_CHARS_MAX = 64


@dataclass(frozen=True, kw_only=True, repr=False)
class Image:
    """An image on its way from a caller to a vendor."""

    #: Its bytes, in the pieces in which they arrived.
    pieces: tuple[Piece, ...]
    #: As its sender declares it.
    content_type: str

    @property
    def size(self) -> int:
        return sum(len(piece) for piece in self.pieces)

    @property
    def media_type(self) -> str:
        """Return the declared type in its usual spelling, without parameters."""
        declared = self.content_type.partition(";")[0].strip().lower()
        return _SAME.get(declared, declared)

    @property
    def file_name(self) -> str:
        """Return a name that says nothing but the type."""
        return f"document.{_ENDINGS.get(self.media_type, 'bin')}"

    def __repr__(self) -> str:
        return f"Image({self.size} bytes)"


def wrong(image: Image, *, vendor: str) -> str | None:
    """Return what a vendor would refuse in an image; None if nothing is known to be wrong with it."""
    if image.size == 0:
        return "is empty"
    if image.size > BYTES_MAX[vendor]:
        return f"is larger than {BYTES_MAX[vendor] // MEGABYTE} MB"
    if image.media_type not in MAGIC:
        return f"must be one of {', '.join(MAGIC)}"
    if not _begins_with(image, MAGIC[image.media_type]):
        return "does not begin as a file of its type does"
    if image.media_type == "application/pdf" and is_encrypted(image.pieces):
        return "is an encrypted PDF"
    return None


def _begins_with(image: Image, magic: bytes) -> bool:
    begin = bytearray()
    for piece in image.pieces:
        begin += piece[:_PDF_BEGINS_WITHIN]
        if len(begin) >= _PDF_BEGINS_WITHIN:
            break
    return magic in begin[:_PDF_BEGINS_WITHIN] if magic == MAGIC["application/pdf"] else begin.startswith(magic)


def is_encrypted(pieces: Iterable[Piece]) -> bool:
    """Return whether a PDF is encrypted, wherever the pieces are cut."""
    before = b""
    for piece in pieces:
        # Two pieces meet in `before` and the beginning of the next one.
        if _ENCRYPTED.search(before + piece[:_ENCRYPTED_CHARS_MAX]) or _ENCRYPTED.search(piece):
            return True
        before = (before + bytes(piece[-_ENCRYPTED_CHARS_MAX:]))[-_ENCRYPTED_CHARS_MAX:]
    return False


@dataclass(frozen=True, repr=False)
class Base64:
    """An image as base64 text, encoded piece by piece while it is sent, so that only the image itself is in memory."""

    image: Image

    @property
    def length(self) -> int:
        return 4 * -(-self.image.size // 3)

    def pieces(self) -> Iterator[Piece]:
        rest = b""
        for piece in self.image.pieces:
            view = memoryview(piece)
            for begin in range(0, len(view), _ENCODED_BYTES):
                given = rest + view[begin : begin + _ENCODED_BYTES]
                whole = len(given) - len(given) % 3
                yield b64encode(given[:whole])
                rest = given[whole:]
        yield b64encode(rest)


#: How much is encoded at a time: whole groups of three bytes.
_ENCODED_BYTES = 48 * 1024


@dataclass(frozen=True, repr=False)
class Joined:
    """A body of bodies, one after the other."""

    parts: tuple[Body, ...]

    @property
    def length(self) -> int:
        return sum(part.length for part in self.parts)

    def pieces(self) -> Iterator[Piece]:
        for part in self.parts:
            yield from part.pieces()
