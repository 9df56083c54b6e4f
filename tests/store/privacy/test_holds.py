"""Holds: who places and lifts them, and whom they are on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from store import database
from store.database.privacy_tables import Erasure
from store.privacy import holds, requests
from store.privacy.errors import NotPossible, SamePerson, UnknownToUs
from store.system import clock
from store.text.states import ApplicantKey
from tests.support.privacy.personal_data import ACCOUNT, OFFICER, OPERATOR, OTHER, actions, do, known, of, of_user, see

pytestmark = pytest.mark.usefixtures("kept")

LONG_AGO = datetime(2020, 2, 29, 12, tzinfo=UTC)


def placed(subject: Any, *, by: Any = OPERATOR) -> str:
    hold: str = do(holds.place, subject, by=by, reason="a court", review_at=clock.now() + timedelta(days=30))["id"]
    return hold


def test_a_hold_is_on_an_applicant_or_on_all_of_a_user_and_on_nobody_else() -> None:
    mine, second, others, alone = (
        known("reference-1", user="user-1", last_event=LONG_AGO),
        known("reference-2", user="user-1", vendor="idenfy", last_event=LONG_AGO),
        known("reference-3", user="user-2", last_event=LONG_AGO),
        known("reference-1", vendor="ifcgate", last_event=LONG_AGO),
    )
    sandbox = known("reference-1", user="user-1", environment="sandbox", last_event=LONG_AGO)
    everybody = [mine, second, others, alone, sandbox]
    assert see(holds.held, everybody) == set()
    hold = placed(of(alone))
    assert see(holds.held, everybody) == {alone}
    placed(of_user("user-1"))
    assert see(holds.held, everybody) == {mine, second, alone}
    do(holds.lift, hold, by=OFFICER, reason="x")
    assert see(holds.held, everybody) == {mine, second}
    assert see(holds.held, []) == set()


def test_another_person_lifts_a_hold_once_with_a_token() -> None:
    hold = placed(of_user("user-1"), by=OTHER)
    with pytest.raises(SamePerson):
        do(holds.lift, hold, by=OTHER._replace(name="deputy"), reason="x")
    with pytest.raises(NotPossible):
        do(holds.lift, hold, by=ACCOUNT, reason="x")
    told = do(holds.lift, hold, by=OFFICER, reason="the court has decided")
    assert (told["lifted_by"], told["lift_reason"]) == ("officer", "the court has decided")
    with pytest.raises(NotPossible):
        do(holds.lift, hold, by=OPERATOR, reason="x")
    with pytest.raises(UnknownToUs):
        do(holds.lift, "01a22acc-7b06-7d61-9393-068b7403243c", by=OFFICER, reason="x")
    assert actions() == ["place a hold", "lift a hold"]


def test_the_list_has_holds_in_force_and_with_lifted_all() -> None:
    first, second, third = placed(of_user("user-1")), placed(of_user("user-1")), placed(of_user("user-2"))
    do(holds.lift, first, by=OFFICER, reason="x")
    assert [row.id for row in see(holds.listing, environment="live", limit=9)] == [second, third]
    assert [row.id for row in see(holds.listing, environment="live", lifted=True, after=first, limit=1)] == [second]
    assert see(holds.listing, environment="sandbox", lifted=True, limit=9) == []


def test_a_hold_comes_too_late_once_the_deletions_have_begun() -> None:
    made, _ = do(requests.request, of_user("user-1"), by=OPERATOR, reason="x", received_at=clock.now())
    placed(of_user("user-1"))
    begun = update(Erasure).where(Erasure.id == made["id"]).values(targets=[["idngo", "reference-1"]])
    database.write(lambda connection: connection.execute(begun))
    for subject in (of_user("user-1"), of(ApplicantKey("idngo", "live", "reference-1"))):
        with pytest.raises(NotPossible):
            placed(subject)
    placed(of(ApplicantKey("idngo", "live", "reference-2")))
