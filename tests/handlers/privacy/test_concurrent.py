"""Erasures beside other writers: two that carry out the same one, a question under way, an event that is never handled."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from handlers import process
from handlers.privacy import erase
from store import database
from store.applicants import links, resubmission
from store.database.tables import ApplicantRow, EventRow, MentionRow
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Stage
from store.system import clock
from store.text.states import ApplicantKey
from tests.support import telling
from tests.support.payloads import after
from tests.support.privacy.erasing import GONE, OTHER, about, approved, erase_now, handle_all, keep, shown
from tests.support.privacy.personal_data import of
from tests.support.telling import idngo

pytestmark = pytest.mark.usefixtures("kept")


def rows(model: Any, *where: Any) -> int:
    return database.read(lambda connection: connection.execute(select(func.count()).select_from(model).where(*where)).scalar_one())


def test_two_that_carry_out_the_same_erasure_leave_nothing() -> None:
    for number in range(150):
        keep(about(GONE, idngo(answer="GREEN", at=after(minutes=number))))
    handle_all()
    made = approved(of(GONE))
    both = [threading.Thread(target=erase.carry_out, args=(made,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert (rows(EventRow, EventRow.erased_at.is_(None)), rows(MentionRow)) == (0, 0)
    row = database.read(lambda connection: erasures.find(connection, made))
    assert row is not None
    assert (row.status, row.events) == (Stage.DONE, 150)


def test_what_was_asked_before_the_erasure_writes_no_row_after_it() -> None:
    keep(about(GONE, idngo(answer="RED", reject="RETRY")))
    handle_all()
    found = shown(GONE)
    assert found is not None
    erase_now(of(GONE))
    late = database.write(lambda connection: resubmission.keep(connection, GONE, [{"type": "PASSPORT"}], verdict=found["last_verdict"]))
    link = database.write(lambda connection: links.link(connection, GONE, external_user_id="user", by="linker", may_move=True))
    assert (late, link, rows(ApplicantRow, ApplicantRow.reference == GONE.reference)) == (False, False, 0)


def test_an_event_that_is_never_handled_is_erased_when_it_becomes_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    for key in (GONE, OTHER):
        keep(about(key, idngo(answer="GREEN")))
    handle_all()
    erase_now(of(GONE))
    late = [keep(about(key, idngo(answer="RED", reject="FINAL", at=after(days=1)))) for key in (GONE, OTHER)]

    def fails(_: object) -> object:
        raise ValueError("whatever it is")

    monkeypatch.setattr(process, "interpret", fails)
    for _ in range(14):
        due = update(EventRow).where(EventRow.status == "pending").values(retry_at=clock.now() - timedelta(seconds=1))
        database.write(lambda connection, due=due: connection.execute(due))
        handle_all()
    with database.reading() as connection:
        found = {row.id: row for row in connection.execute(select(EventRow.__table__).where(EventRow.id.in_(late)))}
    assert [(found[one].status, found[one].erased_at is None) for one in late] == [("ignored", False), ("failed", True)]
    assert found[late[0]].sealed_body == b""


@pytest.mark.parametrize("reference", ["ab", "user 42", "ab/12+x=", "größer", "ends with a stop."])
def test_an_unreadable_body_is_erased_whatever_its_reference_is_made_of(reference: str) -> None:
    key = ApplicantKey("idngo", "live", reference)
    keep(about(key, idngo(answer="GREEN")))
    handle_all()
    erase_now(of(key))
    unreadable = [json.dumps({"applicantId": [reference]}), json.dumps({"applicantId": [reference]}, ensure_ascii=False)]
    late = [keep(telling.raw("idngo", body.encode())) for body in unreadable]
    handle_all()
    with database.reading() as connection:
        found = connection.execute(select(EventRow.sealed_body).where(EventRow.id.in_(late))).scalars().all()
    assert set(found) == {b""}
