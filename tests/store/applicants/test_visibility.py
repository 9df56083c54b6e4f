"""Lists for persons on call: what they say of restricted applicants, and how one comes to be restricted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from store import database
from store.applicants import table as applicants
from store.applicants import visibility
from store.applicants.visibility import Restricted
from store.database.operations_tables import Replay
from store.database.tables import EventRow
from store.inbox import events
from store.operations import replays, review_queue
from store.operations.replays import ReplayFilter, Stage
from store.system import clock
from store.text.states import ApplicantKey, Outcome
from tests.support.privacy.personal_data import do, event, known, restricted, see

pytestmark = pytest.mark.usefixtures("kept")


def unreadable(key: ApplicantKey) -> str:
    """The id of an applicant's event, which is unreadable from now on."""
    [row] = see(events.listing, environment="live", vendor=key.vendor, reference=key.reference, with_restricted=True, limit=9)
    ends = {"status": Outcome.UNREADABLE, "reason": "x", "reference": key.reference}
    database.write(lambda connection: connection.execute(update(EventRow).where(EventRow.id == row.id).values(**ends)).rowcount)
    return str(row.id)


def test_an_unreadable_event_waits_for_a_person_and_does_not_say_that_it_is_about_a_restricted_applicant() -> None:
    hidden, other = unreadable(restricted("hidden")), unreadable(known("other", last_event=clock.now()))
    waiting = see(review_queue.listing, environment="live", limit=9)
    assert {one.event_id: one.reference for one in waiting} == {hidden: None, other: "other"}


@pytest.mark.parametrize("status", [Outcome.PENDING, Outcome.FAILED, Outcome.UNREADABLE])
def test_the_body_of_an_event_without_mentions_is_refused_if_it_names_a_restricted_applicant(status: Outcome) -> None:
    restricted("hïdden")
    settled: dict[str, Any] = {"status": status} | ({"settled_at": None} if status == Outcome.PENDING else {})
    for name in ("hïdden".encode(), b"h\\u00efdden"):
        hidden, _ = event(at=clock.now(), body=b'{"said": "%s", ' % name, **settled)
        with pytest.raises(Restricted):
            see(visibility.find_event, hidden, is_officer=False, with_body=True)
        assert see(visibility.find_event, hidden, is_officer=False)
        assert see(visibility.find_event, hidden, is_officer=True, with_body=True)
    for given in ({"body": b"other"}, {"body": "hïdden".encode(), "environment": "sandbox"}):
        shown, _ = event(at=clock.now(), **given, **settled)
        assert see(visibility.find_event, shown, is_officer=False, with_body=True)


def test_a_forecast_counts_restricted_applicants_and_does_not_name_them() -> None:
    keys = [restricted("hidden"), known("other", last_event=clock.now()), ApplicantKey("idngo", "live", "unknown")]
    rest: dict[str, Any] = {"actor": "night", "reason": "x", "changes_max": 9, "events": 3, "stage": Stage.PROPOSED}
    made = do(replays.begin, ReplayFilter(vendor="idngo"), **rest)
    named = [key._asdict() | {"from": "approved", "to": "rejected", "reversal": "adverse"} for key in keys]
    told = update(Replay).where(Replay.id == made).values(forecast={"would_change": 3, "applicants": named})
    database.write(lambda connection: connection.execute(told).rowcount)
    row = see(replays.find, made)
    assert see(replays.describe, row)["forecast"] == {"would_change": 3, "applicants": named[1:]}


def test_an_applicant_that_is_restricted_already_is_not_changed_again() -> None:
    key = restricted("hidden")
    found = see(applicants.find, key)
    assert found is not None
    assert (found.restricted, found.version, visibility.restrict(found)) == (True, 2, (found, None))
