"""Requests to the played vendors, and their replies."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from receiver.simulator.played.uploads import Upload


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, its path byte for byte as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    #: A multipart upload instead of a body: its image passed by, and was not kept.
    upload: Upload | None = None
    #: A fault that the vendor's own code plays.
    fault: str | None = None

    @property
    def parts(self) -> list[str]:
        """The path without the vendor's name before it, its parts decoded."""
        return [unquote(part) for part in urlsplit(self.path).path.split("/")[2:]]

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def json(self) -> dict[str, Any] | None:
        """Return the JSON object of the body; None if it is none."""
        return json_object(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    #: JSON, or bytes as they are.
    content: Any
    headers: dict[str, str] = field(default_factory=dict)
    #: Whether the connection is cut in the middle of it.
    cut: bool = False

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else msgspec.json.encode(self.content)


class Refusal(Exception):
    """A vendor refuses a request."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.content))
        self.reply = reply


def json_object(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a text; None if it is none."""
    try:
        content = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return content if isinstance(content, dict) else None


def same(found: str, expected: str) -> bool:
    """Compare two credentials in constant time."""
    return hmac.compare_digest(found.encode("utf-8", "replace"), expected.encode())
