"""ERASE_WITH_VENDOR: a vendor that erases an applicant has it erased here, too, unless a hold is on it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select

from store import config, database
from store.access.operators import Actor
from store.applicants import feed
from store.database.privacy_tables import Erasure
from store.privacy import holds
from store.privacy.erasing.erasures import Cause, Stage
from store.system import clock
from store.text.states import ApplicantKey
from tests.support import payloads, telling
from tests.support.payloads import after
from tests.support.privacy.erasing import GONE, about, handle_all, keep, shown
from tests.support.privacy.personal_data import of, work_off
from tests.support.telling import idngo, verdict

pytestmark = pytest.mark.usefixtures("kept")

SCAN = ApplicantKey("idenfy", "live", telling.SCAN)
PLACING, LIFTING = Actor("officer", by_token=True), Actor("deputy", by_token=True)


@pytest.fixture(autouse=True)
def with_vendor(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASE_WITH_VENDOR", "yes")
    config.settings.cache_clear()


def filed() -> list[tuple[str, str]]:
    with database.reading() as connection:
        return [(row.cause, row.status) for row in connection.execute(select(Erasure.cause, Erasure.status))]


def changes(key: ApplicantKey) -> list[Row[Any]]:
    """An applicant's changes, as the feed reads them."""
    with database.reading() as connection:
        return [row for row in feed.after(connection, 0, environment=key.environment, limit=99) if row.reference == key.reference]


def erased_by_idngo() -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    keep(about(GONE, idngo("applicantPersonalDataDeleted", at=after(days=1))))
    handle_all()


def test_a_vendor_that_erased_personal_data_has_it_erased_here() -> None:
    erased_by_idngo()
    assert filed() == [(Cause.VENDOR, Stage.APPROVED)]
    assert work_off() == 1
    assert shown(GONE) is None
    keep(about(GONE, idngo("applicantPersonalDataDeleted", at=after(days=2))))
    handle_all()
    assert filed() == [(Cause.VENDOR, Stage.DONE)]


def test_idenfys_deletion_erases_too() -> None:
    for overall in ("APPROVED", "DELETED"):
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(telling.SCAN, overall)).encode()), subject=telling.SCAN.encode())
    handle_all()
    assert filed() == [(Cause.VENDOR, Stage.APPROVED)]
    assert work_off() == 1
    assert shown(SCAN) is None


def test_a_deletion_that_keeps_the_data_or_is_older_than_other_news_erases_nothing() -> None:
    keep(about(GONE, idngo("applicantDeleted", at=after(days=1))))
    handle_all()
    keep(about(GONE, idngo(answer="GREEN", at=after(days=9))))
    keep(about(GONE, idngo("applicantPersonalDataDeleted", at=after(days=2))))
    handle_all()
    assert filed() == []


def test_a_hold_beats_the_vendor_until_it_is_lifted() -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    soon = clock.now() + timedelta(days=9)
    hold = database.write(lambda connection: holds.place(connection, of(GONE), by=PLACING, reason="a court asks", review_at=soon))
    erased_by_idngo()
    assert work_off() == 0
    found = shown(GONE)
    assert found is not None
    assert (found["status"], found["restricted"]) == ("deleted", True)
    told = [(row.version, row.to_status, row.changed == ["restricted"], row.restricted) for row in changes(GONE)]
    assert told[1:] == [(2, "deleted", False, True), (3, "deleted", True, True)]
    assert found["version"] == 3
    database.write(lambda connection: holds.lift(connection, hold["id"], by=LIFTING, reason="it is over"))
    assert work_off() == 1
    assert shown(GONE) is None


def test_without_the_setting_a_deletion_erases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERASE_WITH_VENDOR")
    config.settings.cache_clear()
    erased_by_idngo()
    assert filed() == []


def test_without_an_index_key_the_news_is_handled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INDEX_KEY")
    config.settings.cache_clear()
    erased_by_idngo()
    found = shown(GONE)
    assert found is not None
    assert found["status"] == "deleted"
    assert filed() == []
