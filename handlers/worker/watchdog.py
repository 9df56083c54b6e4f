"""The pulse: shows the worker's parent, in memory that both share, whether the rules are at work, and at which step."""

from __future__ import annotations

import mmap
import struct
import threading

_NUMBER = struct.Struct("q")
IDLE = 0

#: As many as may handle events at a time, and more.
THREADS = 8


class Pulse(threading.local):
    """For each of the threads that handle events a number: another at each step, and 0 between steps. A context manager around a step.

    Only our own rules are a step. What waits for the database is none: no event is to blame for that."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = shared
        self._place = 0
        self._steps = 0

    def beat_as(self, number: int) -> None:
        """Beat as the thread of this number."""
        self._place = number * _NUMBER.size

    def __enter__(self) -> None:
        self._steps += 1
        _NUMBER.pack_into(self._shared, self._place, self._steps)

    def __exit__(self, *_: object) -> None:
        _NUMBER.pack_into(self._shared, self._place, IDLE)

    def stop(self) -> None:
        """Let every thread be between steps: a process that was killed at one left its number behind."""
        self._shared[:] = bytes(len(self._shared))

    def steps(self) -> list[int]:
        """The step at which each thread of the process is that shares this pulse; IDLE if it is at none."""
        return [int(step) for (step,) in _NUMBER.iter_unpack(self._shared)]


pulse = Pulse(mmap.mmap(-1, THREADS * _NUMBER.size))
