"""The watchdog's memory, shared with the worker's parent: whether the rules run, and at which step."""

from __future__ import annotations

import mmap
import struct
import threading

_NUMBER = struct.Struct("q")
IDLE = 0

#: As many as may handle events at a time, and more.
THREADS = 8


class Pulse(threading.local):
    """A number for each thread that handles events: another at each step, and 0 between steps. A context manager around a step.

    Only our own rules are a step. A wait for the database is none, because no event is the cause."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = shared
        self._place = 0
        self._steps = 0

    def beat_as(self, number: int) -> None:
        """Count steps as the thread with this number."""
        self._place = number * _NUMBER.size

    def __enter__(self) -> None:
        self._steps += 1
        _NUMBER.pack_into(self._shared, self._place, self._steps)

    def __exit__(self, *_: object) -> None:
        _NUMBER.pack_into(self._shared, self._place, IDLE)

    def stop(self) -> None:
        """Set every thread between steps: a process that was killed within a step left its number behind."""
        self._shared[:] = bytes(len(self._shared))

    def steps(self) -> list[int]:
        """Return the step of each thread of the process that shares this memory; IDLE between steps."""
        return [int(step) for (step,) in _NUMBER.iter_unpack(self._shared)]


pulse = Pulse(mmap.mmap(-1, THREADS * _NUMBER.size))
