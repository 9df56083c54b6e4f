"""The feed: commit order, no gap, no repetition, for readers that start anywhere while writers write."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from store import database
from store.applicants import feed
from store.applicants.feed import OutOfPlace, Transition
from store.database.tables import Feed
from store.text.states import Status
from tests.support.service import eventually


def a_change(reference: str, version: int) -> Transition:
    return Transition(
        vendor="idngo",
        environment="live",
        reference=reference,
        version=version,
        from_status=None,
        to_status=Status.APPROVED,
        reversal=None,
        changed=["status"],
        reasons=[],
        event_id=None,
        as_of=None,
        at=datetime.now(UTC),
        applicant={"version": version},
    )


WRITERS, CHANGES_EACH, READERS = 8, 20, 6


def write(reference: str, changes: int = CHANGES_EACH, *, all_read: threading.Event | None = None) -> None:
    """Changes, one after the other; as workers do, a writer comes again when it was not its turn in time. Before the last it waits until
    all read."""
    pauses, version = random.Random(reference), 1
    while version <= changes:
        if version == changes and all_read:
            all_read.wait(60)
        with suppress(database.Failure), database.begin() as connection:
            feed.append(connection, [a_change(reference, version)])
            # Between its number and its commit, where a reader could pass it.
            time.sleep(pauses.uniform(0, 0.002))
            version += 1


def follow(which: int, began: list[int], seen: list[list[tuple[int, str, int]]], all_read: threading.Event) -> None:
    """Read to the last change, from the beginning or from wherever the feed is once it has so many."""
    deadline = time.monotonic() + 120
    eventually(lambda: last() >= which * WRITERS, "so many changes")
    with database.reading() as connection:
        _, number = feed.position(connection, "latest" if which else None)
    began[which] = number
    if all(place is not None for place in began):
        all_read.set()
    while number < WRITERS * CHANGES_EACH and time.monotonic() < deadline:
        with database.reading() as connection:
            rows = feed.after(connection, number, environment="live", limit=1 + which)
        seen[which].extend((row.number, row.reference, row.version) for row in rows)
        number = rows[-1].number if rows else number


def last() -> int:
    with database.reading() as connection:
        return feed.last(connection)


def test_readers_see_every_change_once_and_in_order_while_writers_write(kept: str) -> None:
    # A feed numbered by a sequence lets a reader pass a number whose transaction commits late; this one must not.
    seen: list[list[tuple[int, str, int]]] = [[] for _ in range(READERS)]
    began: list[Any] = [None] * READERS
    all_read = threading.Event()
    writers = [threading.Thread(target=write, args=(f"writer {number}",), kwargs={"all_read": all_read}) for number in range(WRITERS)]
    readers = [threading.Thread(target=follow, args=(which, began, seen, all_read)) for which in range(READERS)]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in [*writers, *readers]:
        thread.join()
    assert [number for number, _, _ in seen[0]] == list(range(1, WRITERS * CHANGES_EACH + 1))
    # Wherever one begins: the same from there on.
    assert [seen[0][place:] for place in began] == seen
    assert all(0 < place < WRITERS * CHANGES_EACH for place in began[1:])
    for number in range(WRITERS):
        assert [version for _, reference, version in seen[0] if reference == f"writer {number}"] == list(range(1, CHANGES_EACH + 1))


def test_a_cursor_of_another_epoch_is_refused(kept: str) -> None:
    write("someone", 1)
    with database.reading() as connection:
        epoch, number = feed.position(connection, "latest")
    cursor = feed.cursor_of(epoch, number)
    with database.begin() as connection:
        connection.execute(update(Feed).values(epoch="restored"))
    with database.reading() as connection, pytest.raises(OutOfPlace):
        feed.position(connection, cursor)


@pytest.mark.parametrize("cursor", ["", "garbage", "1", ".", "a.b", "a.-1", "a." + "9" * 30, "a.١"])
def test_what_is_no_cursor_is_refused(kept: str, cursor: str) -> None:
    with database.reading() as connection, pytest.raises(OutOfPlace):
        feed.position(connection, cursor)


def test_a_cursor_beyond_the_end_is_refused(kept: str) -> None:
    with database.reading() as connection:
        epoch, _ = feed.position(connection, None)
        with pytest.raises(OutOfPlace):
            feed.position(connection, feed.cursor_of(epoch, 1))
