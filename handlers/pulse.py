"""The pulse: shows the worker's parent, in memory that both share, whether the rules are at work, and at which step."""

from __future__ import annotations

import mmap
import struct

_NUMBER = struct.Struct("q")
IDLE = 0


class Pulse:
    """A number that is another at each step, and 0 between steps. Use as a context manager around a step.

    Only our own rules are a step. What waits for the database is none: no event is to blame for that."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _NUMBER.size)
        self._steps = 0

    def __enter__(self) -> None:
        self._steps += 1
        _NUMBER.pack_into(self._shared, 0, self._steps)

    def __exit__(self, *_: object) -> None:
        _NUMBER.pack_into(self._shared, 0, IDLE)

    def step(self) -> int:
        """The step at which the process is that shares this pulse; IDLE if it is at none."""
        return int(_NUMBER.unpack_from(self._shared)[0])


pulse = Pulse()
