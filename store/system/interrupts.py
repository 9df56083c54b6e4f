"""Ctrl-C in a command: held back while a transaction is open.

An exception in the middle of a transaction can leave its connection open, and the database locked. Then nothing can be written about the
interruption either."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Interrupts:
    def __init__(self) -> None:
        self.is_installed = False
        self.held = 0
        self.came = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        if not self.held:
            raise KeyboardInterrupt
        self.came = True


_interrupts = _Interrupts()


def install() -> None:
    """Have Ctrl-C wait for the end of a transaction of the main thread, in a process where it ends the process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupts.note)
        _interrupts.is_installed = True


@contextmanager
def held_back() -> Iterator[None]:
    """Hold Ctrl-C back. Raises KeyboardInterrupt at the end if it came meanwhile."""
    if not _interrupts.is_installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    _interrupts.held += 1
    try:
        yield
    finally:
        _interrupts.held -= 1
        if _interrupts.came and not _interrupts.held:
            _interrupts.came = False
            raise KeyboardInterrupt
