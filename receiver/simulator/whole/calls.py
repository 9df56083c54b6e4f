"""Calls to the API of the service: start a verification, send its images, look at it and at its applicant."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from receiver.simulator.client import Service, SimulatorResponse
from receiver.simulator.whole.images import Picture

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The calls of a caller who starts verifications."""

    service: Service

    def start(self, wanted: Mapping[str, Any], pictures: Sequence[Picture], *, key: str) -> SimulatorResponse:
        """Start a verification: as JSON, or with its images as a multipart form."""
        if not pictures:
            return self.service.post("verifications", body=msgspec.json.encode(wanted), Content_Type=JSON, Idempotency_Key=key)
        content_type, body = form(wanted, pictures)
        return self.service.post("verifications", body=body, Content_Type=content_type, Idempotency_Key=key)

    def send(self, verification_id: str, documents: Sequence[Mapping[str, str]], pictures: Sequence[Picture]) -> SimulatorResponse:
        """Send images for a verification that was started."""
        content_type, body = form({"documents": documents}, pictures)
        return self.service.post("verifications", verification_id, "documents", body=body, Content_Type=content_type)

    def verification(self, verification_id: str) -> dict[str, Any]:
        """Return a verification; empty if it cannot be read."""
        answer = self.service.get("verifications", verification_id)
        return dict(answer.content) if answer.status == 200 else {}

    def applicant(self, vendor: str, reference: str) -> dict[str, Any]:
        """Return an applicant; empty if it cannot be read."""
        answer = self.service.read("applicants", vendor, reference)
        return dict(answer.content) if answer.status == 200 else {}

    def reversals(self, vendor: str, reference: str) -> tuple[str, ...]:
        """Return the reversals in the history of an applicant, the oldest first."""
        answer = self.service.read("applicants", vendor, reference, "history", limit="500")
        return tuple(change["reversal"] for change in answer.content.get("data", []) if change["reversal"])


def named(documents: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return documents, each with the name of the part that holds its image."""
    return [{**document, "part": f"image-{place}"} for place, document in enumerate(documents)]


def form(content: Mapping[str, Any], pictures: Sequence[Picture]) -> tuple[str, bytes]:
    """Return a multipart form and its content type. The JSON comes first."""
    boundary = secrets.token_hex(16)
    parts = [_part(boundary, "request", JSON, msgspec.json.encode(content))]
    parts += [_part(boundary, f"image-{place}", picture.content_type, picture.content, file=True) for place, picture in enumerate(pictures)]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def _part(boundary: str, name: str, content_type: str, content: bytes, *, file: bool = False) -> bytes:
    filename = f'; filename="{name}"' if file else ""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\nContent-Type: {content_type}\r\n\r\n'
    return head.encode() + content + b"\r\n"
