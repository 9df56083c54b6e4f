"""All kinds of fault, by name."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.faults.fault import Fault
from tests.faults.kinds import on_erasures, on_postgres, on_processes, on_the_log, on_the_spool, on_valkey, on_what_is_ours

SOURCES = (on_processes, on_valkey, on_postgres, on_the_spool, on_what_is_ours, on_erasures, on_the_log)

CATALOGUE: dict[str, Fault] = {fault.name: fault for source in SOURCES for fault in source.FAULTS}


def chosen(*, kinds: int | None, only: Sequence[str], seed: int) -> list[Fault]:
    """Those that are named, else so many that the seed draws, else all; in the catalogue's order. Raises KeyError."""
    names = [CATALOGUE[name].name for name in only] or list(CATALOGUE)
    if kinds is not None:
        drawn = set(random.Random(seed).sample(names, min(kinds, len(names))))
        names = [name for name in names if name in drawn]
    return [CATALOGUE[name] for name in names]
