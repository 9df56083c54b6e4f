"""A restored database: what the ledger knows and it lacks is erased again before anything is read. The ledger itself, lost or broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, text

from handlers import process
from handlers.privacy import erase, redo
from store import database
from store.access.digests import NoIndexKey, WrongIndexKey
from store.applicants import erased
from store.cli.ledger import accept_ledger
from store.database.columns import Base
from store.database.operations_tables import Worker
from store.database.privacy_tables import Erasure, Fence, PrivacyState
from store.privacy import holds
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, DataSubject, Stage
from store.privacy.restoring import gate, index_key, ledger
from store.system import clock
from store.system.environment import Misconfigured
from store.text.states import ApplicantKey
from tests import conftest
from tests.support.outages import disks
from tests.support.privacy.erasing import GONE, OTHER, USER, about, approved, differences, erase_now, handle_all, keep, shown
from tests.support.privacy.personal_data import OFFICER, do, of, of_user
from tests.support.telling import idngo

pytestmark = pytest.mark.usefixtures("both")


@contextmanager
def backup_of_now() -> Iterator[None]:
    """What is done inside is undone in the database, as a restored backup of the beginning would; the ledger stays."""
    tables = Base.metadata.sorted_tables
    with database.reading() as connection:
        copies = {table: [row._asdict() for row in connection.execute(select(table))] for table in tables}
    yield
    with database.begin() as connection:
        for table in reversed(tables):
            connection.execute(table.delete())
        for table in tables:
            if copies[table]:
                connection.execute(table.insert(), copies[table])
    conftest.forget()


def state() -> gate.Gate:
    with database.reading() as connection:
        return gate.look(connection)


@pytest.mark.parametrize("subject", [of(GONE), of_user(USER)], ids=["applicant", "user"])
def test_an_erasure_that_a_restored_database_lacks_is_done_again(subject: DataSubject) -> None:
    with backup_of_now():
        before, erasure_id = shown(OTHER), erase_now(subject)
    assert shown(GONE) is not None
    assert state().lacking == 1
    with pytest.raises(gate.Closed):
        process.handle_some("a worker")
    assert redo.redo_all() == 1
    assert (shown(GONE), shown(OTHER), state()) == (None, before, gate.Gate())
    with database.reading() as connection:
        row = connection.execute(select(Erasure.__table__)).one()
        gone = erased.find(connection, GONE)
    assert (row.id, row.cause, row.status, row.external_user_id) == (erasure_id, Cause.LEDGER, Stage.DONE, None)
    assert gone is not None
    assert [line.erasure_id for line in ledger.lines()] == [erasure_id]
    keep(about(GONE, idngo(answer="RED", reject="FINAL")))
    gate.forget()
    handle_all()
    assert shown(GONE) is None
    assert differences() == []


def test_a_backup_with_an_approved_erasure_in_it_is_erased_again_too() -> None:
    made = approved(of(GONE))
    with backup_of_now():
        assert erase.carry_out(made)
    assert state().lacking == 1
    assert redo.redo_all() == 1
    assert (shown(GONE), state()) == (None, gate.Gate())


def test_an_erasure_that_is_under_way_blocks_nobody_who_was_up_before() -> None:
    made = approved(of(GONE))
    begun = database.write(lambda connection: erasures.begin(connection, made))
    assert begun is not None
    ledger.append([begun], known=0)
    with database.reading() as connection:
        assert not gate.look(connection, is_running=True).is_closed
        assert gate.look(connection).lacking == 1
    assert redo.redo_all() == 1
    with database.reading() as connection:
        assert connection.execute(select(Erasure.cause)).scalar_one() == Cause.REQUEST
    assert state() == gate.Gate()


@pytest.mark.parametrize("damage", ["missing", "shorter", "broken"])
def test_a_ledger_that_is_lost_blocks_until_it_is_accepted(damage: str) -> None:
    erase_now(of(GONE))
    erase_now(of(ApplicantKey("ifcgate", "live", "somebody-unknown")))
    first, second = ledger.path().read_bytes().splitlines(keepends=True)
    if damage == "missing":
        ledger.path().unlink()
    else:
        ledger.path().write_bytes({"shorter": first, "broken": first + b"{}\n" + second}[damage])
    assert damage.replace("shorter", "has 1 lines, and the database knows of 2") in (state().fault or "")
    gate.forget()
    with pytest.raises(gate.Closed):
        gate.require_open()
    made = approved(of(OTHER))
    with pytest.raises(ledger.Unusable):
        erase.carry_out(made)
    assert shown(OTHER) is not None
    done = CliRunner().invoke(accept_ledger, ["--yes", "--reason", "the disk is lost"])
    assert done.exit_code == 0, done.output
    assert len(ledger.lines()) == 2
    assert state() == gate.Gate()
    assert erase.carry_out(made)
    assert len(ledger.lines()) == 3
    with database.reading() as connection:
        acts = connection.execute(text("SELECT action, reason FROM acts WHERE action = 'accept-ledger'")).all()
    assert [tuple(act) for act in acts] == [("accept-ledger", "the disk is lost")]
    assert CliRunner().invoke(accept_ledger, ["--yes", "--reason", "again"]).exit_code == 1


def test_while_the_ledger_has_no_room_a_hold_can_be_placed_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with disks.small_disk(tmp_path / "disk", megabytes=1) as disk:
        monkeypatch.setenv("ERASURE_LEDGER", str(disk / "ledger"))
        conftest.forget()
        made = [approved(of_user(USER)), approved(of(OTHER))]
        disks.fill(disk)
        with pytest.raises(ledger.Unusable):
            erase.attempt(made)
        for subject in (of(GONE), of(OTHER)):
            review_at = clock.now() + timedelta(days=9)
            do(holds.place, subject, by=OFFICER, reason="a court asks", review_at=review_at)
        disks.free(disk)
        assert erase.attempt(made) == (0, 0)
        assert None not in (shown(GONE), shown(OTHER))
        assert ledger.lines() == []


def test_a_line_that_was_cut_is_no_line_and_the_next_one_is_whole() -> None:
    erase_now(of(GONE))
    with ledger.path().open("ab") as file:
        file.write(b'{"number": 2, "erasu')
    assert state() == gate.Gate()
    erase_now(of(OTHER))
    assert [line.number for line in ledger.lines()] == [1, 2]


def test_another_index_key_starts_nothing_and_handles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    erase_now(of(GONE))
    keep(about(GONE, idngo(answer="RED", reject="FINAL")))
    monkeypatch.setenv("INDEX_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    conftest.forget()
    with pytest.raises(Misconfigured, match="INDEX_KEY is not the key"):
        index_key.look()
    with database.reading() as connection, pytest.raises(WrongIndexKey):
        erased.among(connection, [GONE])
    with pytest.raises(gate.Closed):
        handle_all()
    monkeypatch.delenv("INDEX_KEY")
    conftest.forget()
    with pytest.raises(Misconfigured, match="INDEX_KEY is missing"):
        index_key.look()
    with database.reading() as connection, pytest.raises(NoIndexKey):
        erased.among(connection, [GONE])


def test_a_ledger_that_was_written_with_another_index_key_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    with backup_of_now():
        erase_now(of(GONE))
    monkeypatch.setenv("INDEX_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    conftest.forget()
    assert "INDEX_KEY is not the key that the ledger" in (state().fault or "")
    assert redo.redo_all() == 0
    assert shown(GONE) is not None


def test_two_processes_that_try_the_same_erasure_erase_it_once() -> None:
    made = approved(of(GONE))
    first, second = (database.write(lambda connection: erasures.begin(connection, made)) for _ in range(2))
    assert first == second
    assert erase.carry_out(made)
    assert second is not None
    assert ledger.append([second], known=0) == {made: 1}
    database.write(lambda connection: erasures.close(connection, [second]))
    database.write(lambda connection: erasures.finish(connection, [second], ledger_lines=[1]))
    with database.reading() as connection:
        row = connection.execute(select(Erasure.__table__)).one()
        assert (row.status, row.applicants, row.events) == (Stage.DONE, 1, 1)
        assert connection.execute(select(PrivacyState.ledger_lines)).scalar_one() == 1
        assert len(connection.execute(select(Fence.digest)).all()) == 1
    assert differences() == []


def test_an_erasure_that_has_fenced_its_applicants_closes_nothing_and_one_that_fails_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [approved(of(key)) for key in (GONE, OTHER)]

    def fails(_: object) -> object:
        raise ValueError("whatever it is")

    with monkeypatch.context() as broken:
        broken.setattr(erase, "_erase_named", fails)
        for erasure_id in made:
            with pytest.raises(ValueError, match="whatever"):
                erase.carry_out(erasure_id)
    assert not state().is_closed
    assert redo.redo_all() == 0
    assert all(erase.carry_out(erasure_id) for erasure_id in made)


def test_hosts_that_share_no_ledger_erase_nothing() -> None:
    made = approved(of(GONE))
    worker = insert(Worker).values(name="another-host:1", seen_at=clock.now())
    database.write(lambda connection: connection.execute(worker))
    with pytest.raises(ledger.Unusable, match="another-host"):
        erase.carry_out(made)
    assert shown(GONE) is not None
