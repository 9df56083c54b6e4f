"""A reader that wants no more, as `head` does: a command ends with status 0, and says nothing about it."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class NotDone(Exception):
    """Standard output was closed before a command had done what it was asked to do."""


@contextmanager
def refused() -> Iterator[None]:
    """Raise NotDone where writing fails because standard output is closed: what was to be done may not be."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        _drop()
        raise NotDone("standard output was closed before all was done") from error


@contextmanager
def accepted() -> Iterator[None]:
    """End with status 0 where writing fails because standard output is closed at its other end."""
    ours = _kept_open()
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        if not (_is_of_a_pipe(end) and _has_no_reader(ours)):
            _flush_or_drop()
            raise
        _drop()
        raise SystemExit(0) from end


def _is_of_a_pipe(end: BaseException) -> bool:
    """Return whether it ends because something could not be written. Rich turns that into an exit status of its own."""
    return isinstance(end, BrokenPipeError) or isinstance(end.__context__, BrokenPipeError)


def _kept_open() -> int | None:
    """Return a second descriptor of standard output: who meets the closed end may point the first elsewhere."""
    try:
        return os.dup(1)
    except OSError:
        return None


def _has_no_reader(descriptor: int | None) -> bool:
    if descriptor is None:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _flush_or_drop() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop()


def _drop() -> None:
    """Let what is still to be written go nowhere, so that the end of the process says nothing of it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            if _has_no_reader(descriptor):
                os.dup2(nowhere, descriptor)
