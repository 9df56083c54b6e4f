"""A pytest plugin for mutation testing: it collects the tests once, and lets each mutant meet those that reach its function.

Each mutant has a process of its own, forked from the one that collected. It meets the tests of its own folder and those beside that folder
(`handlers.rules` has `tests/handlers/rules` and `tests/handlers`), the quickest first, until one fails.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import run_in_fork_with_result

#: In the folder of the mutated copy: the names to try and how many at a time, and a line for each that was tried.
TO_TRY, TRIED = Path("to-try.json"), Path("tried.txt")

#: mutmut's numbers for what became of a mutant.
SURVIVED, NOTICED, NO_TESTS = 0, 1, 33

#: How long each test took, and which functions it reached.
Reached = dict[str, tuple[float, set[str]]]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if session.testsfailed:
        return None
    wanted = json.loads(TO_TRY.read_text())
    folders = {folder for name in wanted["names"] for folder in near(name)}
    items = [item for item in session.items if folder_of(item) in folders]
    reached: Reached = run_in_fork_with_result(unchanged, items)
    gc.collect()
    gc.freeze()
    terminal: Any = session.config.pluginmanager.getplugin("terminalreporter")
    with TRIED.open("a") as tried:
        for count, (name, code) in enumerate(results(wanted["names"], items, reached, jobs=wanted["jobs"]), start=1):
            print(name, code, file=tried, flush=True)
            terminal.write(f"\r{count} of {len(wanted['names'])} mutants", flush=True)
    return True


def unchanged(items: Iterable[pytest.Item]) -> Reached:
    """Run each test without a mutant; return what each reached. Raises AssertionError if one fails."""
    set_mutant_under_test("stats")
    found: Reached = {}
    for item in items:
        state()._stats.clear()
        began = time.process_time()
        assert passes(item), f"it fails without a mutant: {item.nodeid}"
        found[item.nodeid] = time.process_time() - began, set(state()._stats)
    return found


def results(names: Iterable[str], items: list[pytest.Item], reached: Reached, *, jobs: int) -> Iterator[tuple[str, int]]:
    """Yield each mutant with the number that says what became of it, as soon as it is known."""
    running: dict[int, str] = {}
    for name in names:
        tests = tests_of(name, items, reached)
        if not tests:
            yield name, NO_TESTS
            continue
        if len(running) == jobs:
            yield ended(running)
        running[start(name, tests, seconds=sum(reached[test.nodeid][0] for test in tests))] = name
    while running:
        yield ended(running)


def tests_of(name: str, items: Iterable[pytest.Item], reached: Reached) -> list[pytest.Item]:
    """Return the tests of a mutant: those near that reach its function, the quickest first."""
    function, folders = mangled_name_from_mutant_name(name), near(name)
    tests = [item for item in items if function in reached[item.nodeid][1] and folder_of(item) in folders]
    return sorted(tests, key=lambda item: reached[item.nodeid][0])


def near(name: str) -> tuple[str, str]:
    """Return the folders whose tests a mutant meets."""
    package, folder, *_ = name.split(".")
    return f"tests/{package}", f"tests/{package}/{folder}"


def folder_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0].rpartition("/")[0]


def start(name: str, tests: Iterable[pytest.Item], *, seconds: float) -> int:
    """Let a mutant meet tests in a process of its own; return its id. One that takes ten times as long as the tests is ended."""
    process = os.fork()
    if process:
        return process
    code = NOTICED
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (int(10 + 10 * seconds),) * 2)
        set_mutant_under_test(name)
        code = SURVIVED if all(map(passes, tests)) else NOTICED
    finally:
        os._exit(code)


def ended(running: dict[int, str]) -> tuple[str, int]:
    process, status = os.wait()
    return running.pop(process), os.waitstatus_to_exitcode(status)


def passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
