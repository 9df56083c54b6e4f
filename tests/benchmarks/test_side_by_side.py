"""Contestants take turns, and one that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.measures import side_by_side
from benchmarks.output.figures import Figures
from benchmarks.stage import Stage
from tests.support.servers import Postgres


class Runner:
    def __init__(self, title: str, log: list[str], *, falls_at: int = -1) -> None:
        self.title, self._log, self._falls_at, self._turns = title, log, falls_at, 0

    def slice(self) -> Figures:
        self._log.append(self.title)
        self._turns += 1
        if self._turns == self._falls_at:
            raise TimeoutError("it hangs")
        return {self.title: self._turns}

    def finish(self) -> Figures:
        return {f"{self.title} at the end": self._turns}


@contextmanager
def entry(title: str, log: list[str], falls_at: int = -1) -> Iterator[Runner]:
    yield Runner(title, log, falls_at=falls_at)
    log.append(f"{title} ended")


def a_stage(folder: Path) -> Stage:
    return Stage(folder=folder, cluster=Postgres(""), redis_url="", postmaster=0, valkey=0)


def test_each_slice_holds_a_turn_of_all_and_another_one_begins(tmp_path: Path) -> None:
    log: list[str] = []
    entries = [partial(entry, title, log) for title in "abc"]
    found = side_by_side.measure(a_stage(tmp_path), entries, slices=3)
    assert found[:3] == [{"a": turn, "b": turn, "c": turn} for turn in (1, 2, 3)]
    assert found[3] == {f"{title} at the end": 3 for title in "abc"}
    assert sorted((log[0], log[3], log[6])) == ["a", "b", "c"]
    assert sorted(log[9:]) == ["a ended", "b ended", "c ended"]


def test_one_that_fails_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    on, log = a_stage(tmp_path), list[str]()
    found = side_by_side.measure(on, [partial(entry, "a", log), partial(entry, "b", log, 2)], slices=3)
    assert found[:3] == [{"a": 1, "b": 1}, {"a": 2}, {"a": 3}]
    assert found[3] == {"a at the end": 3}
    assert on.failures == ["b: failed with TimeoutError: it hangs"]


def test_one_that_does_not_start_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    @contextmanager
    def broken() -> Iterator[Runner]:
        raise OSError("no such program")
        yield

    on = a_stage(tmp_path)
    found = side_by_side.measure(on, [broken, partial(entry, "a", [])], slices=1)
    assert found == [{"a": 1}, {"a at the end": 1}]
    assert on.failures == ["a contestant did not start: OSError: no such program"]
