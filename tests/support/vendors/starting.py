"""Vendors that are asked to begin a verification, played over real HTTP by a server that answers as a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from handlers.clients.pacing import Pacing, Timer
from handlers.config import IdenfyApi, IdngoApi, IfcgateApi
from handlers.start.idenfy import IdenfyStart
from handlers.start.idngo import IdngoStart
from handlers.start.ifcgate import IfcgateStart
from handlers.start.images import Image
from handlers.start.outcomes import Again, Refused

LOCAL = frozenset({"127.0.0.1"})

#: An answer is waited for as long as a busy machine may take, and the pace not at all.
PATIENT = Pacing(attempts_max=1, answer_seconds_max=60, watch=Timer(sleep=lambda _: None))
#: Of a vendor that does not answer in time.
HASTY = Pacing(attempts_max=1, answer_seconds_max=0.5, watch=Timer(sleep=lambda _: None))

IFCGATE_KEY = "ifcg_live_geheim"
IDNGO_TOKEN, IDNGO_SECRET = "prd:token-geheim", b"ein Geheimnis"
IDENFY_KEY, IDENFY_SECRET = "key-geheim", "Geheimnis: zwei"

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4


def ifcgate(url: str, patience: Pacing = PATIENT) -> IfcgateStart:
    return IfcgateStart(IfcgateApi(url=url, key=IFCGATE_KEY), private_hosts=LOCAL, patience=patience)


def idenfy(url: str, patience: Pacing = PATIENT, **different: Any) -> IdenfyStart:
    given = {"url": url, "key": IDENFY_KEY, "secret": IDENFY_SECRET, "reads_per_minute": 600} | different
    return IdenfyStart(IdenfyApi(**given), private_hosts=LOCAL, patience=patience)


def idngo(url: str, patience: Pacing = PATIENT, **different: Any) -> IdngoStart:
    given = {"url": url, "token": IDNGO_TOKEN, "secret": IDNGO_SECRET} | different
    return IdngoStart(IdngoApi(**given), private_hosts=LOCAL, patience=patience)


def image(content: bytes = JPEG, *, cut_at: int = 1000) -> Image:
    """An image that arrived in pieces."""
    pieces = tuple(content[begin : begin + cut_at] for begin in range(0, len(content), cut_at))
    return Image(pieces=pieces, content_type="image/jpeg")


def in_seconds(seconds: int) -> str:
    """A moment as Retry-After can name it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def again(call: Callable[[], Any]) -> Again:
    """What a call raises that may be tried again."""
    found = raised(call)
    assert isinstance(found, Again), found
    return found


def refused(call: Callable[[], Any]) -> Refused:
    """What a call raises that is refused for good."""
    found = raised(call)
    assert isinstance(found, Refused), found
    return found


def raised(call: Callable[[], Any]) -> Again | Refused:
    with pytest.raises((Again, Refused)) as found:
        call()
    error = found.value
    assert error.says.isprintable()
    assert len(error.says) < 300
    return error


class Cutting:
    """A server that reads so much of a request, says something or nothing, and hangs up."""

    def __init__(self, *, after_bytes: int, says: bytes = b"") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._after_bytes, self._says = after_bytes, says
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    left = self._after_bytes
                    while left > 0 and (came := connection.recv(min(left, 65536))):
                        left -= len(came)
                    connection.sendall(self._says)

    def close(self) -> None:
        self._socket.close()
