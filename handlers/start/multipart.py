"""A multipart body with one image, built by ourselves: IDnGO signs every byte of it, boundaries and headers of parts included.

The image is not copied: the body is its pieces between a head and a tail.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from handlers.clients.request_body import Pieces
from handlers.start.images import MAGIC, Image


@dataclass(frozen=True, kw_only=True)
class Multipart:
    """A body, and the type with which it is sent."""

    content_type: str
    body: Pieces


def with_image(metadata: Mapping[str, object], image: Image) -> Multipart:
    """Return a body with the part `metadata` (JSON) and the part `content` (the image). No image can hold the random boundary."""
    content_type = image.media_type if image.media_type in MAGIC else "application/octet-stream"
    boundary = f"standing-{secrets.token_hex(16)}"
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="metadata"\r\n\r\n'
        f"{msgspec.json.encode(metadata).decode()}\r\n"
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="content"; filename="{image.file_name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    tail = f"\r\n--{boundary}--\r\n"
    body = Pieces((head.encode(), *image.pieces, tail.encode()))
    return Multipart(content_type=f"multipart/form-data; boundary={boundary}", body=body)
