"""The list of decisions, of which many may be about restricted applicants."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, update

from store import database
from store.applicants import decision_list
from store.database.tables import EventRow
from store.inbox import internal_events
from store.inbox.internal_events import DecisionBody, Ruling
from store.system import clock
from store.text.states import ApplicantKey
from tests.support.privacy.personal_data import known, restricted, see


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("newest_first", [False, True])
def test_thousands_of_decisions_about_a_restricted_applicant_do_not_keep_the_others_from_the_list(newest_first: bool) -> None:
    hidden, other = restricted("hidden"), known("other", last_event=clock.now())
    decide(other, 1)
    decide(hidden, 2010)
    decide(other, 1)
    found = see(decision_list.listing, environment="live", newest_first=newest_first, limit=2)
    assert [one.body.reference for one in found] == ["other"] * 2


def decide(key: ApplicantKey, count: int) -> None:
    """Keep decisions about an applicant, as if they were handled."""

    def keep(connection: Connection) -> None:
        given = {"reference": key.reference, "ruling": Ruling.REJECT, "by": "day"}
        bodies = [DecisionBody(**given, reason=f"{number}", at=clock.now()) for number in range(count)]
        kept = internal_events.keep(connection, [internal_events.decided(key, body) for body in bodies])
        connection.execute(update(EventRow).where(EventRow.id.in_(kept)).values(event_type=internal_events.DECISION_TYPE))

    database.write(keep)
