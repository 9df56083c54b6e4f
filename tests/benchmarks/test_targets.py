"""The guard in CI: what it refuses, and what it lets pass because it depends on the machine."""

from __future__ import annotations

import pytest

from benchmarks.output import targets
from benchmarks.output.targets import Target

WEB = Target(says="web", figures=("ours",), to=("empty",), most=2, guarded=True, usual=3)


@pytest.mark.parametrize(("ours", "reached", "holds"), [(400, True, True), (900, False, True), (1200, False, True), (1201, False, False)])
def test_twice_what_is_usual_is_refused(ours: float, reached: bool, holds: bool) -> None:
    (verdict,) = targets.verdicts([WEB], [{"ours": ours, "empty": 200}])
    assert (verdict.reached, verdict.holds) == (reached, holds)


def test_a_target_that_is_reached_is_guarded_at_twice_its_bound() -> None:
    log = Target(says="log", figures=("accepting", "handling"), most=5000, guarded=True)
    (within,) = targets.verdicts([log], [{"accepting": 2000, "handling": 8000}])
    (beyond,) = targets.verdicts([log], [{"accepting": 2001, "handling": 8000}])
    assert (within.holds, beyond.holds) == (True, False)


def test_a_ratio_is_taken_within_a_slice_and_the_median_counts() -> None:
    """The machine is three times slower in one slice; in another a neighbour hits ours alone."""
    slices = [{"ours": 400, "empty": 200}, {"ours": 1300, "empty": 600}, {"ours": 9000, "empty": 200}, {"ours": 7}]
    (verdict,) = targets.verdicts([WEB], slices)
    assert verdict.median == pytest.approx(1300 / 600)
    assert (verdict.lowest, verdict.highest) == (2, 45)


def test_no_rate_and_no_latency_is_guarded() -> None:
    """They are the machine's as much as ours. A ratio to a contestant that is 40 times slower is neither."""
    guarded = [name for target in (*targets.ALWAYS, *targets.of_growth((1, 2))) if target.guarded for name in target.figures + target.to]
    assert guarded
    assert [name for name in guarded if not name.endswith((", µs", ", B")) and "RQ" not in name] == [targets.HANDLED]
