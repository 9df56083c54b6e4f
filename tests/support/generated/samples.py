"""How much of a large test a run tries: all with `--long`, else a tenth that changes with every commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import hypothesis

Test = TypeVar("Test", bound=Callable[..., object])

SHARE = 10

#: Whether this run tries all. Set before tests are collected.
_all = False


def try_all() -> None:
    global _all
    _all = True


def size(whole: int) -> int:
    """How many of so many to try."""
    return whole if _all else whole // SHARE


def seed(fixed: int) -> str:
    """What to draw by: the same always for the whole; for a tenth, another with every commit."""
    return str(fixed) if _all else f"{fixed} {commit()}"


def commit() -> int:
    """The number of the commit, or what TEST_SEED says, to play a run again."""
    given = os.environ.get("TEST_SEED")
    if given:
        return int(given)
    count = ["git", "rev-list", "--count", "HEAD"]
    counted = subprocess.run(count, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return int(counted.stdout or 0)


def properties(*, examples: int) -> Callable[[Test], Test]:
    """Let Hypothesis try so many examples of a property, or a tenth of them."""
    bounded = hypothesis.settings(
        max_examples=size(examples),
        derandomize=_all,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )

    def bound(test: Test) -> Test:
        return bounded(test if _all else hypothesis.seed(commit())(test))

    return bound


def told() -> str:
    """What a run says of its samples."""
    return "samples: all" if _all else f"samples: a tenth, drawn by TEST_SEED={commit()}; all with --long"
