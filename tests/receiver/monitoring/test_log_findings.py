"""What `standing status`, `standing doctor` and `/metrics` say about the log, on real databases, with the real sequencer."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from receiver.monitoring import health as readiness
from receiver.monitoring import metrics
from receiver.monitoring.findings import proof
from receiver.monitoring.findings.sentence import Finding
from store import database
from store.config import Settings, settings
from store.database.log_tables import Checkpoint, Epoch, Leaf, LogState, Tile, Unlogged
from store.database.operations_tables import WebProcess, Worker
from store.database.privacy_tables import Hold
from store.database.tables import EventRow
from store.operations import health as service_health
from store.proof import checkpoints, publications, queue
from store.proof.kinds import LeafKind
from store.proof.shown import health
from store.system import clock
from store.system.environment import Environment
from tests.support.proof.log import OTHER_KEY, configure, happen, log_all, log_and_sign, signing

pytestmark = pytest.mark.usefixtures("signing")

__all__ = ["signing"]

EVERY = timedelta(minutes=10)


def said() -> list[str]:
    """What needs a look, and what is wrong."""
    return [f"{one.verdict} {one}" for one in database.read(lambda connection: list(proof.log(connection))) if one.verdict != "ok"]


def told() -> dict[str, float]:
    """The metrics of the log."""
    return {sample.name: sample.value for family in metrics._log() for sample in family.samples}


def change(table: Any, *which: Any, **values: Any) -> None:
    with database.begin() as connection:
        connection.execute(update(table).where(*which).values(**values))


def ago(**period: float) -> datetime:
    return clock.now() - timedelta(**period)


def test_a_log_that_follows_says_how_far_it_is() -> None:
    happen()
    log_and_sign()
    (line,) = database.read(lambda connection: list(proof.log(connection)))
    assert str(line) == "log: 3 leaves, 3 of them signed"
    assert {name: told()[f"standing_log_{name}"] for name in ("leaves", "signed_leaves", "stopped", "faults")} == {
        "leaves": 3, "signed_leaves": 3, "stopped": 0, "faults": 0,
    }  # fmt: skip
    assert told()["standing_log_unlogged_age_seconds"] == told()["standing_log_unsigned_age_seconds"] == 0


def test_without_a_key_nothing_is_said_but_by_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, LOG_SIGNING_KEY="")
    happen()
    log_and_sign()
    change(Leaf, at=ago(hours=3))
    assert said() == []
    assert told()["standing_log_unsigned_age_seconds"] == 0
    assert "LOG_SIGNING_KEY: missing: rows get their leaves, and nothing is signed" in examined()


@pytest.mark.parametrize("logged", [False, True])
def test_a_row_without_a_leaf_for_a_minute_is_told(logged: bool) -> None:
    if logged:
        happen()
        log_and_sign()
        change(Leaf, at=ago(minutes=5))
        change(LogState, verified_at=clock.now())
        with database.begin() as connection:
            connection.execute(update(Checkpoint).values(at=ago(minutes=5)))
    happen()
    assert "without a leaf" not in str(said())
    change(EventRow, EventRow.status != "pending", received_at=ago(seconds=59))
    assert "without a leaf" not in str(said())
    change(EventRow, received_at=ago(minutes=3))
    assert "look log: 2 rows without a leaf, the oldest for 3 minutes" in said()
    assert told()["standing_log_unlogged_age_seconds"] == pytest.approx(180, abs=5)
    log_all()
    assert "without a leaf" not in str(said())


def test_what_waited_in_the_spool_did_not_wait_for_its_leaf() -> None:
    happen()
    log_and_sign()
    happen()
    change(EventRow, received_at=ago(hours=9))
    assert said() == []


def test_what_was_kept_before_the_log_began_waits_since_then() -> None:
    happen(3)
    log_all()
    with database.begin() as connection:
        last = connection.execute(Leaf.__table__.select().order_by(Leaf.number.desc()).limit(1)).one()
        connection.execute(delete(Leaf).where(Leaf.number >= last.number - 2))  # The changes of the three.
    change(Leaf, at=ago(seconds=30))
    change(EventRow, received_at=ago(days=900))
    assert "without a leaf" not in str(said())


def test_a_hold_that_waits_in_the_queue_is_told() -> None:
    happen()
    log_and_sign()
    change(Leaf, at=ago(minutes=5))
    change(Checkpoint, at=ago(minutes=5))
    hold_id = "7c0f7f0e-3c1b-4b7e-9a6d-0d2f6f5f6b11"
    values = {
        "id": hold_id,
        "environment": "live",
        "reason": "x",
        "placed_by": "dawn",
        "placed_at": ago(minutes=2),
        "review_at": ago(days=-9),
    }
    with database.begin() as connection:
        connection.execute(database.insert(Hold).values(**values))
        queue.add(connection, LeafKind.HOLD, hold_id)
    assert "look log: 1 row without a leaf, the oldest for 2 minutes" in said()


@pytest.mark.parametrize("what", ["an event", "an act that is gone"])
def test_an_erased_row_that_waits_in_the_queue_waits_since_it_was_erased(what: str) -> None:
    happen()
    log_and_sign()
    change(Leaf, at=ago(days=3))
    change(Checkpoint, at=ago(days=3))
    change(LogState, verified_at=clock.now())
    change(EventRow, received_at=ago(days=3), erased_at=ago(minutes=4))
    kind, row = (LeafKind.EVENT, 1) if what == "an event" else (LeafKind.ACT, 4711)
    with database.begin() as connection:
        queue.add_erased(connection, kind, [row], erasure_id=None)
    expected = ["look log: 1 row without a leaf, the oldest for 4 minutes"] if what == "an event" else []
    assert said() == expected


def test_a_sequencer_that_says_nothing_is_told() -> None:
    log_all()
    change(LogState, runner_seen_at=ago(minutes=30))
    assert said() == ["look log: no process has appended to it for 30 minutes: new rows wait for their leaves"]


def test_leaves_that_are_not_signed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    happen()
    log_and_sign()
    change(Leaf, at=ago(minutes=9))
    happen()
    log_all()
    assert said() == []
    change(Leaf, Leaf.number >= 3, at=ago(minutes=4))
    assert said() == ["look log: 2 leaves not signed, the oldest for 4 minutes"]
    assert told()["standing_log_unsigned_age_seconds"] == pytest.approx(240, abs=5)


def test_a_tree_that_does_not_extend_what_was_signed_is_wrong_until_a_new_epoch() -> None:
    happen(2)
    log_and_sign()
    with database.begin() as connection:
        connection.execute(delete(Leaf).where(Leaf.number > 2))
        connection.execute(delete(Tile))
        connection.execute(delete(Checkpoint))
    assert not checkpoints.sign()
    (line,) = said()
    assert line.startswith("wrong log: the log has 3 leaves, and 5 were signed: the database lost rows: nothing is signed until")
    assert told()["standing_log_stopped"] == 1
    with database.begin() as connection:
        checkpoints.begin_epoch(connection)
    assert "nothing is signed" not in str(said())


def test_readiness_is_degraded_by_that_and_by_nothing_else_of_the_log() -> None:
    happen()
    log_and_sign()
    with database.begin() as connection:
        connection.execute(database.insert(Worker).values(name="here:1", seen_at=clock.now()))

    def ready() -> str:
        for one in (readiness.look_told, readiness.attention_told, readiness.queue_outage):
            one._last = None
        return str(readiness._ask()["status"])

    change(LogState, faults=2, stopped_because="LOG_STATE cannot be read")
    change(EventRow, received_at=ago(hours=3))
    assert ready() == "ok"
    change(LogState, stopped_for_good=True)
    assert ready() == "degraded"


def test_a_key_of_another_epoch_is_told_and_is_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    happen()
    log_and_sign()
    happen()
    log_all()
    configure(monkeypatch, LOG_SIGNING_KEY=OTHER_KEY)
    assert not checkpoints.sign()
    assert said() == ["look log: LOG_SIGNING_KEY is not the key of this epoch: nothing is signed"]
    assert told()["standing_log_stopped"] == 0


def test_faults_and_a_verification_that_is_late_are_told() -> None:
    happen()
    log_and_sign()
    change(LogState, verified_at=ago(hours=3), verified_size=3)
    lines = database.read(lambda connection: list(proof.log(connection)))
    assert "log: what is new was compared with it 3 hours ago, without a fault" in map(str, lines)
    change(LogState, faults=2)
    assert said() == ["look log: 2 faults found when the tables were compared with it"]
    assert told()["standing_log_faults"] == 2
    change(LogState, faults=0, verified_at=ago(days=3))
    assert said() == ["look log: what is new was not compared with it for 3 days"]
    assert told()["standing_log_unverified_age_seconds"] == pytest.approx(3 * 86400, abs=5)


# publication --------------------------------------------------------------------------------------------------


def late() -> dict[str, float]:
    found = database.read(lambda connection: health.late_places(connection, health.of(connection)))
    return {one.place: one.late.total_seconds() for one in found}


def publish(place: str) -> None:
    chosen = database.read(lambda connection: publications.chosen(connection, every=EVERY))
    assert chosen is not None
    with database.begin() as connection:
        publications.mark(connection, chosen)
        publications.succeeded(connection, place, chosen)


def test_a_place_that_lacks_what_it_should_have_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, LOG_PUBLISH="/mnt/one,/mnt/other")
    happen()
    log_and_sign()
    assert late() == {"/mnt/one": pytest.approx(0, abs=5), "/mnt/other": pytest.approx(0, abs=5)}
    change(Leaf, at=ago(minutes=4))
    change(Checkpoint, at=ago(minutes=4))
    assert late() == {"/mnt/one": pytest.approx(240, abs=5), "/mnt/other": pytest.approx(240, abs=5)}
    publish("/mnt/one")
    assert late() == {"/mnt/one": 0, "/mnt/other": pytest.approx(240, abs=5)}
    assert said() == ["look checkpoints: /mnt/other should have had one 4 minutes ago: no worker publishes it"]
    with database.begin() as connection:
        chosen = publications.chosen(connection, every=EVERY)
        assert chosen is not None
        publications.failed(connection, "/mnt/other", chosen, "the folder does not exist")
    assert said() == ["look checkpoints: /mnt/other gets none: the folder does not exist"]
    assert "standing_log_publication_late_seconds" in told()


def test_what_is_new_is_due_a_while_after_the_last_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, LOG_PUBLISH="log")
    happen()
    log_and_sign()
    publish("log")
    change(Leaf, at=ago(hours=5))
    change(Checkpoint, at=ago(hours=5))
    assert late() == {"log": 0}  # Nothing is new.
    happen()
    log_and_sign()
    assert late() == {"log": pytest.approx(0, abs=5)}
    change(Leaf, Leaf.number >= 3, at=ago(hours=1))
    assert late() == {"log": pytest.approx(3600, abs=5)}
    change(Checkpoint, Checkpoint.size == 3, at=ago(minutes=3))
    assert late() == {"log": 0}  # Seven minutes are left.


def test_no_secret_of_an_address_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(b"a secret for our downstream").decode()
    configure(monkeypatch, LOG_PUBLISH="https://witness.example.com/hook?token=geheim", NOTIFY_SECRETS=f"whsec_{secret}")
    happen()
    log_and_sign()
    change(Leaf, at=ago(hours=1))
    assert "witness.example.com/hook should have had one" in str(said())
    assert "geheim" not in f"{said()} {told()} {examined()}"


# doctor -------------------------------------------------------------------------------------------------------


def _examined() -> list[Finding]:
    return [*proof.settings(Environment()), *database.read(lambda connection: list(proof.of_hosts(connection)))]


def examined() -> list[str]:
    """What the doctor says about the log's settings."""
    return [str(one) for one in _examined()]


def looks() -> list[str]:
    """What of that needs a look."""
    return [str(one) for one in _examined() if one.verdict != "ok"]


@pytest.fixture
def other_disk() -> Iterator[Path]:
    path = Path(f"/dev/shm/standing-test-{os.getpid()}-{time.monotonic_ns()}")
    path.mkdir()
    yield path
    path.rmdir()


def test_a_folder_on_another_disk_is_a_publication_and_one_on_this_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other_disk: Path
) -> None:
    if tmp_path.stat().st_dev == other_disk.stat().st_dev:
        pytest.skip("the temporary folder is in memory, too")
    (here := tmp_path / "here").mkdir()
    configure(monkeypatch, LOG_PUBLISH=f"{other_disk},{here},{tmp_path / 'missing'},log")
    assert looks() == [
        f"LOG_PUBLISH: {here} is on the disk of VAR_DIR: that is no publication",
        f"LOG_PUBLISH: {tmp_path / 'missing'} does not exist: mount its disk, or make it",
    ]
    assert f"LOG_PUBLISH: {other_disk}" in examined()
    assert "LOG_PUBLISH: log lines: they count if they leave this machine" in examined()
    configure(monkeypatch, LOG_STATE=str(other_disk / "log.state"))
    assert f"LOG_PUBLISH: {other_disk} is on the disk of LOG_STATE: that is no publication" in looks()


def test_the_disk_of_the_database_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other_disk: Path) -> None:
    made = _settings(database_url=f"sqlite:///{tmp_path / 'standing.sqlite3'}", var_dir=other_disk, state=other_disk / "log.state")
    (tmp_path / "standing.sqlite3").touch()
    if tmp_path.stat().st_dev == other_disk.stat().st_dev:
        pytest.skip("the temporary folder is in memory, too")
    assert str(proof._folder(tmp_path, made)) == f"LOG_PUBLISH: {tmp_path} is on the disk of the database: that is no publication"


def _settings(*, database_url: str, var_dir: Path, state: Path) -> Settings:
    return replace(settings(), database_url=database_url, var_dir=var_dir, log=replace(settings().log, state=state))


def test_without_a_place_nobody_else_holds_a_checkpoint() -> None:
    assert looks() == ["LOG_PUBLISH: is not set: no checkpoint leaves this installation, and nothing is proved against its owner"]


def test_where_several_hosts_run_origin_and_state_must_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, LOG_PUBLISH="log", LOG_ORIGIN="")
    assert looks() == []
    with database.begin() as connection:
        connection.execute(database.insert(Worker).values(name="another:12", seen_at=clock.now()))
    assert looks() == [
        "LOG_ORIGIN: is not set, and workers run on other hosts (another): the next epoch is named after the host that begins it",
        "LOG_STATE: is not set, and workers run on other hosts (another): set it on all to one file that each can write",
    ]
    configure(monkeypatch, LOG_ORIGIN="standing.example", LOG_STATE=str(tmp_path / "log.state"))
    assert looks() == []


def test_web_processes_on_other_hosts_sign_nothing_and_need_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, LOG_PUBLISH="log", LOG_ORIGIN="")
    with database.begin() as connection:
        connection.execute(database.insert(WebProcess).values(name="another:12", seen_at=clock.now(), spool_bytes=0))
    service_health.prove_writable("another:12")
    assert database.read(service_health.other_hosts) == ["another"]
    assert looks() == []


def test_another_origin_applies_with_the_next_epoch_and_signing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, LOG_PUBLISH="log")
    happen()
    log_and_sign()
    configure(monkeypatch, LOG_ORIGIN="other.example")
    happen()
    assert log_and_sign()
    newest = database.read(checkpoints.newest)
    assert (newest and newest.origin, said()) == ("standing.example/1", [])
    assert looks() == ["LOG_ORIGIN: this epoch is standing.example/1: other.example applies when the next one begins"]
    with database.begin() as connection:
        checkpoints.begin_epoch(connection)
        assert connection.execute(Epoch.__table__.select().order_by(Epoch.number.desc())).first().origin == "other.example/2"  # type: ignore[union-attr]


def test_a_state_file_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "no folder").touch()
    configure(monkeypatch, LOG_PUBLISH="log", LOG_STATE=str(state := tmp_path / "no folder" / "log.state"))
    assert looks() == [f"LOG_STATE: {state} cannot be written by this host: it signs nothing"]
    happen()
    assert not log_and_sign()


def test_a_folder_of_the_state_file_that_is_missing_is_made_and_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, LOG_PUBLISH="log", LOG_STATE=str(state := tmp_path / "missing" / "as well" / "log.state"))
    assert (looks(), state.parent.exists()) == ([], False)
    happen()
    assert log_and_sign()
    assert state.is_file()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everything")
def test_a_folder_that_is_read_only_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (folder := tmp_path / "read-only").mkdir()
    (folder / "log.state").touch()
    folder.chmod(0o500)
    for state in (folder / "log.state", folder / "missing" / "log.state"):
        configure(monkeypatch, LOG_PUBLISH="log", LOG_STATE=str(state))
        assert looks() == [f"LOG_STATE: {state} cannot be written by this host: it signs nothing"]


def test_an_entry_of_a_kind_without_rows_says_nothing_of_its_age() -> None:
    log_all()
    with database.begin() as connection:
        connection.execute(database.insert(Unlogged).values(kind="emptied", row=1, erased=True))
    assert said() == []
