"""What happens between two queries of a verification is not taken for a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from store import database
from store.proof import tree
from store.proof.kinds import LeafKind
from store.proof.verification import run
from tests.store.proof.verification import history
from tests.store.proof.verification.history import faults
from tests.support import telling
from tests.support.privacy import erasing
from tests.support.proof.log import happen, log_all, log_and_sign

pytestmark = pytest.mark.usefixtures("signing")


@contextmanager
def once_before(is_meant: Callable[[str, Any], bool], happens: Callable[[], object]) -> Iterator[None]:
    """Let something happen before the first query that is meant, in other transactions. It must have come."""
    came: list[str] = []

    def before(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if not came and is_meant(statement, parameters):
            came.append(statement)
            happens()

    engine = database.engine.engine()
    event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)
    assert came


def test_a_row_that_is_erased_after_it_was_read_is_not_reported() -> None:
    history.make()
    erasing.keep(erasing.about(erasing.GONE, telling.idngo(answer="GREEN")))
    erasing.handle_all()
    log_and_sign()
    newest = history.newest(LeafKind.CHANGE)

    def reads_emptied_leaves(statement: str, parameters: Any) -> bool:
        given = list(parameters.values() if isinstance(parameters, dict) else parameters)
        return "LEFT OUTER JOIN log_leaves" in statement and LeafKind.CHANGE.value in given and newest in given

    def erase() -> None:
        erasing.erase_now(history.GONE)
        log_all()

    with once_before(reads_emptied_leaves, erase):
        assert faults() == []
    assert faults() == []


def test_leaves_that_are_appended_while_the_end_of_the_tree_is_looked_at_are_not_reported() -> None:
    history.make()

    def goes_on() -> None:
        happen(1)
        log_all()

    with once_before(lambda statement, _: "length(log_tiles.hashes)" in statement, goes_on):
        assert faults() == []
    assert faults() == []


def test_a_leaf_that_came_meanwhile_and_waits_to_be_emptied_is_left_to_the_next_verification() -> None:
    history.make()
    size = database.read(tree.size)
    came: list[int] = []

    def goes_on(compared: int) -> None:
        if not compared and not came:  # The walk is at the end of the tree for the first time.
            came.append(size)
            erasing.keep(erasing.about(erasing.GONE, telling.idngo(answer="GREEN")))
            erasing.handle_all()
            log_all()
            erasing.erase_now(history.GONE)

    first = run.verify_all(on_leaves=goes_on, patience=timedelta())
    assert (first.faults, first.size, came) == ([], size, [size])
    log_all()
    assert (run.verify_all(patience=timedelta()).faults, run.verify_new(patience=timedelta()).faults) == ([], [])
