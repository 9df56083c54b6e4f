"""Mutations of the log itself: leaves, hashes, checkpoints, LOG_STATE, and a database that went back in time."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, text, update

from store import config, database
from store.database.log_tables import Checkpoint, Epoch, Leaf, Tile
from store.proof import checkpoints, notes, signed_state, tree
from store.proof.kinds import LeafKind
from store.proof.leaves import time_of
from store.proof.merkle import Tree
from store.proof.verification import run
from store.proof.verify import leaf_hash, leaf_line
from tests.conftest import forget
from tests.store.proof.verification import history
from tests.store.proof.verification.history import faults, found, tampering
from tests.support.proof.log import OTHER_SEED, happen, log_all, log_and_sign
from tests.support.service import LOG_ORIGIN

pytestmark = [pytest.mark.usefixtures("signing"), pytest.mark.one_database]

STATE = ("checkpoint", "LOG_STATE")


def newest_checkpoint() -> tuple[str, str]:
    """How a fault names the newest checkpoint."""
    row = database.read(checkpoints.newest)
    assert row is not None
    return "checkpoint", f"{LOG_ORIGIN}/1 of {row.size} leaves"


def leaves() -> int:
    return database.read(tree.size)


# leaves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["kind", "at", "commitment"])
def test_a_leaf_that_is_changed_is_found(column: str) -> None:
    history.make()
    with tampering() as connection:
        at = connection.execute(select(Leaf.at).where(Leaf.number == 3)).scalar_one()
        after = {"kind": "act", "at": at + timedelta(microseconds=1), "commitment": b"x" * 32}[column]
        connection.execute(update(Leaf).where(Leaf.number == 3).values({column: after}))
    assert ("leaf", "3") in found()


def test_a_leaf_that_is_not_that_of_the_tree_is_named_once() -> None:
    history.make()
    with tampering() as connection:
        connection.execute(update(Leaf).where(Leaf.number == 3).values(commitment=b"x" * 32))
    said = [fault.what for fault in faults() if (fault.kind, fault.id) == ("leaf", "3")]
    assert (len(said), "of which the tree has the hash" in said[0]) == (1, True)


@pytest.mark.parametrize("statement", ["log_leaves SET at = 'x' WHERE number = 3", "log_leaves SET commitment = 'x' WHERE number = 3",
                                       "log_tiles SET hashes = 'x'"])  # fmt: skip
def test_a_value_of_another_type_stops_no_verification(statement: str) -> None:
    """SQLite takes any value in any column."""
    history.make()
    if not database.is_sqlite():
        pytest.skip("PostgreSQL takes none")
    with tampering() as connection:
        connection.execute(text(f"UPDATE {statement}"))
    assert ("leaf", "3") in found()


@pytest.mark.parametrize("values", [{"secret": b"x" * 32}, {"row": 1}, {"emptied_by": 0}])
def test_what_leads_from_a_leaf_to_its_row_is_found_when_it_is_changed(values: dict[str, object]) -> None:
    history.make()
    key = history.newest(LeafKind.ACT)
    with tampering() as connection:
        connection.execute(update(Leaf).where(Leaf.kind == LeafKind.ACT, Leaf.row == key).values(values))
    assert ("act", str(values.get("row", key))) in found()


def test_a_leaf_that_is_removed_from_the_middle_is_found() -> None:
    history.make()
    with tampering() as connection:
        connection.execute(delete(Leaf).where(Leaf.number == 3))
    assert ("leaf", "3") in found()


def test_two_leaves_that_are_swapped_are_found() -> None:
    history.make()
    with tampering() as connection:
        for old, new in ((3, -1), (4, 3), (-1, 4)):
            connection.execute(update(Leaf).where(Leaf.number == old).values(number=new))
    assert {("leaf", "3"), ("leaf", "4")} <= found()


@pytest.mark.parametrize("change", [lambda hashes: hashes[::-1], lambda hashes: hashes[:-1], lambda hashes: hashes + b"x" * 32])
def test_hashes_that_are_changed_are_found(change: Callable[[bytes], bytes]) -> None:
    history.make()
    with tampering() as connection:
        hashes = connection.execute(select(Tile.hashes)).scalar_one()
        connection.execute(update(Tile).values(hashes=change(hashes)))
    assert {kind for kind, _ in found()} & {"leaf", "tile"}


def test_a_log_that_is_computed_again_from_changed_leaves_is_not_what_was_signed() -> None:
    """All that the database holds fits together again. Only what was signed does not."""
    history.make()
    before = leaves()
    happen(2)
    log_and_sign()
    with tampering() as connection:
        connection.execute(update(Leaf).where(Leaf.number == before).values(commitment=b"x" * 32))
        _compute_again(connection)
    assert {newest_checkpoint(), STATE} <= found()
    [what] = [one.what for one in faults() if (one.kind, one.id) == STATE]
    assert what.endswith(f"to {leaves() - 1} are not those that were signed")


def test_a_log_that_is_cut_off_at_its_end_is_found() -> None:
    history.make()
    before = leaves()
    happen(1)
    log_and_sign()
    with tampering() as connection:
        connection.execute(delete(Leaf).where(Leaf.number >= before))
        connection.execute(delete(Checkpoint).where(Checkpoint.size > before))
        _compute_again(connection)
    assert found() == {STATE}  # The event waits for a leaf as any new one does.


def test_a_database_that_went_back_to_an_older_copy_is_found(kept: str, tmp_path: Path) -> None:
    history.make()
    copy = _copied(kept, tmp_path)
    happen(2)
    log_and_sign()
    copy()
    assert found() == {STATE}


# signatures ---------------------------------------------------------------------------------------------------


def test_a_tree_that_is_signed_again_with_another_key_is_found() -> None:
    history.make()
    name = newest_checkpoint()
    note = notes.sign(f"{LOG_ORIGIN}/1", leaves(), database.read(lambda connection: tree.tree(connection).root()), OTHER_SEED)
    with tampering() as connection:
        connection.execute(update(Checkpoint).values(note=note))
    assert found() == {name}
    signed_state.write(note)
    assert found() == {name, STATE}


def test_another_key_for_the_epoch_is_found() -> None:
    history.make()
    note = notes.sign(f"{LOG_ORIGIN}/1", leaves(), database.read(lambda connection: tree.tree(connection).root()), OTHER_SEED)
    signed_state.write(note)
    with tampering() as connection:
        connection.execute(update(Checkpoint).values(note=note))
        connection.execute(update(Epoch).values(vkey=notes.vkey(f"{LOG_ORIGIN}/1", notes.public_key(OTHER_SEED))))
    assert found() == {("epoch", "1")}


def test_log_state_that_is_gone_or_older_is_found() -> None:
    history.make()
    older = config.settings().log.state.read_text()
    happen()
    log_and_sign()
    signed_state.write(older)
    assert found() == {STATE}
    config.settings().log.state.unlink()
    assert found() == {STATE}


def test_a_new_epoch_goes_on_after_a_restore(kept: str, tmp_path: Path) -> None:
    history.make()
    copy = _copied(kept, tmp_path)
    happen(2)
    log_and_sign()
    copy()
    log_all()
    assert not checkpoints.sign()
    assert {STATE, ("log", "signing")} <= found()
    database.write(checkpoints.begin_epoch)
    log_all()
    assert faults() == []
    assert checkpoints.sign()
    assert faults() == []


# what is recorded ---------------------------------------------------------------------------------------------


def test_only_what_is_new_is_verified_daily_and_a_fault_is_never_forgotten_by_that() -> None:
    history.make()
    whole = run.verify_all(patience=timedelta())
    database.write(lambda connection: run.record(connection, whole))
    happen(2)
    log_and_sign()
    new = run.verify_new(patience=timedelta())
    assert (new.start, new.size, new.rows, new.count) == (whole.size, leaves(), leaves() - whole.size, 0)
    happen()
    log_all()
    key = history.newest(LeafKind.CHANGE)
    with tampering() as connection:
        connection.execute(text(f"UPDATE transitions SET code_version = 'x' WHERE number = {key}"))
    assert [(one.kind, one.id) for one in run.verify_new(patience=timedelta()).faults] == [("change", str(key))]
    assert _recorded() == (new.size, 1)
    with tampering() as connection:
        connection.execute(text(f"UPDATE transitions SET code_version = '0.1.0' WHERE number = {key}"))
    assert run.verify_new(patience=timedelta()).count == 0
    assert _recorded() == (leaves(), 1)
    database.write(lambda connection: run.record(connection, run.verify_all(patience=timedelta())))
    assert _recorded() == (leaves(), 0)


def _recorded() -> tuple[int, int]:
    with database.reading() as connection:
        return tuple(connection.execute(text("SELECT verified_size, faults FROM log_state")).one())


def _compute_again(connection: Connection) -> None:
    """Write the hashes that the leaves have now."""
    connection.execute(delete(Tile))
    rows = connection.execute(select(Leaf.kind, Leaf.at, Leaf.commitment).order_by(Leaf.number)).all()
    tiles = Tree(0, lambda level, place: b"").append([leaf_hash(leaf_line(row.kind, time_of(row.at), row.commitment)) for row in rows])
    for (level, place), hashes in tiles.items():
        connection.execute(Tile.__table__.insert().values(level=level, place=place, hashes=hashes))


def _copied(kept: str, folder: Path) -> Callable[[], None]:
    """Copy the database; give what puts the copy in its place."""
    if kept.startswith("sqlite"):
        path = Path(kept.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(folder / "copy")) as target:
            source.backup(target)

        def put_back() -> None:
            forget()
            for name in (f"{path}-wal", f"{path}-shm"):
                Path(name).unlink(missing_ok=True)
            shutil.copy(folder / "copy", path)

        return put_back
    return _copied_tables()


def _copied_tables() -> Callable[[], None]:
    """The same of PostgreSQL, table by table."""
    from store.database.columns import Base

    with database.reading() as connection:
        kept_rows = {table: connection.execute(select(table)).mappings().all() for table in Base.metadata.sorted_tables}

    def put_back() -> None:
        with tampering() as connection:
            for table, rows in kept_rows.items():
                connection.execute(delete(table))
                if rows:
                    connection.execute(table.insert(), [dict(row) for row in rows])

    return put_back
