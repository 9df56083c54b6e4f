"""Checkpoints, on real databases: nothing is signed that does not extend what was signed before, whatever happens to the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, update

from store import config, database
from store.database.log_tables import Checkpoint, Epoch, Leaf, Tile
from store.proof import checkpoints, notes, signed_state, tree
from store.system import clock
from tests.support.proof.log import OTHER_KEY, SEED, configure, happen, kept_leaves, log_all, log_and_sign
from tests.support.service import LOG_SIGNING_KEY

pytestmark = pytest.mark.usefixtures("signing")


def because() -> checkpoints.Stop:
    return database.read(checkpoints.stopped)


def newest() -> signed_state.Head:
    found = database.read(checkpoints.newest)
    assert found is not None
    return signed_state.head_of(found.note)


def root(size: int | None = None) -> bytes:
    return database.read(lambda connection: tree.tree(connection).root(size))


def test_the_tree_is_signed_in_the_database_and_outside_it() -> None:
    happen()
    assert log_and_sign()
    assert newest() == signed_state.read() == signed_state.Head("standing.example/1", 3, root())
    assert [leaf.kind for leaf in kept_leaves()] == ["event", "change", "epoch"]
    assert not checkpoints.sign()
    happen()
    assert log_and_sign()
    assert newest().size == 5
    assert database.read(lambda connection: connection.execute(select(func.count()).select_from(Checkpoint)).scalar_one()) == 1


def test_without_a_key_all_is_logged_and_nothing_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, LOG_SIGNING_KEY="")
    happen()
    assert not log_and_sign()
    assert len(kept_leaves()) == 2
    configure(monkeypatch, LOG_SIGNING_KEY=LOG_SIGNING_KEY)
    assert log_and_sign()


@pytest.mark.parametrize("lost", ["leaves", "a hash"])
def test_a_database_that_lost_rows_signs_nothing_until_a_new_epoch_is_begun(lost: str) -> None:
    happen(2)
    assert log_and_sign()
    signed = newest()
    if lost == "leaves":
        database.write(lambda connection: connection.execute(delete(Leaf).where(Leaf.number > 1)))
        database.write(lambda connection: connection.execute(update(Tile).values(hashes=bytes(64))))
    else:
        database.write(lambda connection: connection.execute(update(Tile).values(hashes=bytes(32 * 5))))
    assert not checkpoints.sign()
    says = "the database lost rows" if lost == "leaves" else "are not those that were signed"
    assert (because().for_good, says in str(because().because)) == (True, True)
    happen()
    assert not log_and_sign()
    assert signed_state.read() == signed
    database.write(checkpoints.begin_epoch)
    assert because() == checkpoints.Stop(None, for_good=False)
    assert log_and_sign()
    assert (newest().origin, newest()) == ("standing.example/2", signed_state.read())
    [epoch] = database.read(lambda connection: connection.execute(select(Epoch.__table__).where(Epoch.number == 2)).all())
    assert (epoch.old_origin, epoch.old_size, epoch.old_root) == (signed.origin, signed.size, signed.root)
    assert len(database.read(checkpoints.vkeys)) == 2


def test_an_epoch_that_was_written_into_the_database_alone_is_not_signed() -> None:
    """Whoever writes to the database can copy all that an epoch's row needs: the last checkpoint, and the public key."""
    happen()
    assert log_and_sign()
    signed, [vkey] = newest(), database.read(checkpoints.vkeys)
    old = {"old_origin": signed.origin, "old_size": signed.size, "old_root": signed.root}
    forged = {"number": 2, "origin": "standing.example/2", "vkey": notes.vkey("standing.example/2", notes.public_key(SEED))}
    assert vkey.rpartition("+")[2] == forged["vkey"].rpartition("+")[2]  # type: ignore[attr-defined]
    database.write(lambda connection: connection.execute(insert(Epoch).values(**forged, **old, began_at=clock.now())))
    assert not log_and_sign()
    assert (because().for_good, "did not begin" in str(because().because)) == (True, True)
    assert signed_state.read() == signed
    database.write(checkpoints.begin_epoch)
    assert log_and_sign()
    assert newest().origin == "standing.example/3"


def test_a_database_that_never_had_the_log_that_was_signed_signs_nothing() -> None:
    signed_state.write("standing.example/7\n12\nAAAA\n\n— x AAAA\n")
    happen()
    assert not log_and_sign()
    assert because().for_good
    database.write(checkpoints.begin_epoch)
    assert log_and_sign()
    assert newest().origin == "standing.example/8"


def test_a_state_that_is_missing_or_broken_stops_the_signing_until_it_is_back() -> None:
    happen()
    log_and_sign()
    file = config.settings().log.state
    kept = file.read_text()
    happen()
    log_all()
    for broken in (None, "", "standing.example/1\n3\nno base64\n", kept.replace("standing.example/1", "elsewhere/1")[:10]):
        file.unlink(missing_ok=True)
        if broken is not None:
            file.write_text(broken)
        assert not checkpoints.sign()
        assert "LOG_STATE" in str(because().because)
        assert not because().for_good
    file.write_text(kept)
    assert checkpoints.sign()
    assert because().because is None


def test_a_checkpoint_in_the_database_that_is_none_stops_the_signing_and_is_named() -> None:
    happen()
    log_and_sign()
    database.write(lambda connection: connection.execute(update(Checkpoint).values(note="garbage")))
    happen()
    log_all()
    assert not checkpoints.sign()
    assert "is none" in str(because().because)
    database.write(checkpoints.begin_epoch)
    assert log_and_sign()


def test_another_key_signs_nothing_before_a_new_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    happen()
    log_and_sign()
    configure(monkeypatch, LOG_SIGNING_KEY=OTHER_KEY)
    happen()
    assert not log_and_sign()
    assert because() == checkpoints.Stop("LOG_SIGNING_KEY is not the key of this epoch", for_good=False)
    database.write(checkpoints.begin_epoch)
    assert log_and_sign()


def test_another_origin_counts_from_the_next_epoch_on(monkeypatch: pytest.MonkeyPatch) -> None:
    happen()
    log_and_sign()
    configure(monkeypatch, LOG_ORIGIN="elsewhere.example")
    happen()
    assert log_and_sign()
    assert newest().origin == "standing.example/1"
    database.write(checkpoints.begin_epoch)
    assert log_and_sign()
    assert newest().origin == "elsewhere.example/2"


def test_what_was_signed_and_not_kept_in_the_database_is_signed_again_alike() -> None:
    happen()
    log_and_sign()
    before = database.read(checkpoints.newest)
    database.write(lambda connection: connection.execute(delete(Checkpoint)))
    assert checkpoints.sign()
    after = database.read(checkpoints.newest)
    assert before is not None
    assert after is not None
    assert after.note == before.note


def test_a_state_that_cannot_be_written_stops_the_signing_until_it_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_its_place = tmp_path / "state" / "log.state.new"
    configure(monkeypatch, LOG_STATE=str(tmp_path / "state" / "log.state"))
    in_its_place.mkdir(parents=True)
    happen()
    assert not log_and_sign()
    assert because() == checkpoints.Stop("LOG_STATE cannot be written (IsADirectoryError)", for_good=False)
    in_its_place.rmdir()
    assert checkpoints.sign()
    assert because() == checkpoints.Stop(None, for_good=False)
    assert newest() == signed_state.read()
