"""A pytest plugin for mutation testing: which tests a mutant meets, and in which order.

`handlers.rules` is tested in `tests/handlers/rules`, so its mutants meet those tests first; they are few, and notice most. With
`MUTANTS_MEET_ALL` a mutant meets every test that reaches its function.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

MEET_ALL = "MUTANTS_MEET_ALL"

#: How long each test took, as mutmut keeps it in the folder of the mutated copy.
TIMES = Path("mutmut-stats.json")


def pytest_configure(config: pytest.Config) -> None:
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if "__mutmut_" in mutant and MEET_ALL not in os.environ:
        package, folder, *_ = mutant.split(".")
        config.args = [test for test in config.args if test.startswith(f"tests/{package}/{folder}/")] or config.args


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the quickest tests first."""
    if TIMES.exists():
        seconds = json.loads(TIMES.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0))
