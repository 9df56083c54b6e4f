"""The overview of erasures: how many are late, held, ahead, in a few statements; and what is looked at to begin a run."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, update

from store import database
from store.applicants import links
from store.database.engine import engine
from store.database.privacy_tables import Erasure
from store.privacy import holds, overview
from store.privacy.acts import DataSubject
from store.privacy.erasing import erasures, waiting
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.keeping import relationships
from store.system import clock
from store.text.states import ApplicantKey
from tests.support.privacy.personal_data import OFFICER, OTHER, do, known, of, of_user, see

pytestmark = pytest.mark.usefixtures("kept")

NOW = clock.now()
LATER = {"deadline": NOW + timedelta(days=30)}


def approved(subject: DataSubject, stage: Stage = Stage.APPROVED, **values: object) -> str:
    return do(erasures.create, subject, stage=stage, cause=Cause.REQUEST, by="officer", **(LATER | {"decided_at": clock.now()} | values))


def hold(subject: DataSubject) -> str:
    return str(do(holds.place, subject, by=OFFICER, reason="a court asks", review_at=NOW)["id"])


def of_reference(reference: str, environment: str = "live") -> DataSubject:
    return of(ApplicantKey("idngo", environment, reference))


HELD = {
    "the applicant that is named": (of_reference("a"), of_reference("a")),
    "an applicant that is not known": (of_reference("unknown"), of_reference("unknown")),
    "the user of the applicant": (of_user("user-a"), of_reference("a")),
    "the user": (of_user("user-a"), of_user("user-a")),
    "a user who is not known": (of_user("unknown"), of_user("unknown")),
    "an applicant of the user": (of_reference("a"), of_user("user-a")),
    "an applicant that is linked to the user": (of_reference("linked"), of_user("user-l")),
    "the user that an applicant is linked to": (of_user("user-l"), of_reference("linked")),
}


@pytest.mark.parametrize("case", HELD)
def test_a_hold_is_seen_however_it_names_the_data_subject(case: str) -> None:
    known("a", last_event=NOW, user="user-a")
    known("linked", last_event=NOW, user="user-own")
    known("b", last_event=NOW, user="user-b")
    do(links.link_all, {ApplicantKey("idngo", "live", "linked"): "user-l"}, by="a product")
    held, erased = HELD[case]
    hold(held)
    approved(erased)
    for other in (of_reference("b"), of_user("user-b"), of_reference("a", "sandbox")):
        approved(other)
    found = see(overview.of, "live")
    assert (found.held, found.ahead) == (1, 3)
    assert see(overview.of, "sandbox").held == 0
    assert not see(an_erasure_finds_a_hold, of_user("user-b"))
    assert see(an_erasure_finds_a_hold, erased)


def an_erasure_finds_a_hold(connection: Connection, subject: DataSubject) -> bool:
    """What the erasure itself asks, before it begins."""
    return holds.on(connection, subject.environment, erasures.applicants_of(connection, subject), subject.external_user_id)


def test_a_lifted_hold_and_an_erasure_that_began_do_not_count() -> None:
    lifted = hold(of_reference("a"))
    do(holds.lift, lifted, by=OTHER, reason="it is over")
    approved(of_reference("a"))
    began = approved(of_reference("b"))
    hold(of_reference("b"))
    database.write(lambda connection: connection.execute(update(Erasure).where(Erasure.id == began).values(targets=[["idngo", "b"]])))
    approved(of_reference("c"), Stage.REQUESTED, deadline=NOW - timedelta(days=1))
    found = see(overview.of, "live")
    assert (found.held, found.ahead, found.overdue, found.at_vendor) == (0, 2, 1, 0)


def test_more_than_two_hundred_held_erasures_are_counted_in_one_statement_and_hide_no_new_one() -> None:
    for number in range(250):
        hold(of_reference(f"held-{number}"))
        approved(of_reference(f"held-{number}"))
    statements: list[str] = []
    event.listen(engine(), "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert see(overview.of, "live").held == 250
    assert len([one for one in statements if one.startswith(("SELECT", "WITH"))]) == 1, statements
    tried = see(waiting.find)
    assert see(waiting.find) == tried, "the same, so that nobody tries again at once"
    approved(of_reference("new"))
    assert see(waiting.find) != tried


def test_an_erasure_that_becomes_ahead_is_noticed_when_another_ends_at_the_same_time() -> None:
    requested = approved(of_reference("early"), Stage.REQUESTED, decided_at=None)
    done, left = approved(of_reference("done")), approved(of_reference("left"))
    tried = see(waiting.find)
    time.sleep(0.01)
    database.write(lambda connection: connection.execute(update(Erasure).where(Erasure.id == done).values(status=Stage.DONE)))
    decided = update(Erasure).where(Erasure.id == requested).values(status=Stage.APPROVED, decided_at=clock.now())
    database.write(lambda connection: connection.execute(decided))
    assert see(waiting.find).ahead[0] == tried.ahead[0] == 2, left
    assert see(waiting.find) != tried


def test_what_lets_an_erasure_go_on_is_noticed() -> None:
    one, _ = hold(of_reference("a")), hold(of_reference("b"))
    approved(of_reference("a"))
    tried = see(waiting.find)
    do(holds.lift, one, by=OTHER, reason="it is over")
    hold(of_reference("c"))
    lifted = see(waiting.find)
    assert lifted != tried
    do(relationships.end, "live", "user-1", ended_at=NOW, basis="they left", by=OFFICER)
    assert see(waiting.find) != lifted
