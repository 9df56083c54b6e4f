"""The body of a request: its size, its pace, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from receiver.connections import limits, refusals

DISCARDED_BYTES_MAX = 16 * 1024 * 1024


def body() -> bytes:
    """Return the request's body, byte for byte.

    Raises 413 if it is larger than allowed, 400 if it is not what HTTP says it is, 408 if it is too slow."""
    limit = int(current_app.config["MAX_CONTENT_LENGTH"])
    with faults(), limits.receiving_body(request.environ):
        return _read_body(limit)


@contextmanager
def faults() -> Iterator[None]:
    """Count and log a body that is too slow or malformed, and raise its problem: 408 or 400."""
    try:
        yield
    except RequestEntityTooLarge:
        raise
    except limits.TooSlow as error:
        refusals.tell(refusals.TOO_SLOW, peer=refusals.peer())
        raise RequestTimeout from error
    except Exception as error:  # The server raises what it likes over a malformed or broken-off body; all of it is the sender's.
        refusals.tell(refusals.MALFORMED_BODY, peer=refusals.peer())
        raise BadRequest from error


def refuse_announced_size(limit: int | None = None) -> None:
    """Raise 413 if the request announces a larger body than allowed; nothing of it is read. The limit is MAX_BODY_BYTES unless given."""
    if (request.content_length or 0) > (limit or int(current_app.config["MAX_CONTENT_LENGTH"])):
        raise RequestEntityTooLarge


def _read_body(limit: int) -> bytes:
    if (request.content_length or 0) > limit:
        raise _too_large()
    # One byte more than is allowed: a chunked body does not say how long it is.
    found: bytes = request.environ["wsgi.input"].read(limit + 1)
    if len(found) > limit:
        raise _too_large()
    return found


def _too_large() -> RequestEntityTooLarge:
    """Read the rest of the body, up to a limit, so that the sender gets to read the answer."""
    left = DISCARDED_BYTES_MAX
    while left > 0 and (part := request.environ["wsgi.input"].read(65536)):
        left -= len(part)
    return RequestEntityTooLarge()
