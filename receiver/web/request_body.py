"""The body of a request: its size, its pace, and what is wrong with it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from flask import current_app, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from receiver.connections import limits, refusals

DISCARDED_BYTES_MAX = 16 * 1024 * 1024


def body() -> bytes:
    """Return the request's body, byte for byte.

    Raises 413 if it is larger than allowed, 400 if it is not what HTTP says it is, 408 if it is too slow."""
    environ, limit = request.environ, int(current_app.config["MAX_CONTENT_LENGTH"])
    with _faults, limits.receiving_body(environ):
        return _read_body(environ, limit)


class _Faults:
    """Counts and logs a body that is too slow or malformed, and raises its problem: 408 or 400."""

    def __enter__(self) -> None:
        """There is nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, limits.TooSlow):
            refusals.tell(refusals.TOO_SLOW, peer=refusals.peer())
            raise RequestTimeout from error
        # The server raises what it likes over a malformed or broken-off body; all of it is the sender's.
        if isinstance(error, Exception) and not isinstance(error, RequestEntityTooLarge):
            refusals.tell(refusals.MALFORMED_BODY, peer=refusals.peer())
            raise BadRequest from error


_faults = _Faults()


def faults() -> AbstractContextManager[None]:
    """Count and log a body that is too slow or malformed, and raise its problem: 408 or 400."""
    return _faults


def refuse_announced_size(limit: int | None = None) -> None:
    """Raise 413 if the request announces a larger body than allowed; nothing of it is read. The limit is MAX_BODY_BYTES unless given."""
    if (request.content_length or 0) > (limit or int(current_app.config["MAX_CONTENT_LENGTH"])):
        raise RequestEntityTooLarge


def _read_body(environ: dict[str, Any], limit: int) -> bytes:
    announced = _announced(environ)
    if announced is not None and announced > limit:
        raise _too_large(environ)
    # One byte more than is allowed: a chunked body does not say how long it is.
    found: bytes = environ["wsgi.input"].read(limit + 1 if announced is None else announced)
    if len(found) > limit:
        raise _too_large(environ)
    return found


def _announced(environ: dict[str, Any]) -> int | None:
    """Return how long the body is, as the server reads it; None if only its end tells."""
    text = environ.get("CONTENT_LENGTH", "")
    return int(text) if text.isascii() and text.isdigit() and "HTTP_TRANSFER_ENCODING" not in environ else None


def _too_large(environ: dict[str, Any]) -> RequestEntityTooLarge:
    """Read the rest of the body, up to a limit, so that the sender gets to read the answer."""
    left = DISCARDED_BYTES_MAX
    while left > 0 and (part := environ["wsgi.input"].read(65536)):
        left -= len(part)
    return RequestEntityTooLarge()
