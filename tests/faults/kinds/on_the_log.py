"""Faults of the log: whoever logs is killed between two of its steps, while the vendors go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.fault import Amid, Fault
from tests.faults.ground import until

#: The steps of the sequencer, as fault points.
STEPS = ("log written", "log appended", "log signed", "log state written")

#: How often each, and how long the sequencer may take to come to a step: one that was killed is replaced after a pause.
TIMES, STEP_SECONDS_MAX = 2, 30.0


@contextmanager
def killed_at_each_step(amid: Amid) -> Iterator[None]:
    """At each step of the sequencer."""
    amid.traffic.slow_down(0.5, TIMES * len(STEPS) * 4.0)
    for step in STEPS * TIMES:
        amid.ground.arm(step, "kill")
        try:
            until(lambda step=step: not amid.ground.is_armed(step), f"a process to come to '{step}'", seconds=STEP_SECONDS_MAX)  # type: ignore[misc]
        finally:
            amid.ground.disarm(step)
    yield


FAULTS = (
    Fault(
        name="log",
        description="the sequencer killed at each of its steps",
        deed=killed_at_each_step,
    ),
    Fault(
        name="log-sqlite",
        description="the same on SQLite",
        deed=killed_at_each_step,
        on_sqlite=True,
    ),
)
