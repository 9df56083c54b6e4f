"""Uploads without a vendor: a web process that passes each on, and a relay whose carrier does what the verification's id says.

python -m tests.support.network.uploading SOCKET       runs that relay
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response

from handlers.start.relay import Relay
from handlers.start.uploads.incoming import IncomingFile, NotTaken
from receiver import create_app
from receiver.web import relay, uploads
from receiver.web.problems import Problem
from store.starts.relay.protocol import Answer, Order
from store.starts.wanted.person import Document
from store.system import processes

BOUNDARY = "a-boundary-that-no-image-holds"


def app() -> Flask:
    """The web application, and a call that passes an upload on."""
    made = create_app()
    made.add_url_rule("/uploads", view_func=_upload, methods=["POST"])
    return made


def _upload() -> Response:
    with uploads.received() as upload:
        asked = json.loads(upload.content)
        documents = msgspec.convert(asked["documents"], list[Document])
        answer = relay.pass_on(asked["id"], actor="a tester", documents=documents, files=upload.files(), deadline=upload.deadline)
    if answer.status >= 400:
        headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
        raise Problem(answer.status, answer.detail or "", headers)
    return Response(answer.detail, status=answer.status, content_type="application/json")


class Carrier:
    """Holds images as a vendor's multipart would, and answers with their digests.

    An id is words with colons: `idngo:hang` reads everything and never answers, `idngo:refuse` answers after the first chunk, `idngo:fail`
    raises, `idngo:take:2` answers 2 seconds after it has read everything. It prints whose images
    it has read."""

    lanes = ("idngo", "idenfy")

    def lane(self, order: Order) -> str:
        if order.verification_id.startswith("unknown"):
            raise NotTaken(Answer(status=404, detail="There is no such verification."))
        return order.verification_id.partition(":")[0]

    def carry(self, order: Order, files: Iterator[IncomingFile]) -> Answer:
        _, what, *more = order.verification_id.split(":")
        held: dict[str, bytearray] = {}
        for file in files:
            content = held[file.part] = bytearray()
            for chunk in file.chunks:
                if what == "refuse":
                    return Answer(status=422, detail="The vendor refuses this.")
                content += chunk
            if what == "fail":
                raise ValueError(bytes(content))
        print("it has the images of", order.verification_id, flush=True)
        while what == "hang":
            time.sleep(1)
        time.sleep(float(more[0]) if what == "take" else 0)
        told = {part: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for part, content in held.items()}
        return Answer(status=202, detail=json.dumps(told))


def multipart(verification_id: str, files: dict[str, bytes], *, end: bool = True) -> bytes:
    """The body of an upload to the web application of this module."""
    return form({"id": verification_id, "documents": [{"type": "PASSPORT", "part": name} for name in files]}, files, end=end)


def form(told: dict[str, Any], files: dict[str, bytes], *, end: bool = True) -> bytes:
    """A multipart body: JSON, and then files."""
    content = json.dumps(told).encode()
    parts = [b'name="verification"\r\nContent-Type: application/json\r\n\r\n' + content]
    parts += [b'name="%s"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n%s' % (name.encode(), one) for name, one in files.items()]
    head = b"--" + BOUNDARY.encode()
    written = b"".join(head + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
    return written + (head + b"--\r\n" if end else b"")


def main(path: str) -> None:
    processes.begin()
    made = Relay(Path(path), Carrier())
    signal.signal(signal.SIGTERM, lambda *_: made.end())
    made.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
