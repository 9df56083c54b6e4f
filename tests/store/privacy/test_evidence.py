"""Evidence packs, on real databases: what is proved, what is left out and why, and what an applicant with many events costs."""

from __future__ import annotations

import io
import json
import resource
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import select, update

from store import database
from store.access.operators import Actor
from store.applicants.visibility import Erased
from store.database.operations_tables import Act
from store.database.tables import EventRow, TransitionRow
from store.privacy.acts import DataSubject
from store.privacy.evidence import check, concerned, pack
from store.privacy.evidence.concerned import Folder
from store.privacy.evidence.pack import Order
from store.proof import checkpoints, queue
from store.proof.kinds import LeafKind
from store.system import clock
from tests.support import payloads
from tests.support.privacy.erasing import erase_now, handle_all, keep
from tests.support.proof.log import happen, log_and_sign
from tests.support.telling import WHO, idngo

pytestmark = pytest.mark.usefixtures("signing")

#: Many, as for one applicant.
MANY = 600


def subject() -> DataSubject:
    newest = select(TransitionRow.reference).order_by(TransitionRow.number.desc()).limit(1)
    reference = database.read(lambda connection: connection.execute(newest).scalar_one())
    return DataSubject(environment="live", vendor="idngo", reference=reference)


def found() -> list[Folder]:
    about = subject()
    return database.read(lambda connection: concerned.find(connection, about, is_officer=True))


def made(folders: list[Folder], *, beside: Path, with_body: bool = False) -> tuple[ZipFile, list[str]]:
    """A pack, and why rows are left out."""
    checkpoint, by = database.read(checkpoints.newest), Actor(name="officer", by_token=True, is_officer=True)
    assert checkpoint is not None
    out = io.BytesIO()
    order = Order(folders=folders, checkpoint=checkpoint, by=by, with_body=with_body, reason="a court asks")
    left_out = pack.write(out, order, beside=beside, on_parts=lambda count: None)
    return ZipFile(out), [f"{one.name}: {one.why}" for one in left_out]


def test_a_row_that_was_altered_is_left_out_and_named(tmp_path: Path) -> None:
    happen()
    assert log_and_sign()
    folders = found()
    database.write(lambda connection: connection.execute(update(TransitionRow).values(reasons=["FORGED"])))
    archive, left_out = made(folders, beside=tmp_path)
    [change] = [part.name for part in folders[0].parts if part.kind == LeafKind.CHANGE]
    assert left_out == [f"{change}: the row of leaf 1 is not as it was logged: standing log verify says more"]
    assert left_out[0] in archive.read("README.txt").decode()
    assert json.loads(archive.read("1-idngo/history.json")) == []
    assert f"1-idngo/proofs/{change}.tlog-proof" not in archive.namelist()


def test_the_file_that_the_readme_shows_is_in_the_pack(tmp_path: Path) -> None:
    happen()
    log_and_sign()
    folders = found()
    event, change = (part.name for part in folders[0].parts)
    for left_out, shown in ([], event), ([event], change), ([event, change], None):
        if left_out:
            table = EventRow if left_out[-1] == event else TransitionRow
            database.write(lambda connection, table=table: connection.execute(update(table).values(vendor="forged")))
        archive, why = made(folders, beside=tmp_path)
        assert [line.partition(":")[0] for line in why] == left_out
        example = f"1-idngo/proofs/{shown}.tlog-proof" if shown else "FILE"
        assert f"verify.py --key KEY checkpoint {example}\n" in archive.read("README.txt").decode()
        assert example in [*archive.namelist(), "FILE"]


def waiting(folder: Folder, *, size: int) -> list[LeafKind]:
    return [part.kind for part in database.read(lambda connection: concerned.without_leaf(connection, folder.parts, size=size))]


def test_a_row_whose_newest_leaf_is_not_signed_waits() -> None:
    happen()
    [folder] = found()
    assert waiting(folder, size=0) == [LeafKind.EVENT, LeafKind.CHANGE]
    log_and_sign()
    assert (waiting(folder, size=1), waiting(folder, size=2)) == ([LeafKind.CHANGE], [])
    database.write(lambda connection: queue.add_erased(connection, LeafKind.EVENT, [int(folder.parts[0].key)], erasure_id=None))
    assert waiting(folder, size=2) == [LeafKind.EVENT]
    log_and_sign()
    assert (waiting(folder, size=2), waiting(folder, size=99)) == ([LeafKind.EVENT], [])


def test_no_pack_is_made_of_an_applicant_that_is_erased_meanwhile(tmp_path: Path) -> None:
    happen()
    log_and_sign()
    folders, about = found(), subject()
    erase_now(about)
    log_and_sign()
    with pytest.raises(Erased):
        made(folders, beside=tmp_path)


def test_bodies_are_recorded_in_the_transaction_that_reads_them(tmp_path: Path) -> None:
    happen()
    log_and_sign()
    archive, left_out = made(found(), beside=tmp_path, with_body=True)
    acts = database.read(lambda connection: connection.execute(select(Act.action, Act.subject, Act.reason)).all())
    [body] = [name for name in archive.namelist() if "/events/" in name]
    event_id = body.partition("/event-")[2].removesuffix(".body")
    assert ([tuple(act) for act in acts], left_out) == ([("read a body", f"event {event_id}", "a court asks")], [])


def test_each_row_is_in_a_list_that_the_program_compares() -> None:
    listed = [kind for kinds in check.LISTS.values() for kind in kinds]
    assert sorted(listed) == sorted(set(LeafKind) - {LeafKind.STOP, LeafKind.EPOCH})


@pytest.mark.one_database
def test_an_applicant_with_many_events_takes_little_memory(tmp_path: Path) -> None:
    for number in range(MANY):
        at = f"{payloads.after(minutes=number):%Y-%m-%d %H:%M:%S}.000"
        keep(idngo(answer="GREEN" if number % 2 else "YELLOW", createdAtMs=at))
    handle_all()
    while log_and_sign():
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    archive, left_out = made(found(), beside=tmp_path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    history = json.loads(archive.read("1-idngo/history.json"))
    explained = json.loads(archive.read("1-idngo/explanation.json"))
    assert (left_out, {entry["reference"] for entry in history}, len(explained["data"])) == ([], {WHO}, MANY)
    assert len(archive.namelist()) > 2 * MANY
    assert archive.getinfo("README.txt").date_time[0] == clock.now().year
    assert grown < 100
