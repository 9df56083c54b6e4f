"""Leaves that are said to be emptied, as a cover for what was done behind the log's back. Each is named."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from handlers.privacy import erase
from store import database
from store.access import audit, digests
from store.applicants import feed
from store.database.log_tables import Leaf, Unlogged
from store.database.operations_tables import Act
from store.database.privacy_tables import BodyKey, Erasure
from store.database.tables import ApplicantRow, EventRow, MentionRow, TransitionRow
from store.privacy import requests
from store.privacy.acts import DataSubject
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.keeping import retention
from store.privacy.restoring import ledger, ledger_redo
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import Outcome
from tests.store.proof.verification import history
from tests.store.proof.verification.history import faults, found, tampering
from tests.support import telling
from tests.support.privacy import erasing, personal_data
from tests.support.proof.log import happen, log_all, log_and_sign

pytestmark = [pytest.mark.usefixtures("signing"), pytest.mark.one_database]


def write_act(action: str, *, reason: str | None = None, **values: Any) -> int:
    """Write an act, and log it; return its number."""
    database.write(lambda connection: audit.write(connection, actor="night", action=action, subject="somebody", reason=reason, **values))
    log_all()
    return int(history.newest(LeafKind.ACT))


def remove_by_rule(*acts: int) -> None:
    """What a run of RETENTION does with acts."""
    with database.begin() as connection:
        connection.execute(delete(Act).where(Act.id.in_(acts)))
        queue.add_erased(connection, LeafKind.ACT, acts, erasure_id=None)
    write_act("run retention", touched=len(acts))


def test_a_row_behind_the_emptied_leaf_of_a_row_that_is_gone_is_found() -> None:
    """Its first leaf would be one of the time that it says."""
    history.make()
    removed = write_act("look up")
    write_act("look up")  # SQLite gives the number of the last act again.
    remove_by_rule(removed)
    log_and_sign()
    assert found() == set()
    with tampering() as connection:
        at = connection.execute(select(Leaf.at).where(Leaf.kind == LeafKind.ACT, Leaf.row == removed)).scalar_one()
        values = {"at": at, "actor": "night", "action": "approve", "subject": "idngo live x"}
        added = connection.execute(insert(Act).values(**values).returning(Act.id)).scalar_one()
    log_and_sign()
    with tampering() as connection:
        connection.execute(update(Leaf).where(Leaf.kind == LeafKind.ACT, Leaf.row == removed).values(row=added))
    assert found() == {("act", str(added))}


# erasures -----------------------------------------------------------------------------------------------------


def _empty_newest_change(connection: Connection, erasure_id: str, **values: Any) -> int:
    """Make the newest change, and the event that caused it, look as an erasure leaves them; return the change's number."""
    change = connection.execute(select(TransitionRow.__table__).order_by(TransitionRow.number.desc()).limit(1)).one()
    sequence = connection.execute(select(EventRow.sequence).where(EventRow.id == change.event_id)).scalar_one()
    for model in (ApplicantRow, MentionRow):
        connection.execute(delete(model).where(model.reference == change.reference))
    _empty_event(connection, change.event_id, settled_at=clock.now())
    nothing: dict[str, Any] = dict.fromkeys(("from_status", "reversal", "as_of", "linked"))
    nothing |= {"to_status": feed.ERASED, "changed": [], "reasons": [], "applicant": {}, "erased_at": clock.now(), "reference": "00" * 32}
    mine = update(TransitionRow).where(TransitionRow.number == change.number)
    connection.execute(mine.values(**nothing | {"version": -change.number} | values))
    for kind, row in (("event", sequence), ("change", change.number)):
        connection.execute(insert(Unlogged).values(kind=kind, row=row, erased=True, erasure_id=erasure_id))
    return int(change.number)


def _empty_event(connection: Connection, event_id: str, **values: Any) -> None:
    connection.execute(delete(BodyKey).where(BodyKey.event_id == event_id))
    emptied = {"erased_at": clock.now(), "sealed_body": b"", "headers": {}, "reference": None} | values
    connection.execute(update(EventRow).where(EventRow.id == event_id).values(**emptied))


def _erasures(status: Stage) -> str:
    query = select(Erasure.id).where(Erasure.status == status).order_by(Erasure.id.desc()).limit(1)
    return str(database.read(lambda connection: connection.execute(query).scalar_one()))


@pytest.mark.parametrize("status", [Stage.REQUESTED, Stage.REFUSED])
def test_what_an_erasure_emptied_that_is_not_carried_out_is_found(status: Stage) -> None:
    history.make()
    history.request(DataSubject(environment="live", external_user_id="a third one"))
    cover = _erasures(status)
    log_and_sign()
    with tampering() as connection:
        _empty_newest_change(connection, cover)
    log_and_sign()
    [fault] = faults()
    assert (fault.kind, fault.what) == ("emptied", f"erasure {cover}, which it names, is {status}")


def test_a_change_that_a_done_erasure_is_said_to_have_emptied_later_is_found() -> None:
    """It looks like the notice of that erasure: it names no event."""
    history.make()
    done = history.erased()
    happen(1)
    log_and_sign()
    with tampering() as connection:
        change = _empty_newest_change(connection, done, event_id=None)
    log_and_sign()
    assert ("change", str(change)) in found()


def test_more_changes_than_an_erasure_has_notices_are_found() -> None:
    history.make()
    done = history.erased()
    happen(2)
    log_and_sign()
    with tampering() as connection:
        began = connection.execute(select(Erasure.done_at).where(Erasure.id == done)).scalar_one()
        for _ in range(2):
            change = _empty_newest_change(connection, done, event_id=None, at=began)
            connection.execute(update(TransitionRow).where(TransitionRow.number == change).values(number=-change))
        connection.execute(update(TransitionRow).where(TransitionRow.number < 0).values(number=-TransitionRow.number))
    log_and_sign()
    assert {(one.kind, one.what) for one in faults()} == {
        ("emptied", f"erasure {done} emptied 2 changes after it was done, and it had 1 applicants")
    }


def test_an_erasure_without_a_decision_is_found_by_what_it_emptied() -> None:
    """A row is added, and the service carries it out."""
    history.make()
    happen(1)
    log_and_sign()
    made = str(uuid.uuid4())
    with tampering() as connection:
        newest = select(ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference).order_by(ApplicantRow.first_sequence.desc())
        who = connection.execute(newest.limit(1)).one()._asdict()
        now = clock.now()
        values = {"received_at": now, "deadline": now, "requested_by": "night", "requested_at": now, "early": True, "with_vendor": False}
        values |= {"status": Stage.APPROVED, "cause": Cause.REQUEST, "reason": "x", "applicants": 0, "events": 0, "restricted": False}
        connection.execute(insert(Erasure).values(id=made, subject=DataSubject(**who).digest, **who, **values))
        connection.execute(insert(Unlogged).values(kind="erasure", row_id=made, erased=False))
    assert erase.carry_out(made)
    log_and_sign()
    assert {one.what for one in faults()} == {f"no decision on erasure {made}, which it names, was logged before it"}


@pytest.mark.parametrize("kind", [LeafKind.ERASURE, LeafKind.ERASURE_DECIDED])
@pytest.mark.parametrize("stage", [Stage.REFUSED, Stage.DONE])
def test_a_request_or_a_decision_that_is_altered_and_logged_again_is_found(kind: LeafKind, stage: Stage) -> None:
    history.make()
    history.erased()
    erasure_id = _erasures(stage)
    altered: dict[LeafKind, dict[str, Any]] = {
        LeafKind.ERASURE: {"requested_by": "x", "cause": Cause.LEDGER},
        LeafKind.ERASURE_DECIDED: {"decided_by": "x", "decided_at": clock.now()},
    }
    with tampering() as connection:
        connection.execute(update(Erasure).where(Erasure.id == erasure_id).values(**altered[kind]))
        connection.execute(insert(Unlogged).values(kind=kind, row_id=erasure_id, erased=True, erasure_id=erasure_id))
    log_and_sign()
    assert (kind.value, erasure_id) in found()


def test_what_was_refused_and_is_carried_out_after_all_is_not_reported() -> None:
    history.make()
    erasing.keep(erasing.about(erasing.GONE, telling.idngo(answer="GREEN")))
    erasing.handle_all()
    asked = history.request(history.GONE)
    history.refuse(asked)
    log_and_sign()
    given: dict[str, Any] = {"by": history.SECOND, "reason": "after all", "basis": "a court", "early": True}
    database.write(lambda connection: requests.approve(connection, asked, **given))
    log_and_sign()
    assert faults() == []
    assert erase.carry_out(asked)
    log_and_sign()
    assert faults() == []


def test_what_the_ledger_does_again_is_not_reported() -> None:
    """It is written down as the ledger's, and has its names yet."""
    history.make()
    erasing.keep(erasing.about(erasing.GONE, telling.idngo(answer="GREEN")))
    erasing.handle_all()
    asked = history.request(history.GONE)
    history.refuse(asked)
    log_and_sign()
    line = ledger.line_of(asked, "live", [digests.of_applicant(history.GONE.key)], None)
    named = database.read(lambda connection: ledger_redo.find(connection, [line]))
    database.write(lambda connection: ledger_redo.file(connection, line, named[asked]))
    log_and_sign()
    assert faults() == []
    assert erase.attempt([asked]) == (1, 0)
    log_and_sign()
    assert faults() == []


# retention ----------------------------------------------------------------------------------------------------


def test_what_is_removed_under_the_cover_of_a_run_that_erased_applicants_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    history.make()
    personal_data.set_rules(monkeypatch, "other:1d,unreadable:1d")
    long_ago = clock.now() - timedelta(days=40)
    _, removed = personal_data.event(at=long_ago, body=b"{", status=Outcome.UNREADABLE)
    log_all()
    for place in range(3):
        personal_data.known(f"reference-{place}", last_event=long_ago)
    ran = retention.total(retention.run(by=history.FIRST, reason="x"))
    assert (ran.applicants, ran.events) == (3, 1)
    log_and_sign()
    before = found()
    assert "emptied" not in {kind for kind, _ in before}
    with tampering() as connection:
        sequence, event_id = connection.execute(select(EventRow.sequence, EventRow.id).order_by(EventRow.sequence).limit(1)).one()
        _empty_event(connection, event_id)
        connection.execute(insert(Unlogged).values(kind="event", row=sequence, erased=True, erasure_id=None))
    assert sequence != removed
    log_and_sign()
    assert {kind for kind, _ in found() - before} == {"emptied"}
