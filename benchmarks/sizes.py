"""How much is sent, kept and handled in each round."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    #: How long a contestant is kept busy, after its warm-up.
    busy_seconds: float
    #: How long deliveries are sent at a fixed rate.
    steady_seconds: float
    rates: tuple[int, ...]
    #: What one worker, or two, have to work off.
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
    #: How many events are kept, where growth is measured.
    kept: tuple[int, ...]
    growth_backlog: int
    reads: int


FULL = Sizes(
    busy_seconds=5, steady_seconds=8, rates=(100, 300, 500),
    backlog=50_000, workers=(1, 2), rq_forking_jobs=300, rq_simple_jobs=1000,
    overtaken=50_000, overtaken_margin=50_000, reversals=200, reversals_per_second=25,
    kept=(10_000, 1_000_000), growth_backlog=20_000, reads=300,
)  # fmt: skip

QUICK = Sizes(
    busy_seconds=2, steady_seconds=4, rates=(300,),
    backlog=8_000, workers=(1,), rq_forking_jobs=100, rq_simple_jobs=0,
    overtaken=0, overtaken_margin=0, reversals=0, reversals_per_second=0,
    kept=(), growth_backlog=0, reads=0,
)  # fmt: skip

#: To see whether everything runs: the figures mean nothing.
TINY = Sizes(
    busy_seconds=1, steady_seconds=2, rates=(100, 300, 500),
    backlog=5_000, workers=(1, 2), rq_forking_jobs=50, rq_simple_jobs=100,
    overtaken=5_000, overtaken_margin=10_000, reversals=50, reversals_per_second=25,
    kept=(2_000, 20_000), growth_backlog=2_000, reads=50,
)  # fmt: skip

#: With `--large`.
KEPT_LARGE = (10_000, 1_000_000, 5_000_000)
