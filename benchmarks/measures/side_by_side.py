"""Contestants, interleaved: each is at work for a few seconds, one after the other, again and again. So a ratio between two of them is one
between neighbours in time, and the other work of a shared machine weighs on both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from benchmarks.output.figures import Figures
from benchmarks.stage import Stage


class Contestant(Protocol):
    """Its processes run during the whole round, and wait while others are at work."""

    @property
    def title(self) -> str:
        """How it is named where it fails."""

    def slice(self) -> Figures:
        """Work for a few seconds; return what was measured."""

    def finish(self) -> Figures:
        """Check what was done in all slices; return what is measured once a round."""


Entry = Callable[[], AbstractContextManager[Contestant]]


def measure(on: Stage, entries: Sequence[Entry], *, slices: int) -> list[Figures]:
    """Return the figures of each slice, and last those of the round. A contestant that fails is noted, and takes no further part."""
    with ExitStack() as stack:
        running: list[Contestant] = []
        for entry in entries:
            try:
                running.append(stack.enter_context(entry()))
            except Exception as error:
                on.failures.append(f"a contestant did not start: {type(error).__name__}: {error}")
        found = [_turn(on, running) for _ in range(slices)]
        return [*found, _all(on, running, lambda contestant: contestant.finish())]


def _turn(on: Stage, running: list[Contestant]) -> Figures:
    """One slice of each. Next time another one begins."""
    found = _all(on, running, lambda contestant: contestant.slice())
    running[:] = running[1:] + running[:1]
    return found


def _all(on: Stage, running: list[Contestant], act: Callable[[Contestant], Figures]) -> Figures:
    found: Figures = {}
    for contestant in list(running):
        try:
            found |= act(contestant)
        except Exception as error:
            on.failures.append(f"{contestant.title}: failed with {type(error).__name__}: {error}")
            running.remove(contestant)
    return found
