"""How much a run tries: all with `--long`, else a part that changes with every commit.

Of a large test the part is a tenth. Of a journey, and of another test that starts a service of its own, it is one of the two databases.
Journeys about a database, and those that break something, run on both; so do the other tests of the packages, but for those that say that
one database will do.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

Test = TypeVar("Test", bound=Callable[..., object])

SHARE = 10

#: What Hypothesis does not refuse: a slow property, large stories, and a fixture that empties a database before each example.
UNCHECKED = ("too_slow", "data_too_large", "function_scoped_fixture")

DATABASES = ("sqlite", "postgresql")

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


@cache
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
        suppress_health_check=[check for check in hypothesis.HealthCheck if check.name in UNCHECKED],
    )

    def bound(test: Test) -> Test:
        return bounded(test if _all else hypothesis.seed(commit())(test))

    return bound


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests that this run leaves out, because it runs each of them on the other database."""
    if _all:
        return []
    pairs: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        if database := _database_of(item):
            pairs.setdefault(_without(database, item), {})[database] = item
    return [pair[_other(name)] for name, pair in pairs.items() if len(pair) == len(DATABASES)]


def _database_of(item: pytest.Item) -> str | None:
    """The database that a test is collected for; None if it always runs."""
    folders, fixtures = item.path.parts, getattr(item, "fixturenames", ())
    is_journey = ("journeys" in folders or "service" in fixtures) and "failures" not in folders
    is_on_one = is_journey and not item.get_closest_marker("both_databases")
    if not (is_on_one or item.get_closest_marker("one_database")) or not hasattr(item, "callspec"):
        return None
    return next((given for given in item.callspec.params.values() if isinstance(given, str) and given in DATABASES), None)


def _without(database: str, item: pytest.Item) -> str:
    function, _, parameters = item.nodeid.partition("[")
    return f"{function}[{parameters.replace(database, '', 1)}"


def _other(name: str) -> str:
    """The database that a journey of this name does not run on."""
    return random.Random(f"{commit()} {name}").choice(DATABASES)


def told() -> str:
    """What a run says of its samples."""
    if _all:
        return "samples: all"
    return f"samples: a tenth, and journeys on one of two databases, drawn by TEST_SEED={commit()}; all with --long"
