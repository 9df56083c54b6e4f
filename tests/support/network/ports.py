"""Ports of this machine for what tests start. Each test process has a block of them, which it holds as long as it lives."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import suppress
from functools import cache

#: Below those that systems give to whoever asks for any.
FROM, EACH, BLOCKS = 20_000, 240, 50

ADDRESS = "127.0.0.1"

#: What holds this process's block.
_held: list[socket.socket] = []


class NoPorts(Exception):
    """Every block is held by a process."""


def free_port() -> int:
    """A port that stays free until it is used: no other test process gives it away, this one not soon again, and the kernel never."""
    numbers = _block(os.getpid())
    for number in itertools.islice(numbers, EACH):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((ADDRESS, number))
            return number
    raise NoPorts(f"no port of the block of {next(numbers)} is free")


@cache
def _block(_pid: int) -> itertools.cycle[int]:
    """The ports of a block of this process. Whoever is bound to the first port of a block has it; a process that ends lets go of it."""
    for first in range(FROM, FROM + EACH * BLOCKS, EACH):
        holder = socket.socket()
        try:
            holder.bind((ADDRESS, first))
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        return itertools.cycle(range(first + 1, first + EACH))
    raise NoPorts(f"all {BLOCKS} blocks of {EACH} ports from {FROM} on are held")
