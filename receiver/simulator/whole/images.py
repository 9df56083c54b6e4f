"""Images of made-up documents: each is a valid file of one pixel, with a mark, so that no two are equal."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from struct import pack

PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"

#: One grey pixel.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////"
    "wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AP//Z"
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image, and how it is declared."""

    content_type: str
    content: bytes


def picture(mark: str) -> Picture:
    """Return a PNG or a JPEG: which of them, the mark decides."""
    if zlib.crc32(mark.encode()) % 2:
        return Picture(content_type="image/png", content=png(mark))
    return Picture(content_type="image/jpeg", content=jpeg(mark))


def png(mark: str) -> bytes:
    """Return a PNG of one pixel. The mark is in a text chunk."""
    header = pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tEXt", b"Comment\0" + mark.encode("latin-1")), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""))
    return PNG_BEGINNING + b"".join(_chunk(kind, data) for kind, data in chunks)


def jpeg(mark: str) -> bytes:
    """Return a JPEG of one pixel. The mark is in a comment segment, after the start of the image."""
    said = mark.encode("latin-1")
    return JPEG[:2] + b"\xff\xfe" + pack(">H", len(said) + 2) + said + JPEG[2:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
