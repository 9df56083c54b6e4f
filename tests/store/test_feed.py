"""The feed: commit order, no gap, no repetition, for readers that start anywhere while writers write."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from store import database, feed
from store.feed import OutOfPlace, Transition
from store.models import Feed
from store.states import Status


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


def write(reference: str, changes: int) -> None:
    for version in range(1, changes + 1):
        with database.begin() as connection:
            feed.append(connection, [a_change(reference, version)])


def test_readers_see_every_change_once_and_in_order_while_writers_write(kept: str) -> None:
    # A feed numbered by a sequence lets a reader pass a number whose transaction commits late; this one must not.
    writers = [threading.Thread(target=write, args=(f"writer {number}", 25)) for number in range(4)]
    seen: list[list[tuple[int, str, int]]] = [[] for _ in range(3)]

    def read(into: list[tuple[int, str, int]]) -> None:
        number = 0
        while len(into) < 100:
            with database.reading() as connection:
                rows = feed.after(connection, number, environment="live", limit=7)
            into.extend((row.number, row.reference, row.version) for row in rows)
            number = into[-1][0] if into else 0

    readers = [threading.Thread(target=read, args=(into,), daemon=True) for into in seen]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in [*writers, *readers]:
        thread.join(60)
    assert all([number for number, _, _ in one] == list(range(1, 101)) for one in seen)
    assert seen[0] == seen[1] == seen[2]


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
