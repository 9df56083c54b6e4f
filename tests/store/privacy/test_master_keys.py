"""Master keys of Standing's own are replaced and destroyed in time; those of the operator are recorded as destroyed."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from store import config, database
from store.cli.keys import keys as keys_command
from store.database.operations_tables import Act, Worker
from store.database.tables import EventRow
from store.inbox import events
from store.inbox.sealing.encryption import Unopenable, key_id, keyring
from store.operations import backup, backup_contents, key_rotation
from store.privacy import master_keys
from store.privacy.errors import NotPossible, UnknownToUs
from store.system import clock, environment
from tests.conftest import KEY, forget
from tests.store.inbox.test_body_keys import NEWER, configure, keep_handled, of_old_form, settle

DAY = timedelta(days=1)


@pytest.fixture
def own(kept: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of Standing's own keys, as `./dev up` makes it."""
    monkeypatch.delenv("ENCRYPTION_KEYS")
    monkeypatch.setenv("KEY_DAYS", "7")
    file = environment.secrets_dir(Path(os.environ["VAR_DIR"])) / "ENCRYPTION_KEYS"
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    forget()
    yield file
    forget()


def in_file(file: Path) -> list[str]:
    return [key_id(base64.b64decode(line)) for line in file.read_text().split()]


def body_of(event_id: str) -> bytes | None:
    with database.reading() as connection:
        return events.body(connection, event_id)


def covered(erased_at: datetime) -> datetime | None:
    return database.read(lambda connection: master_keys.covered_by(connection, erased_at))


def days(first: int, last: int, begin: datetime) -> None:
    """Let days pass, with what a worker does on each."""
    for day in range(first, last + 1):
        master_keys.upkeep(begin + day * DAY)


def test_a_key_that_an_older_version_made_is_not_replaced_until_somebody_asks(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY_DAYS")
    forget()
    begin, [first] = clock.now(), in_file(own)
    days(0, 8, begin)
    assert in_file(own) == [first]
    config.own_keys_mark(environment.Environment()).touch()
    forget()
    days(9, 9, begin)
    assert in_file(own)[1:] == [first]


# Standing's own -----------------------------------------------------------------------------------------------


def test_a_key_is_replaced_after_key_days_and_everything_is_wrapped_by_the_newer_one(own: Path) -> None:
    event_id, begin, [first] = keep_handled(b"one"), clock.now(), in_file(own)
    days(0, 6, begin)
    assert in_file(own) == [first]
    done = master_keys.upkeep(begin + 7 * DAY)
    newer, older = in_file(own)
    assert (older, done) == (first, f"the master key {newer} is used from now on")
    assert key_rotation.in_use() == {newer: 1, first: 0}
    assert own.stat().st_mode & 0o777 == 0o600
    assert body_of(event_id) == b"one"
    assert master_keys.upkeep(begin + 7 * DAY) is None


def test_a_key_is_destroyed_backup_days_after_its_first_use(own: Path) -> None:
    keep_handled(b"one")
    begin, [first] = clock.now(), in_file(own)
    days(0, 34, begin)
    assert first in in_file(own)
    done = master_keys.upkeep(begin + 35 * DAY)
    assert first not in in_file(own)
    assert f"the master key {first} is destroyed" in str(done)
    assert sorted(file.name for file in own.parent.iterdir()) == ["ENCRYPTION_KEYS"]
    with database.reading() as connection:
        acts = connection.execute(select(Act.actor, Act.action, Act.subject)).all()
    assert ("standing", "destroy key", f"key {first}") in [tuple(act) for act in acts]


def test_what_held_a_destroyed_key_is_overwritten(own: Path, tmp_path: Path) -> None:
    keep_handled(b"one")
    begin = clock.now()
    days(0, 34, begin)
    (tmp_path / "second name").hardlink_to(own)
    master_keys.upkeep(begin + 35 * DAY)
    assert KEY.encode() not in (tmp_path / "second name").read_bytes()


def test_a_backup_can_be_opened_for_at_least_the_difference_and_never_after_backup_days(own: Path, tmp_path: Path) -> None:
    if not database.is_sqlite():
        pytest.skip("PostgreSQL has backups of its own")
    event_id, begin = keep_handled(b"one"), clock.now()
    days(0, 6, begin)
    taken = {6: take(tmp_path / "6.sqlite3")}
    days(7, 8, begin)
    taken[8] = take(tmp_path / "8.sqlite3")
    days(9, 34, begin)
    assert [backup_contents.examine(file).missing_keys for file in taken.values()] == [(), ()]
    days(35, 35, begin)
    assert backup_contents.examine(taken[6]).is_sealed
    assert not backup_contents.examine(taken[8]).missing_keys
    days(36, 8 + 35, begin)
    assert backup_contents.examine(taken[8]).is_sealed
    assert body_of(event_id) == b"one"


def take(file: Path) -> Path:
    backup.take(file, overwrite=False, progress=lambda *_: None)
    return file


def test_a_restored_backup_keeps_what_is_known_of_keys(own: Path, tmp_path: Path) -> None:
    if not database.is_sqlite():
        pytest.skip("PostgreSQL has backups of its own")
    keep_handled(b"one")
    begin, file = clock.now(), take(tmp_path / "b.sqlite3")
    days(0, 36, begin)
    before = {state.key_id: (state.first_used_at, state.destroyed_at) for state in database.read(master_keys.states)}
    forget()
    backup.restore(file, actor=actor(), progress=lambda *_: None)
    after = {state.key_id: (state.first_used_at, state.destroyed_at) for state in database.read(master_keys.states)}
    assert (after, len(after)) == (before, 6)


def actor() -> object:
    from store.access.operators import Actor

    return Actor("somebody", None)


def test_a_certificate_is_pending_until_every_key_of_before_is_destroyed(own: Path) -> None:
    keep_handled(b"one")
    begin = clock.now()
    days(0, 7, begin)
    erased_at = begin + 7 * DAY + timedelta(hours=1)
    days(8, 41, begin)
    assert covered(erased_at) is None
    days(42, 42, begin)
    assert covered(erased_at) == begin + 42 * DAY
    assert covered(begin - DAY) is None


def test_keys_are_not_replaced_while_workers_run_on_hosts_that_may_not_see_the_file(own: Path) -> None:
    keep_handled(b"one")
    begin = clock.now()
    with database.begin() as connection:
        connection.execute(database.insert(Worker).values(name="another-host:7", seen_at=clock.now()))
    assert "another-host may not see" in str(master_keys.upkeep(begin + 8 * DAY))
    assert len(in_file(own)) == 1


def test_a_key_is_not_destroyed_while_deliveries_wait_in_the_spool(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOOL_DIR", str(tmp_path / "spool"))
    forget()
    keep_handled(b"one")
    begin, [first] = clock.now(), in_file(own)
    days(0, 34, begin)
    (tmp_path / "spool" / "appended").write_bytes(b"a record")
    assert "wait in the spool" in str(master_keys.upkeep(begin + 35 * DAY))
    assert first in in_file(own)


def test_a_body_of_the_old_form_is_converted_before_its_key_is_destroyed(own: Path) -> None:
    from store.inbox.spool import spool_import

    arrival, begin = of_old_form(b"old"), clock.now()
    spool_import._keep_all([arrival])
    settle()
    days(0, 36, begin)
    assert body_of(arrival.id) == b"old"
    with database.reading() as connection:
        assert connection.execute(select(EventRow.key_id)).scalars().all() == [""]


# given from outside -------------------------------------------------------------------------------------------


def test_a_key_from_outside_is_neither_replaced_nor_destroyed(kept: str) -> None:
    keep_handled(b"one")
    begin = clock.now()
    days(0, 40, begin)
    [state] = database.read(master_keys.states)
    assert (state.replaced_at, state.destroyed_at, state.destroy_by) == (None, None, state.first_used_at + 35 * DAY)


def test_an_operator_records_that_a_key_is_destroyed_once_nothing_needs_it(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    event_id = keep_handled(b"one")
    old, erased_at = keyring().newest, clock.now()
    assert "still configured" in destroyed(old)
    configure(monkeypatch, NEWER)
    assert "bodies still need" in destroyed(old)
    configure(monkeypatch, NEWER, KEY)
    assert CliRunner().invoke(keys_command, ["rotate", "--yes"]).exit_code == 0
    configure(monkeypatch, NEWER)
    assert "was ever in use" in destroyed("0" * 16)
    assert covered(erased_at) is None
    assert CliRunner().invoke(keys_command, ["destroyed", old], input="n\n").exit_code == 1
    assert covered(erased_at) is None
    assert "Recorded" in destroyed(old)
    assert (covered(erased_at) or erased_at) > erased_at
    assert "destroyed before" in destroyed(old)
    assert body_of(event_id) == b"one"
    with database.reading() as connection:
        assert connection.execute(select(Act.subject).where(Act.action == "destroy key")).scalars().all() == [f"key {old}"]


def destroyed(key: str) -> str:
    done = CliRunner().invoke(keys_command, ["destroyed", key, "--yes"])
    return done.output


def test_the_refusals_are_told_apart(kept: str) -> None:
    keep_handled(b"one")
    with database.begin() as connection:
        with pytest.raises(UnknownToUs):
            master_keys.record_destroyed(connection, "0" * 16, by="somebody", at=clock.now())
        with pytest.raises(NotPossible):
            master_keys.record_destroyed(connection, keyring().newest, by="somebody", at=clock.now())


def test_a_key_that_is_destroyed_too_early_makes_its_bodies_unopenable(own: Path) -> None:
    event_id = keep_handled(b"one")
    own.write_text(NEWER)
    forget()
    with pytest.raises(Unopenable):
        body_of(event_id)
    assert config.generated_keys() == own
