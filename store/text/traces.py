"""Traces: one id from a vendor's delivery to the webhooks that follow from it. W3C Trace Context, of which `traceparent` is read and given.

Every caller may choose the id: it is a label in logs, and proves nothing. `tracestate` is neither kept nor
given to others, because it may hold any text. https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

HEADER = "traceparent"

#: The version, the trace, the span of the caller, the flags, and what a later version may add.
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_OURS, _INVALID = "00", "ff"

_SAMPLED = 1


class Trace(NamedTuple):
    """A trace: its id, of 32 hexadecimal digits, and whether the caller records it."""

    id: str
    is_sampled: bool = False

    @property
    def kept(self) -> str:
        """Return the text that is kept with an event: the id and the flags."""
        return f"{self.id}-{int(self.is_sampled):02x}"

    def parent(self) -> str:
        """Return a `traceparent` for another service, with a new span id."""
        return f"{_OURS}-{self.id}-{_drawn(64)}-{int(self.is_sampled):02x}"


def parse(header: str) -> Trace | None:
    """Return the trace of a caller's `traceparent`; None if that is not valid.

    Of a later version only the parts that version 00 has are read, as the standard asks."""
    found = _FORM.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == _INVALID or (version == _OURS and more is not None) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, is_sampled=bool(int(flags, 16) & _SAMPLED))


def begin() -> Trace:
    """Return a new trace. No caller has decided to record it."""
    return Trace(_drawn(128))


def from_kept(kept: str | None) -> Trace | None:
    """Return the trace that was kept with an event; None if none was."""
    return Trace(kept[:32], is_sampled=kept.endswith("1")) if kept else None


def id_of(kept: str | None) -> str | None:
    """Return the id of the trace that was kept with an event; None if none was."""
    return kept[:32] if kept else None


# the trace of the work that is being done -----------------------------------------------------------------------

_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """Return the trace of the work that this thread does; None if it does it for no trace."""
    return _current.get()


def follow(trace: Trace | None) -> None:
    """Do what comes next in this thread for a trace; None: for none."""
    _current.set(trace)


@contextmanager
def following(trace: Trace | None) -> Iterator[None]:
    """Do the work of the block for a trace; None: for none."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def headers() -> dict[str, str]:
    """Return the header of a request to another service; no header if the work is done for no trace."""
    trace = current()
    return {HEADER: trace.parent()} if trace else {}


def _drawn(bits: int) -> str:
    """Return a random number that is not 0, in hexadecimal digits."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"
