"""Lost commits: who saw them notices that they are gone, records it, and ends the epoch of the feed. The rows vanish as in a failover."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update

from store import database
from store.applicants import feed
from store.applicants.feed import OutOfPlace
from store.database.operations_tables import Act
from store.database.privacy_tables import BodyKey
from store.database.tables import EventRow, Feed, TransitionRow
from store.inbox import deliveries
from store.inbox import record as inbox
from store.inbox.spool import spool_import
from store.inbox.spool.spool import host_spool
from store.operations import lost_commits
from store.operations.lost_commits import Seen
from tests.conftest import forget
from tests.store.applicants.test_feed import a_change
from tests.store.inbox.test_record import once

DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("kept")


def acknowledge(seen: Seen, *bodies: bytes) -> list[str]:
    ids = [inbox.record(once(body)).event_id for body in bodies]
    for event_id in ids:
        seen.acknowledged(event_id, "idngo")
    return ids


def change(count: int) -> None:
    """Append changes to the feed."""
    for _ in range(count):
        with database.begin() as connection:
            feed.append(connection, [a_change("one", feed.last(connection) + 1)])


def show(seen: Seen, number: int) -> str:
    """Give a reader the change with this number; return its cursor."""
    with database.reading() as connection:
        epoch, _ = feed.position(connection, None)
        (row,) = feed.after(connection, number - 1, environment="live", limit=1)
    seen.showed(epoch, number, row.at)
    return feed.cursor_of(epoch, number)


def lose(*, events: list[str] = [], changes: int = 0) -> None:  # noqa: B006
    """Take back commits: these events, and the newest changes."""
    with database.begin() as connection:
        connection.execute(delete(BodyKey).where(BodyKey.event_id.in_(events)))
        connection.execute(delete(EventRow).where(EventRow.id.in_(events)))
        last = feed.last(connection) - changes
        connection.execute(delete(TransitionRow).where(TransitionRow.number > last))
        connection.execute(update(Feed).values(last=last))


def acts() -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(Act.actor, Act.action, Act.subject, Act.touched, Act.reason))]


def is_refused(cursor: str) -> bool:
    with database.reading() as connection:
        try:
            feed.position(connection, cursor)
        except OutOfPlace:
            return True
    return False


def test_while_nothing_is_lost_nothing_is_recorded_and_every_cursor_holds() -> None:
    seen = Seen()
    acknowledge(seen, b"one", b"two")
    change(3)
    cursor = show(seen, 3)
    assert [seen.look(), seen.look()] == [None, None]
    assert (acts(), is_refused(cursor)) == ([], False)


def test_a_lost_delivery_is_recorded_once_with_its_vendor_and_ends_the_epoch() -> None:
    seen = Seen()
    acknowledge(seen, b"one")
    newest = acknowledge(seen, b"two", b"three")
    change(2)
    cursor = show(seen, 1)
    assert seen.look() is None
    lose(events=newest)
    assert seen.look() is not None
    ((*act, reason),) = acts()
    assert act == ["standing", "lost commits", "the database", 2]
    assert reason.startswith("2 acknowledged deliveries of idngo, the first at 20")
    assert is_refused(cursor)
    assert seen.look() is None
    assert len(acts()) == 1


def test_a_change_that_was_shown_and_is_replaced_by_another_ends_the_epoch() -> None:
    seen = Seen()
    change(3)
    cursor = show(seen, 3)
    seen.look()
    lose(changes=2)
    change(4)
    assert not is_refused(cursor)  # Its reader would miss two changes.
    seen.look()
    assert is_refused(cursor)
    assert [act[-1] for act in acts()] == ["change 3 of the feed, which a reader was given"]


def test_later_deliveries_and_changes_do_not_hide_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy process acknowledges and shows more after the failover, before it looks."""
    monkeypatch.setattr(lost_commits, "LOOKED_FOR", 1)
    delivered, read = Seen(), Seen()
    acknowledge(delivered, b"one")
    change(1)
    show(read, 1)
    assert (delivered.look(), read.look()) == (None, None)
    lost = acknowledge(delivered, b"two")
    change(2)
    show(read, 3)
    lose(events=lost, changes=2)
    acknowledge(delivered, b"three", b"four")
    change(3)
    show(read, 4)
    replaced, gone = read.look(), delivered.look()
    assert gone
    assert list(gone.deliveries) == lost
    assert replaced
    assert replaced.shown
    assert replaced.shown.number == 3


def test_a_reader_that_begins_anew_displaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_commits, "REMEMBERED", 2)
    seen = Seen()
    change(4)
    show(seen, 4)
    assert seen.look() is None
    for number in (1, 2, 3):
        show(seen, number)
    lose(changes=1)
    assert seen.look() is not None


def test_spooled_deliveries_displace_none_that_were_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_commits, "REMEMBERED", 2)
    seen = Seen()
    ids = acknowledge(seen, b"one", b"two")
    for number in range(3):
        seen.acknowledged(f"spooled {number}", "idngo", spooled=True)
    lose(events=ids[:1])
    found = seen.look()
    assert found
    assert list(found.deliveries) == ids[:1]


def test_a_position_beyond_the_end_is_lost() -> None:
    seen = Seen()
    change(3)
    with database.reading() as connection:
        seen.showed(*feed.position(connection, "latest"), None)
    seen.look()
    lose(changes=1)
    seen.look()
    assert len(acts()) == 1


def test_all_processes_record_what_they_miss_and_one_of_them_ends_the_epoch() -> None:
    processes = [Seen(), Seen()]
    lost = [acknowledge(seen, body) for seen, body in zip(processes, (b"one", b"two"), strict=True)]
    for seen in processes:
        seen.look()
    lose(events=[*lost[0], *lost[1]])
    processes[0].look()
    with database.reading() as connection:
        epoch, _ = feed.position(connection, None)
    processes[1].look()
    assert not is_refused(feed.cursor_of(epoch, 0))
    found = database.read(lambda connection: lost_commits.noticed(connection, within=DAY))
    assert (found.processes, found.deliveries) == (2, 2)


def test_only_the_newest_deliveries_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_commits, "REMEMBERED", 2)
    seen = Seen()
    ids = acknowledge(seen, b"one", b"two", b"three")
    lose(events=ids)
    seen.look()
    assert [act[3] for act in acts()] == [2]


def test_a_spooled_delivery_is_looked_for_once_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOOL_DIR", str(tmp_path / "spool"))
    forget()
    seen, arrival, spool = Seen(), deliveries.seal(once(b"one")), host_spool()
    assert spool is not None
    assert spool.append(msgspec.json.encode(arrival))
    seen.acknowledged(arrival.id, "idngo", spooled=True)
    assert seen.look() is None
    assert spool_import.take_in_spooled() == 1
    assert seen.look() is None
    lose(events=[arrival.id])
    assert seen.look() is not None
