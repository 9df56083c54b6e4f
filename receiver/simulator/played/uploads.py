"""Multipart uploads, read as a stream: the metadata is kept, the image passes by, and all bytes together are signed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from hmac import HMAC

from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from receiver.simulator.played.images import Sight

METADATA_BYTES_MAX = 64 * 1024


@dataclass
class Upload:
    """What arrived in a multipart form with the parts `metadata` and `content`."""

    metadata: bytes = b""
    #: None: there is no part `content`.
    image: Sight | None = None
    #: The format that the part `content` declares.
    declared: str = ""
    #: The signature that belongs to the whole raw body.
    signature: str = ""
    is_readable: bool = True


def read(chunks: Iterable[bytes], *, content_type: str, signer: HMAC) -> Upload:
    """Read a form to its end. One that is no multipart form is signed, and not readable."""
    upload, form = Upload(), _Form(content_type)
    for chunk in chunks:
        signer.update(chunk)
        form.feed(chunk, upload)
    form.feed(None, upload)
    upload.signature = signer.hexdigest()
    upload.is_readable = form.is_whole
    return upload


class _Form:
    """The decoder of one form, and which of its parts is being read."""

    def __init__(self, content_type: str) -> None:
        header = Message()
        header["Content-Type"] = content_type
        boundary = header.get_boundary()
        self._decoder = MultipartDecoder(boundary.encode()) if boundary else None
        self._part = ""
        self.is_whole = False

    def feed(self, chunk: bytes | None, upload: Upload) -> None:
        """Decode the next bytes; None: there are no more."""
        if self._decoder is None:
            return
        try:
            self._decoder.receive_data(chunk)
            while not isinstance(event := self._decoder.next_event(), NeedData | Epilogue):
                self._take(event, upload)
        except ValueError:
            self._decoder = None
            return
        if isinstance(event, Epilogue):
            self.is_whole, self._decoder = True, None

    def _take(self, event: object, upload: Upload) -> None:
        match event:
            case Field() | File():
                self._part = event.name
                if event.name == "content":
                    upload.image, upload.declared = Sight(), event.headers.get("content-type", "")
            case Data(data=data) if self._part == "content" and upload.image is not None:
                upload.image.feed(data)
            case Data(data=data) if self._part == "metadata":
                upload.metadata = (upload.metadata + data)[:METADATA_BYTES_MAX]
