"""How much is sent, kept and handled in each round."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    #: How many slices of a round each contestant has.
    slices: int
    #: How long a contestant is kept busy in a slice.
    busy_seconds: float
    #: How long deliveries are sent at a fixed rate, and how many at least.
    steady_seconds: float
    events_least: int
    rates: tuple[str, ...]
    #: How long nothing is sent; 0: this is not measured.
    idle_seconds: float
    #: What one worker, or two, have to handle in a slice.
    backlog: int
    workers: tuple[int, ...]
    rq_forking_jobs: int
    rq_simple_jobs: int
    #: What waits, at least, while reversals come; 0: this is not measured.
    overtaken: int
    #: How much more is there at the beginning, for the worker to be at while they come.
    overtaken_margin: int
    reversals: int
    reversals_per_second: int
    #: How many events are kept, where growth is measured, and in how many slices of a round.
    kept: tuple[int, ...]
    growth_slices: int
    growth_backlog: int
    reads: int


FULL = Sizes(
    slices=5, busy_seconds=3, steady_seconds=8, events_least=200, rates=("10", "100", "300", "500", "max"), idle_seconds=20,
    backlog=10_000, workers=(1, 2), rq_forking_jobs=60, rq_simple_jobs=200,
    overtaken=50_000, overtaken_margin=50_000, reversals=200, reversals_per_second=25,
    kept=(10_000, 1_000_000), growth_slices=2, growth_backlog=10_000, reads=300,
)  # fmt: skip

QUICK = Sizes(
    slices=6, busy_seconds=1.5, steady_seconds=6, events_least=0, rates=("100", "300"), idle_seconds=0,
    backlog=4_000, workers=(1,), rq_forking_jobs=20, rq_simple_jobs=0,
    overtaken=0, overtaken_margin=0, reversals=0, reversals_per_second=0,
    kept=(), growth_slices=0, growth_backlog=0, reads=0,
)  # fmt: skip

#: To see whether everything runs: the figures mean nothing.
TINY = Sizes(
    slices=2, busy_seconds=1, steady_seconds=2, events_least=0, rates=("100", "300", "max"), idle_seconds=2,
    backlog=2_000, workers=(1, 2), rq_forking_jobs=20, rq_simple_jobs=50,
    overtaken=5_000, overtaken_margin=10_000, reversals=50, reversals_per_second=25,
    kept=(2_000, 20_000), growth_slices=1, growth_backlog=2_000, reads=50,
)  # fmt: skip

#: With `--large`.
KEPT_LARGE = (10_000, 1_000_000, 5_000_000)
