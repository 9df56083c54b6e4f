"""The sequencer, on real databases: each row has its leaf, in the right order, once, whatever else runs or fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, delete, func, select, update
from sqlalchemy.event import listen, remove

from handlers import process
from store import database
from store.access import audit
from store.database.log_tables import Leaf, LogState, LogStop
from store.database.privacy_tables import BodyKey
from store.database.tables import EventRow, TransitionRow
from store.inbox import deliveries, delivery_rows
from store.proof import contents, leaves, queue, sequencer, tree
from store.proof.kinds import LeafKind
from store.proof.merkle import Tree
from store.proof.sequencer import Horizon, LeaseLost
from store.proof.verify import leaf_hash, leaf_line
from store.system import clock
from tests.support.privacy import queued
from tests.support.proof.log import RUNNER, approval, happen, kept_leaves, log_all, log_once
from tests.support.service import eventually

pytestmark = pytest.mark.usefixtures("kept")


def rows(kind: LeafKind, *keys: int | str) -> dict[int | str, contents.Row]:
    return database.read(lambda connection: contents.read(connection, kind, keys))


def opens(leaf: Any) -> bool:
    """Whether a leaf's commitment is to its row as it is now."""
    kind, key = LeafKind(leaf.kind), leaf.row if leaf.row_id is None else leaf.row_id
    return contents.holds(kind, rows(kind, key)[key], leaf.commitment, leaf.secret)


def kinds() -> list[str]:
    return [leaf.kind for leaf in kept_leaves()]


def test_each_row_has_a_leaf_that_opens_and_an_event_comes_before_its_changes() -> None:
    happen(3)
    database.write(lambda connection: audit.write(connection, actor="night", action="link", subject="idngo live x"))
    assert log_all() == 7
    found = kept_leaves()
    assert [leaf.kind for leaf in found] == ["event"] * 3 + ["change"] * 3 + ["act"]
    assert [leaf.number for leaf in found] == list(range(7))
    assert all(map(opens, found))
    assert log_all() == 0


def test_the_tree_is_that_of_the_leaves_however_they_came() -> None:
    for count in (1, 2, 5):
        happen(count)
        log_all()
    grown: dict[tuple[int, int], bytes] = {}
    again = Tree(0, lambda level, place: grown[level, place])
    again.append([leaf_hash(leaf_line(leaf.kind, leaves.time_of(leaf.at), leaf.commitment)) for leaf in kept_leaves()])
    assert database.read(lambda connection: tree.tree(connection).root()) == again.root()


def test_no_change_is_logged_while_more_events_wait_than_a_pass_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "AT_ONCE", 2)
    happen(5)
    log_all()
    found = kinds()
    assert (sorted(found), found.index("change")) == (["change"] * 5 + ["event"] * 5, 5)


def test_a_transaction_that_commits_late_is_logged_and_nothing_is_logged_twice(kept: str) -> None:
    """On SQLite whoever writes is alone, so no transaction can be late there."""
    if database.is_sqlite():
        pytest.skip("no transaction commits late")
    horizon = Horizon()
    happen()  # So that the late one is not the first use of the master key, for which others would wait.
    assert log_all(horizon) == 2
    before = newest()
    late = deliveries.seal(approval())
    engine = create_engine(kept)
    with engine.connect() as connection:
        delivery_rows.keep(connection, [late])
        happen(3)
        assert log_all(horizon) == 6
        age(horizon)
        assert log_all(horizon) == 0
        assert passed() <= before
        connection.commit()
    engine.dispose()
    assert log_all(horizon) == 1
    assert all(map(opens, kept_leaves()))
    process.handle_some("worker")
    assert log_all(horizon) == 1

    def is_passed() -> bool:
        age(horizon)
        log_all(horizon)
        return passed() == newest()

    eventually(is_passed, "the transactions of other tests to end")
    assert [(log_all(horizon), horizon.is_at_end) for _ in range(3)] == [(0, True)] * 3
    happen()
    assert log_all(horizon) == 2


def test_what_commits_late_below_a_row_that_passes_came_to_is_logged(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if database.is_sqlite():
        pytest.skip("no transaction commits late")
    monkeypatch.setattr(sequencer, "AT_ONCE", 2)
    horizon = Horizon()
    happen()
    log_all(horizon)
    engine = create_engine(kept)
    with engine.connect() as connection:
        delivery_rows.keep(connection, [deliveries.seal(approval())])
        happen(5)
        assert log_once(horizon) == 2
        connection.commit()
    engine.dispose()
    assert log_all(horizon) == 9
    age(horizon)
    assert log_all(horizon) == 0
    assert (all(map(opens, kept_leaves())), sorted(kinds())) == (True, ["change"] * 6 + ["event"] * 7)


def age(horizon: Horizon) -> None:
    """Make what a horizon saw old enough to count."""
    for mark in range(len(horizon._marks)):
        horizon._marks[mark] = horizon._marks[mark]._replace(at=0.0)


def newest() -> int:
    return database.read(lambda connection: connection.execute(select(func.max(EventRow.sequence))).scalar_one())


def passed() -> int:
    return database.read(lambda connection: connection.execute(select(LogState.events_to)).scalar_one())


def test_one_process_logs_and_another_once_it_is_silent() -> None:
    happen()
    assert log_all() == 2
    assert not database.write(lambda connection: sequencer.take_lease(connection, "another host:1"))
    with pytest.raises(LeaseLost):
        log_once(runner="another host:1")
    long_ago = clock.now() - timedelta(minutes=10)
    database.write(lambda connection: connection.execute(update(LogState).values(runner_seen_at=long_ago)))
    database.write(lambda connection: connection.execute(update(Leaf).values(at=long_ago)))
    assert database.write(lambda connection: sequencer.take_lease(connection, "another host:1"))
    with pytest.raises(LeaseLost):
        log_once()
    assert log_once(runner="another host:1") == 1
    [stop] = database.read(lambda connection: connection.execute(select(LogStop.__table__)).all())
    assert stop.since == long_ago
    assert (kept_leaves()[-1].kind, opens(kept_leaves()[-1])) == ("stop", True)


def test_a_clock_that_jumps_ahead_is_no_time_without_leaves() -> None:
    happen()
    log_all()
    long_ago = clock.now() - timedelta(minutes=10)
    database.write(lambda connection: connection.execute(update(LogState).values(runner_seen_at=long_ago)))
    happen()
    assert log_all() == 2
    assert database.read(lambda connection: connection.execute(select(LogStop.__table__)).all()) == []


def test_a_pass_that_is_not_committed_leaves_no_change_before_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "AT_ONCE", 3)
    happen(5)
    horizon = Horizon()
    assert database.write(lambda connection: sequencer.take_lease(connection, RUNNER))
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        sequencer.log_some(connection, RUNNER, horizon)
        raise ZeroDivisionError
    log_all(horizon)
    assert kinds() == ["event"] * 5 + ["change"] * 5


def test_events_with_large_bodies_are_logged_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "BYTES_AT_ONCE", 1)
    happen(3)
    horizon = Horizon()
    assert database.write(lambda connection: sequencer.take_lease(connection, RUNNER))
    log_once(horizon)
    assert kinds() == ["event"]
    log_all(horizon)
    assert kinds() == ["event"] * 3 + ["change"] * 3
    assert all(map(opens, kept_leaves()))


def test_the_time_of_a_leaf_is_never_before_that_of_the_leaf_before_it() -> None:
    happen()
    log_all()
    tomorrow = clock.now() + timedelta(days=1)
    database.write(lambda connection: connection.execute(update(Leaf).values(at=tomorrow)))
    happen()
    log_all()
    assert [leaf.at for leaf in kept_leaves()] == [tomorrow] * 4


def test_what_was_erased_is_emptied_by_a_leaf_and_what_is_left_has_a_new_one() -> None:
    happen()
    log_all()
    erasure = "00000000-0000-4000-8000-000000000001"

    def erase(connection: Any) -> None:
        sequence = connection.execute(select(EventRow.sequence)).scalar_one()
        connection.execute(delete(BodyKey))
        connection.execute(update(EventRow).values(headers={}, sealed_body=b"", erased_at=clock.now()))
        connection.execute(update(TransitionRow).values(reference="", applicant={}, reasons=[], erased_at=clock.now()))
        queue.add_erased(connection, LeafKind.EVENT, [sequence], erasure_id=erasure)
        queue.add_erased(connection, LeafKind.CHANGE, [1], erasure_id=erasure)

    database.write(erase)
    assert log_all() == 3
    event, change, event_now, change_now, emptied = kept_leaves()
    assert [leaf.emptied_by for leaf in (event, change, event_now, change_now, emptied)] == [4, 4, None, None, None]
    assert (event.secret, change.secret, emptied.row_id) == (None, None, erasure)
    assert (opens(event), opens(change), opens(event_now), opens(change_now)) == (False, False, True, True)
    listed = contents.commit_to_list(erasure, [0, 1], secret=emptied.secret)
    assert (listed.digest, msgspec.json.decode(listed.content)) == (emptied.commitment, {"erasure_id": erasure, "numbers": [0, 1]})
    assert log_all() == 0


def test_a_row_that_is_erased_while_a_pass_reads_is_emptied_by_the_next() -> None:
    """A pass on PostgreSQL sees what is committed meanwhile. If it read a row as it was, and after that the queue in which the row stands
    as erased, it would find no leaf to empty, and append one that opens to nothing."""
    if database.is_sqlite():
        pytest.skip("a pass is the only writer")
    place, executed = 0, 1
    while place < executed:
        place += 1
        happen()
        executed = _erased_before_statement(place)
        log_all()
        queued.check_log()
    assert place > 5


def _erased_before_statement(place: int) -> int:
    """Log once, and erase the newest change just before one of the pass's statements; give how many it executed."""
    executed: list[str] = []

    def look(_: Any, __: Any, statement: str, *___: Any) -> None:
        executed.append(statement)
        if len(executed) == place:
            with database.begin() as other:
                number = other.execute(select(func.max(TransitionRow.number))).scalar_one()
                emptied = update(TransitionRow).where(TransitionRow.number == number)
                other.execute(emptied.values(applicant={}, erased_at=clock.now()))
                queue.add_erased(other, LeafKind.CHANGE, [number], erasure_id=None)

    assert database.write(lambda connection: sequencer.take_lease(connection, RUNNER))
    with database.begin() as connection:
        listen(connection, "before_cursor_execute", look)
        sequencer.log_some(connection, RUNNER, Horizon())
        remove(connection, "before_cursor_execute", look)
    return len(executed)


def test_what_was_erased_before_it_was_logged_has_one_leaf() -> None:
    happen()

    def erase(connection: Any) -> None:
        connection.execute(update(TransitionRow).values(applicant={}, erased_at=clock.now()))
        queue.add_erased(connection, LeafKind.CHANGE, [1], erasure_id=None)

    database.write(erase)
    assert log_all() == 2
    assert kinds() == ["event", "change"]
    assert all(map(opens, kept_leaves()))


def test_a_leaf_does_not_open_to_a_row_that_was_changed() -> None:
    happen()
    log_all()
    event, change = kept_leaves()
    database.write(lambda connection: connection.execute(update(EventRow).values(received_at=clock.now() - timedelta(days=3))))
    database.write(lambda connection: connection.execute(update(TransitionRow).values(to_status="rejected")))
    assert (opens(event), opens(change)) == (False, False)
