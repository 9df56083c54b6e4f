"""Refusals of the HTTP server: one log line and one count each, with the cause, and nothing of what was sent."""

from __future__ import annotations

import random
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from flask import request
from gunicorn.http import errors
from gunicorn.util import write_nonblock
from prometheus_client import Counter

from receiver import config
from receiver.connections import limits, peers, refusal_counts
from store.system.logs import describe_error
from store.text import traces
from store.text.traces import Trace

log = structlog.get_logger()

#: Why a request was refused before it was one of ours.
MALFORMED_HEAD, HEAD_TOO_LARGE, CONTRADICTORY_LENGTH = "malformed_head", "head_too_large", "contradictory_length"
MALFORMED_BODY, TOO_SLOW, UNEXPECTED = "malformed_body", "too_slow", "unexpected"
CAUSES = (MALFORMED_HEAD, HEAD_TOO_LARGE, CONTRADICTORY_LENGTH, MALFORMED_BODY, TOO_SLOW, UNEXPECTED)

REFUSED = Counter("standing_refused_requests", "Requests that the HTTP server itself refused, by cause.", ["cause"])

DETAIL = "The request is not HTTP as it is written down. The cause is logged under the request's id."

_TOO_LARGE = (errors.LimitRequestLine, errors.LimitRequestHeaders)
_BODY = (errors.InvalidChunkSize, errors.ChunkMissingTerminator, errors.InvalidChunkExtension)
_FRAMING = ("CONTENT-LENGTH", "TRANSFER-ENCODING")


def begin() -> None:
    """Count from zero, so that the first refusal is seen as a rise."""
    for cause in CAUSES:
        REFUSED.labels(cause)


def tell(cause: str, *, peer: str, request_id: str | None = None, error: BaseException | None = None) -> None:
    """Log and count a refusal. `error` is for unexpected failures; for a client's fault the cause is enough."""
    REFUSED.labels(cause).inc()
    refusal_counts.note(peer=peer, cause=cause)
    told = log.bind(request_id=request_id) if request_id else log
    if error is None:
        told.warning("a request was refused by the HTTP server", cause=cause, peer=peer)
    else:
        told.error("a request failed in the HTTP server", cause=cause, peer=peer, error=describe_error(error))


def answer(client: Any, *, peer: str, error: BaseException) -> None:
    """Answer, log and count a refusal before there was a request. Nothing that was sent is repeated."""
    status, cause = cause_of(error)
    request_id, trace = f"{random.getrandbits(128):032x}", traces.begin()
    with traces.following(trace):
        tell(cause, peer=peer, request_id=request_id, error=error if cause == UNEXPECTED else None)
    with suppress(OSError):  # On purpose: the sender may be gone.
        write_nonblock(client, _as_http(status, request_id, trace))


def _as_http(status: int, request_id: str, trace: Trace) -> bytes:
    title = HTTPStatus(status).phrase
    told = {"type": "about:blank", "title": title, "status": status, "detail": DETAIL, "request_id": request_id}
    body = msgspec.json.encode(told)
    head = (
        f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-Id: {request_id}\r\n{traces.HEADER}: {trace.parent()}\r\n"
        "X-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode() + body


def cause_of(error: BaseException) -> tuple[int, str]:
    """Return the status and the cause with which the HTTP server refuses a request after an error."""
    if isinstance(error, limits.TooSlow):
        return 408, TOO_SLOW
    if isinstance(error, _TOO_LARGE):
        return (414 if isinstance(error, errors.LimitRequestLine) else 431), HEAD_TOO_LARGE
    if isinstance(error, errors.UnsupportedTransferCoding) or getattr(error, "hdr", None) in _FRAMING:
        return (501 if isinstance(error, errors.UnsupportedTransferCoding) else 400), CONTRADICTORY_LENGTH
    if isinstance(error, _BODY):
        return 400, MALFORMED_BODY
    return (400, MALFORMED_HEAD) if isinstance(error, errors.ParseException) else (500, UNEXPECTED)


def peer() -> str:
    """Return the address of the client of the current request, as far as the trusted proxies name it."""
    forwarded_for = request.headers.get("X-Forwarded-For", "")
    return peers.address_of(request.remote_addr or "", forwarded_for, config.settings().trusted_proxies)
