"""Erasing an applicant, on real databases: nothing is left that names it, and everybody else is as before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from handlers.privacy import erase
from handlers.replay import rebuild
from store import config, database
from store.access import audit
from store.applicants import erased, feed, history
from store.applicants import table as applicants
from store.database.operations_tables import Act
from store.database.privacy_tables import Erasure
from store.database.tables import EventRow, MentionRow, TransitionRow
from store.inbox import events, settling
from store.privacy.erasing import act_erasure, erasures, event_erasure, trace_erasure
from store.privacy.erasing.erasures import Stage
from store.privacy.restoring import gate, ledger
from store.system import clock
from store.text.states import ApplicantKey, Outcome
from tests.support import payloads, telling
from tests.support.payloads import after
from tests.support.privacy.erasing import (
    GONE,
    MARK,
    OTHER,
    USER,
    about,
    approved,
    differences,
    erase_now,
    handle_all,
    keep,
    shown,
    whole_database,
)
from tests.support.privacy.personal_data import of, of_user
from tests.support.telling import Delivery, idenfy, idngo, verdict

pytestmark = pytest.mark.usefixtures("kept")


def scans(status: str, *references: str, at: str = "1") -> Delivery:
    return idenfy("AML_MONITORING", payloads.idenfy_monitoring(list(references), status, monitoring="m-1") | {"at": at})


def test_nothing_is_left_of_an_applicant_and_the_other_is_as_before() -> None:
    for key in (GONE, OTHER):
        keep(about(key, idngo(answer="GREEN")))
        keep(about(key, idngo(answer="RED", at=after(days=7), reject="FINAL", labels=["BLACKLIST"])))
    handle_all()
    before = shown(OTHER)
    erasure_id = erase_now(of(GONE))
    assert (shown(GONE), shown(OTHER)) == (None, before)
    with database.reading() as connection:
        gone = erased.find(connection, GONE)
        entries = [feed.describe_entry(row, "e") for row in feed.after(connection, 0, environment="live", limit=50)]
    assert gone is not None
    assert gone.erasure_id == erasure_id
    assert [entry["type"] for entry in entries].count("erased") == 2
    assert [entry["reference"] for entry in entries if entry["type"] == "applicant.erased"] == [MARK]
    assert differences() == []


def test_once_the_notice_is_emptied_no_name_and_no_hash_is_left() -> None:
    bodies = [about(GONE, idngo(answer="GREEN")).body, b'{"applicantId": "' + MARK.encode() + b'", "type": {']
    for body in bodies:
        keep(telling.raw("idngo", body))
    handle_all()
    erase_now(of(GONE))
    assert (
        database.write(lambda connection: trace_erasure.empty_notices(connection, before=clock.now() + timedelta(seconds=1), limit=9)) == 1
    )
    rest = whole_database()
    for mark in (MARK, USER, *(hashlib.sha256(body).hexdigest() for body in bodies)):
        assert mark not in rest, mark
    assert json.dumps(bodies[0].decode()) not in rest
    assert "".join(chr(byte) for byte in hashlib.sha256(bodies[0]).digest()) not in rest


def test_a_body_that_names_several_keeps_what_it_said_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    config.settings.cache_clear()
    mine, other = telling.SCAN, "a-scan-of-another-person"
    for reference in (mine, other):
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(reference, "APPROVED")).encode()), subject=reference.encode())
    keep(scans("ALERT", mine, other), subject=b"m-1")
    handle_all()
    before = shown(ApplicantKey("idenfy", "live", other))
    assert before is not None
    assert before["flags"] == ["MONITORING_ALERT"]
    erase_now(of(ApplicantKey("idenfy", "live", mine)))
    assert shown(ApplicantKey("idenfy", "live", other)) == before
    assert mine not in whole_database()
    assert differences() == []
    with database.reading() as connection:
        shared = (
            connection.execute(select(EventRow.id).where(EventRow.erased_at.is_not(None), EventRow.reference.is_(None))).scalars().all()
        )
    for event_id in shared:
        with database.begin() as connection:
            settling.reopen(connection, event_id)
        handle_all()
    after_replay = shown(ApplicantKey("idenfy", "live", other))
    assert after_replay is not None
    assert after_replay["flags"] == ["MONITORING_ALERT"]
    assert differences() == []


def test_erasures_that_are_carried_out_together_each_count_the_events_of_their_own_applicants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    config.settings.cache_clear()
    first, second, other = (f"scan-of-person-{number}" for number in range(3))
    for reference in (first, second, other):
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(reference, "APPROVED")).encode()), subject=reference.encode())
    keep(scans("SUSPECTED", first, second, other))
    keep(scans("SUSPECTED", second, other, at="2"))
    keep(telling.raw("idenfy", b'{"scanRef": "' + second.encode() + b'", "status": {'))
    handle_all()
    staying = ApplicantKey("idenfy", "live", other)
    before = shown(staying)
    made = [approved(of(ApplicantKey("idenfy", "live", reference))) for reference in (first, second)]
    assert erase.attempt(made) == (2, 0)
    with database.reading() as connection:
        rows = [erasures.find(connection, erasure_id) for erasure_id in made]
        assert connection.execute(select(MentionRow.reference).distinct()).scalars().all() == [other]
    assert [(row.status, row.applicants, row.events) for row in rows if row] == [(Stage.DONE, 1, 2), (Stage.DONE, 1, 4)]
    rest = whole_database()
    assert first not in rest
    assert second not in rest
    assert shown(staying) == before
    assert differences() == []


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("together", [True, False])
def test_a_shared_event_that_could_not_be_handled_keeps_no_name(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    config.settings.cache_clear()
    first, second, other = (ApplicantKey("idenfy", "live", f"scan-of-person-{number}") for number in range(3))
    for key in (first, second, other):
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(key.reference, "APPROVED")).encode()), subject=key.reference.encode())
    handle_all()
    dead = keep(scans("SUSPECTED", first.reference, second.reference, other.reference))
    gave_up = {"status": Outcome.FAILED, "reason": "handling failed", "settled_at": clock.now()}
    database.write(lambda connection: connection.execute(update(EventRow).where(EventRow.id == dead).values(**gave_up)))
    made = [approved(of(key)) for key in (first, second)]
    for some in [made] if together else [[one] for one in made]:
        assert erase.attempt(some) == (len(some), 0)
    rest = whole_database() + repr(database.read(lambda connection: events.body(connection, dead)))
    assert [key.reference in rest for key in (first, second, other)] == [False, False, True]
    with database.reading() as connection:
        assert connection.execute(select(Erasure.events)).scalars().all() == [2, 2]


def test_two_erasures_of_the_same_applicant_count_it_once_and_close_nothing(both: None) -> None:
    made = [approved(of_user(USER)), approved(of(GONE)), approved(of(GONE._replace(reference="unknown")))]
    looks: list[gate.Gate] = []
    assert erase.attempt(made, on_events=lambda _: looks.append(database.read(gate.look))) == (3, 0)
    assert [look for look in looks if look.is_closed] == []
    with database.reading() as connection:
        counts = connection.execute(select(Erasure.applicants, Erasure.events).order_by(Erasure.id)).all()
    assert [tuple(row) for row in counts] == [(1, 1), (0, 0), (0, 0)]


def test_an_act_that_is_recorded_while_the_audit_log_is_searched_names_nobody_either(both: None) -> None:
    found, made = database.read(lambda connection: act_erasure.find(connection, [GONE], {USER})), approved(of_user(USER))
    for reason in (f"they wrote of {MARK}", "of another person"):
        database.write(lambda connection, reason=reason: audit.write(connection, actor="a", action="look", subject="x", reason=reason))
    database.write(lambda connection: act_erasure.empty_acts(connection, {GONE: made}, {USER: made}, found))
    with database.reading() as connection:
        assert connection.execute(select(Act.reason).order_by(Act.id)).scalars().all() == [None, "of another person"]


@pytest.mark.usefixtures("both")
def test_an_erasure_that_fails_keeps_none_of_its_group_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [approved(of(key)) for key in (GONE, OTHER)]
    naming = event_erasure.naming

    def fails(connection: Any, keys: Any, *, limit: int) -> Any:
        if GONE in keys:
            raise ValueError("whatever it is")
        return naming(connection, keys, limit=limit)

    with monkeypatch.context() as broken:
        broken.setattr(event_erasure, "naming", fails)
        assert erase.attempt(made) == (1, 1)
    with database.reading() as connection:
        assert [row.status for row in (erasures.find(connection, one) for one in made) if row] == [Stage.APPROVED, Stage.DONE]
    assert erase.attempt(made) == (1, 0)


def test_a_body_that_named_an_erased_one_is_one_event_when_it_comes_again() -> None:
    mine, other = telling.SCAN, "a-scan-of-another-person"
    for reference in (mine, other):
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(reference, "APPROVED")).encode()), subject=reference.encode())
    alert, clear = scans("ALERT", mine, other), scans("CLEAR", other, at="2")
    keep(alert, subject=b"m-1")
    handle_all()
    erase_now(of(ApplicantKey("idenfy", "live", mine)))
    keep(alert, subject=b"m-1")
    handle_all()
    key = ApplicantKey("idenfy", "live", other)
    found = shown(key)
    assert found is not None
    assert (found["version"], found["flags"]) == (2, ["MONITORING_ALERT"])
    assert clear.body


def test_what_comes_later_about_an_erased_one_is_erased_once_it_is_read() -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    erase_now(of(GONE))
    late = keep(about(GONE, idngo(answer="RED", at=after(days=9), reject="FINAL", labels=["BLACKLIST"])))
    handle_all()
    with database.reading() as connection:
        row = connection.execute(select(EventRow.__table__).where(EventRow.id == late)).one()
        changes = connection.execute(select(TransitionRow.number)).all()
    assert (row.status, row.reason, row.reference, row.sealed_body) == ("ignored", "the applicant was erased", None, b"")
    assert (shown(GONE), len(changes)) == (None, 2)


def test_an_event_that_names_an_erased_one_since_the_mapping_changed_brings_nobody_back() -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    erase_now(of(GONE))
    missed = keep(about(GONE, idngo(answer="GREEN", at=after(days=9))))
    with database.begin() as connection:
        ignored = {"status": Outcome.IGNORED, "reason": "an older mapping read no name", "settled_at": clock.now()}
        connection.execute(update(EventRow).where(EventRow.id == missed).values(**ignored))
    assert differences() == []
    rebuild.repair([GONE], on_applicants=lambda _: None)
    with database.reading() as connection:
        assert applicants.among(connection, [GONE]) == {}
        assert connection.execute(select(MentionRow.reference)).all() == []


def test_the_ledger_names_nobody_and_has_a_line_for_each_erasure() -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    erasure_id = erase_now(of_user(USER))
    assert shown(GONE) is None
    [line] = ledger.lines()
    assert (line.number, line.erasure_id, len(line.applicants)) == (1, erasure_id, 1)
    assert line.user is not None
    with database.reading() as connection:
        assert history.of(connection, GONE, limit=5) == []
        assert feed.after(connection, 0, environment="live", limit=5)[-1].to_status == feed.ERASED
