"""A verification: of all leaves and rows, or of what came since the last one.

The service runs on meanwhile. What does not hold at the first look may be a row that was erased between two queries, and is looked at again
once the log has caught up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from msgspec import Struct
from sqlalchemy import Connection, select, update

from store import database
from store.database.log_tables import LogState
from store.proof import tree
from store.proof.sequencer import AT_ONCE, SILENCE_MAX
from store.proof.verification import absent, emptied, pages, signed, snapshots
from store.proof.verification.absent import Absent
from store.proof.verification.faults import LOG, Fault, Faults
from store.proof.verification.signed import Signed
from store.proof.verification.walk import Walk
from store.system import clock
from store.text.states import ApplicantKey

#: How long it waits for a sequencer that runs to log what waits.
PATIENCE = timedelta(minutes=1)

LOOK_SECONDS = 0.5

#: How often an applicant is compared again that was not right: it may have changed between two queries.
TRIES = 3

#: Called with how many leaves, or applicants, were compared.
OnProgress = Callable[[int], object]


class Verified(Struct, frozen=True, kw_only=True):
    """What was compared, and the faults that were found."""

    #: Up to which leaf, and from which.
    size: int
    start: int
    rows: int
    checkpoints: int
    applicants: int
    faults: list[Fault]
    #: How many there are; not all have a name here if they are very many.
    count: int


def verify_all(
    *, on_leaves: OnProgress = lambda _: None, on_applicants: OnProgress = lambda _: None, patience: timedelta = PATIENCE
) -> Verified:
    """Compare every leaf, row and applicant; return what was found. `patience`: how long it waits for rows to be logged."""
    return _verify(0, on_leaves, on_applicants, patience)


def is_due(connection: Connection, *, every: timedelta) -> bool:
    """Return whether the last verification is longer ago than a time, or there was none."""
    verified_at = connection.execute(select(LogState.verified_at)).scalar_one()
    return verified_at is None or clock.now() - verified_at > every


def verify_new(*, rest: Callable[[], object] = lambda: None, patience: timedelta = PATIENCE) -> Verified:
    """Compare the leaves that were appended since the last verification, and every applicant; record and return what was found.

    `rest`: called after each part, so that others can work."""
    start = database.read(lambda connection: connection.execute(select(LogState.verified_size)).scalar_one())
    start = min(start, database.read(tree.size))
    found = _verify(start, lambda _: rest(), lambda _: rest(), patience)
    database.write(partial(record, found=found))
    return found


def record(connection: Connection, found: Verified, *, more: int = 0) -> None:
    """Record the result. A verification of what is new takes back no fault that a whole one found. `more`: faults that were found
    besides."""
    count, values = found.count + more, dict[str, object](verified_at=clock.now())
    known = connection.execute(select(LogState.faults)).scalar_one() if found.start else 0
    if count == 0 or not found.start:
        values["verified_size"] = found.size
    connection.execute(update(LogState).values(**values, faults=max(count, known)))


def _verify(start: int, on_leaves: OnProgress, on_applicants: OnProgress, patience: timedelta) -> Verified:
    faults = Faults()
    notes = database.read(partial(signed.read, faults=faults))
    walk = database.read(partial(Walk, faults=faults, start=start))
    roots = signed.by_size(notes, start=start)
    right = start
    while (passed := _go_on(walk, roots, on_leaves)) is not None:
        right = signed.compare(passed, roots, faults, right=right)
    faults.extend(signed.beyond(notes, walk.size))
    size = _settle(walk, faults, on_leaves, patience)
    database.read(lambda connection: faults.extend([*absent.twice(connection), *emptied.without_run(connection)]))
    database.read(lambda connection: _look_at_state(connection, walk, faults))
    compared = _compare_applicants(faults, on_applicants)
    return Verified(
        size=size, start=start, rows=walk.rows, checkpoints=len(notes), applicants=compared, faults=faults.named, count=faults.count
    )


def _go_on(walk: Walk, roots: Mapping[int, list[Signed]], on_leaves: OnProgress) -> dict[int, bytes] | None:
    """Compare the next page of leaves; return the roots at the sizes of checkpoints; None if there is no other leaf."""

    def page(connection: Connection) -> dict[int, bytes] | None:
        end = min(tree.size(connection), walk.size + pages.PAGE)
        return walk.go_on(connection, end, roots) if end > walk.size else None

    before = walk.size
    with database.reading() as connection:
        passed = page(connection)
    on_leaves(walk.size - before)
    return passed


def _settle(walk: Walk, faults: Faults, on_leaves: OnProgress, patience: timedelta) -> int:
    """Look again at what did not hold, and at rows without leaves, until they hold, or it is certain that they do not: for so long nothing
    more was logged of them. Return up to which leaf all holds or is a fault.

    Where applicants are erased one after another, some leaf always waits to be emptied. Those that came meanwhile are left to the next
    verification."""
    end, fewest, deadline, lacking = walk.size, float("inf"), 0.0, None
    while True:
        before = walk.size
        while _go_on(walk, {}, on_leaves) is not None:
            pass
        walk.suspects = database.read(walk.settle)
        waiting = [one for one in walk.suspects if one.number < end]
        lacking = database.read(partial(_lacking, among=lacking))
        # Whole passes were logged meanwhile: the sequencer is catching up, and may have more before it than is listed.
        is_catching_up = walk.size - before >= AT_ONCE
        if (left := len(waiting) + len(lacking)) < fewest or is_catching_up:
            fewest, deadline = left, time.monotonic() + patience.total_seconds()
        if not left or time.monotonic() >= deadline or not database.read(_is_logging):
            break
        time.sleep(LOOK_SECONDS)
    for suspect in waiting:
        name = database.read(partial(pages.name_of, kind=suspect.kind, key=suspect.key))
        faults.add(suspect.kind, name, f"it is not what leaf {suspect.number} commits to, and waits in the queue as erased")
    faults.extend(one.fault() for one in lacking)
    return min((one.number for one in walk.suspects if one.number >= end), default=walk.size)


def _lacking(connection: Connection, among: list[Absent] | None) -> list[Absent]:
    return [one for one in absent.rows(connection, among) if not one.may_wait]


def _is_logging(connection: Connection) -> bool:
    """Return whether a sequencer runs, so that waiting helps."""
    seen = connection.execute(select(LogState.runner_seen_at)).scalar_one()
    return seen is not None and abs(clock.now() - seen) < SILENCE_MAX


def _look_at_state(connection: Connection, walk: Walk, faults: Faults) -> None:
    state = connection.execute(select(LogState.__table__)).one()
    if state.stopped_because:
        faults.add(LOG, "signing", state.stopped_because)
    beyond = list(walk.growth.beyond(connection))
    if tree.size(connection) == walk.size:  # After the tiles: they grow with the leaves.
        faults.extend(beyond)


def _compare_applicants(faults: Faults, on_applicants: OnProgress) -> int:
    """Compare applicants with their newest changes; return how many. One that changes meanwhile is compared again."""
    last: ApplicantKey | None = None
    count = 0
    while True:
        keys, suspects = database.read(partial(snapshots.compare, after=last))
        if not keys:
            break
        for _ in range(TRIES if suspects else 0):
            suspects = database.read(partial(snapshots.again, keys=[key for key, _ in suspects]))
        faults.extend(fault for _, fault in suspects)
        on_applicants(len(keys))
        last, count = keys[-1], count + len(keys)
    if gone := database.read(lambda connection: list(snapshots.missing(connection))):
        again = dict(database.read(lambda connection: list(snapshots.missing(connection))))
        faults.extend(again[key] for key, _ in gone if key in again)
    return count
