"""Requests: another person decides, within a month, and never against a hold or a rule of RETENTION."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, update

from handlers.privacy import erase
from store import database
from store.applicants import erased
from store.applicants import table as applicants
from store.database.privacy_tables import Erasure
from store.privacy import certificate, holds, requests
from store.privacy.erasing import erasures
from store.privacy.errors import NotPossible, SamePerson, UnknownToUs
from store.privacy.keeping import relationships
from store.system import clock
from store.text.states import Status
from tests.support.privacy.personal_data import ACCOUNT, OFFICER, OPERATOR, OTHER, actions, do, known, of, of_user, see, set_rules, work_off

pytestmark = pytest.mark.usefixtures("kept")

LONG_AGO = datetime(2020, 2, 29, 12, tzinfo=UTC)
NOBODY = "01a22acc-7b06-7d61-9393-068b7403243c"


def asked(subject: Any, *, by: Any = OPERATOR, received_at: datetime | None = None) -> dict[str, Any]:
    made, is_new = do(requests.request, subject, by=by, reason="they wrote to us", received_at=received_at or clock.now())
    assert is_new
    return made


def status(erasure_id: str) -> str:
    return str(see(requests.find, erasure_id).status)


def test_an_open_request_for_the_same_is_returned_instead_of_a_second_one() -> None:
    first = asked(of_user("user-1"))
    again = do(requests.request, of_user("user-1"), by=OFFICER, reason="they wrote again", received_at=clock.now())
    other = asked(of_user("user-2"))
    assert again == (first, False)
    assert other["id"] != first["id"]
    assert [row.id for row in see(requests.listing, environment="live", after=None, limit=9)] == [first["id"], other["id"]]
    assert see(requests.listing, environment="sandbox", after=None, limit=9) == []


def test_two_who_ask_for_the_same_at_once_have_one_request() -> None:
    """Both look for an open one before either has written its own."""
    both = Barrier(2)

    def ask(connection: Connection) -> str:
        both.wait(timeout=60)
        made, _ = requests.request(connection, of_user("user-1"), by=OPERATOR, reason="x", received_at=clock.now())
        return str(made["id"])

    if database.is_sqlite():
        pytest.skip("one transaction writes at a time")
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(database.write, ask), threads.submit(database.write, ask)
        assert first.result() == second.result()


@pytest.mark.parametrize(
    ("received", "deadline"),
    [("2026-01-31", "2026-02-28"), ("2024-01-31", "2024-02-29"), ("2026-03-31", "2026-04-30"), ("2025-12-15", "2026-01-15")],
)
def test_the_deadline_is_one_month_after_a_request_was_received(received: str, deadline: str) -> None:
    made = asked(of_user("user-1"), received_at=clock.parse_date(received))
    assert made["deadline"] == f"{deadline}T00:00:00Z"


def test_a_request_cannot_be_received_in_the_future() -> None:
    with pytest.raises(NotPossible):
        asked(of_user("user-1"), received_at=clock.now() + timedelta(days=3))


def test_who_asked_cannot_decide_whatever_the_case_of_the_name() -> None:
    made = asked(of_user("user-1"), by=OTHER)
    for decide, given in ((requests.approve, {}), (requests.refuse, {"basis": "law", "until": clock.now() + timedelta(days=9)})):
        with pytest.raises(SamePerson):
            do(decide, made["id"], by=OTHER._replace(name="DEPUTY"), reason="x", **given)
    assert status(made["id"]) == "requested"


def test_an_account_of_the_system_cannot_be_the_second_person() -> None:
    made = asked(of_user("user-1"))
    with pytest.raises(NotPossible, match="token"):
        do(requests.approve, made["id"], by=ACCOUNT, reason="x")


def test_an_approved_request_is_carried_out_and_recorded() -> None:
    key = known("reference-1", user="user-1", last_event=LONG_AGO)
    made = asked(of_user("user-1"))
    approved = do(requests.approve, made["id"], by=OFFICER, reason="nothing keeps it")
    assert (approved["status"], approved["decided_by"]) == ("approved", "officer")
    assert erase.carry_out(made["id"])
    told = requests.describe(see(requests.find, made["id"]))
    assert (told["status"], told["external_user_id"], told["reason"], told["applicants"], told["events"]) == ("done", None, None, 1, 1)
    assert see(applicants.find, key) is None
    assert {"request an erasure", "approve an erasure"} <= set(actions())


def test_a_decided_request_cannot_be_decided_again() -> None:
    made = asked(of_user("user-1"))
    do(requests.approve, made["id"], by=OFFICER, reason="x")
    for by in (OFFICER, OTHER):
        with pytest.raises(NotPossible):
            do(requests.approve, made["id"], by=by, reason="x")
        with pytest.raises(NotPossible):
            do(requests.refuse, made["id"], by=by, reason="x", basis="law", until=clock.now() + timedelta(days=9))
    with pytest.raises(UnknownToUs):
        do(requests.approve, NOBODY, by=OFFICER, reason="x")


def test_before_its_time_is_over_it_takes_an_early_approval_with_a_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y")
    key = known("reference-1", user="user-1", last_event=clock.now(), approved=True)
    made = asked(of(key))
    with pytest.raises(NotPossible, match="kept until"):
        do(requests.approve, made["id"], by=OFFICER, reason="x")
    for basis in (None, " "):
        with pytest.raises(NotPossible, match="basis"):
            do(requests.approve, made["id"], by=OFFICER, reason="x", early=True, basis=basis)
    do(requests.approve, made["id"], by=OFFICER, reason="x", early=True, basis="it was somebody else's document")
    assert erase.carry_out(made["id"])


def test_a_relationship_that_goes_on_keeps_an_approved_applicant(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y")
    key = known("reference-1", user="user-1", last_event=LONG_AGO, approved=True)
    do(relationships.end, "live", "user-1", ended_at=None, basis="the account is open", by=OFFICER)
    made = asked(of(key))
    with pytest.raises(NotPossible, match="goes on"):
        do(requests.approve, made["id"], by=OFFICER, reason="x")
    told = do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law")
    assert (told["status"], told["until"]) == ("refused", None)


def test_the_end_of_one_period_does_not_stand_for_one_that_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y,rejected:1y")
    known("reference-1", user="user-1", last_event=LONG_AGO, approved=True)
    known("reference-2", user="user-1", last_event=clock.now(), verdict=Status.REJECTED)
    do(relationships.end, "live", "user-1", ended_at=None, basis="the account is open", by=OFFICER)
    made = asked(of_user("user-1"))
    assert do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law")["until"] is None


def test_a_hold_keeps_it_before_and_after_the_approval() -> None:
    key = known("reference-1", user="user-1", last_event=LONG_AGO)
    first, second = asked(of(key)), asked(of_user("user-1"))
    do(requests.approve, first["id"], by=OFFICER, reason="x")
    hold = do(holds.place, of_user("user-1"), by=OPERATOR, reason="a court", review_at=clock.now() + timedelta(days=30))
    with pytest.raises(NotPossible, match="hold"):
        do(requests.approve, second["id"], by=OFFICER, reason="x", early=True, basis="x")
    assert not erase.carry_out(first["id"])
    do(holds.lift, hold["id"], by=OFFICER, reason="it ended")
    assert erase.carry_out(first["id"])


def test_a_refused_request_is_due_when_the_longest_period_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y,rejected:1y")
    now = clock.now().replace(microsecond=0)
    known("reference-1", user="user-1", last_event=now - timedelta(days=9), verdict=Status.REJECTED)
    key = known("reference-2", user="user-1", last_event=LONG_AGO, approved=True)
    do(relationships.end, "live", "user-1", ended_at=now - timedelta(days=1), basis="they left", by=OFFICER)
    made = asked(of_user("user-1"))
    told = do(requests.refuse, made["id"], by=OFFICER, reason="the law keeps it", basis="AMLR art. 77", restrict=True)
    assert clock.parse_rfc3339(told["until"]).year == (now - timedelta(days=1)).year + 5
    assert (told["status"], told["basis"], told["restrict"]) == ("refused", "AMLR art. 77", True)
    found = see(applicants.find, key)
    assert found
    assert found.restricted
    assert do(erasures.ahead) == []


def due(erasure_id: str) -> None:
    """Let the time of a refusal be over."""
    past = update(Erasure).where(Erasure.id == erasure_id).values(until=clock.now() - timedelta(minutes=1))
    database.write(lambda connection: connection.execute(past))


def test_what_was_refused_is_erased_when_it_is_due() -> None:
    key = known("reference-1", user="user-1", last_event=LONG_AGO)
    made = asked(of(key))
    do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law", until=clock.now() + timedelta(days=9))
    due(made["id"])
    assert do(erasures.ahead) == [made["id"]]
    assert status(made["id"]) == "due"
    assert work_off() == 1
    assert see(applicants.find, key) is None


def test_a_relationship_that_was_reopened_since_keeps_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y")
    key = known("reference-1", user="user-1", last_event=LONG_AGO, approved=True)
    made = asked(of(key))
    do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law", until=clock.now() + timedelta(days=9))
    do(relationships.end, "live", "user-1", ended_at=None, basis="they came back", by=OFFICER)
    due(made["id"])
    assert work_off() == 0
    assert status(made["id"]) == "due"
    do(relationships.end, "live", "user-1", ended_at=LONG_AGO, basis="they left", by=OFFICER)
    assert work_off() == 1


def test_a_refused_request_can_be_approved_early_and_not_otherwise() -> None:
    made = asked(of(known("reference-1", last_event=LONG_AGO)))
    do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law", until=clock.now() + timedelta(days=9))
    with pytest.raises(NotPossible):
        do(requests.approve, made["id"], by=OFFICER, reason="x")
    assert do(requests.approve, made["id"], by=OFFICER, reason="x", early=True, basis="no law after all")["status"] == "approved"


def test_a_refusal_is_for_good_or_until_a_time_that_is_not_over() -> None:
    made = asked(of(known("reference-1", last_event=LONG_AGO)))
    with pytest.raises(NotPossible):
        do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law", until=clock.now() - timedelta(days=1))
    assert do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law")["until"] is None


def test_the_time_that_a_person_gave_counts_although_a_rule_keeps_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y")
    made = asked(of(known("reference-1", last_event=clock.now(), approved=True)))
    do(requests.refuse, made["id"], by=OFFICER, reason="x", basis="law", until=clock.now() + timedelta(days=1))
    database.write(lambda connection: connection.execute(update(Erasure).values(until=clock.now())))
    assert do(erasures.ahead) == [made["id"]]
    assert do(erasures.begin, made["id"]) is not None


def carried_out(vendor: str) -> tuple[Any, str]:
    key = known("reference-1", user="user-1", last_event=LONG_AGO, vendor=vendor)
    made = asked(of(key))
    do(requests.approve, made["id"], by=OFFICER, reason="x")
    assert erase.carry_out(made["id"])
    return key, made["id"]


@pytest.mark.parametrize("vendor", ["idngo", "ifcgate"])
def test_an_erased_applicant_of_a_vendor_with_a_clock_can_begin_anew_once(vendor: str) -> None:
    key, erasure_id = carried_out(vendor)
    assert see(erased.find, key)
    do(requests.readmit, erasure_id, by=OFFICER, reason="they came back")
    assert see(erased.find, key) is None
    assert see(erased.among, [key])[key].lets_in(clock.now() + timedelta(seconds=1))
    with pytest.raises(NotPossible):
        do(requests.readmit, erasure_id, by=OFFICER, reason="again")


def test_a_reference_of_a_vendor_without_a_clock_stays_fenced() -> None:
    key, erasure_id = carried_out("idenfy")
    with pytest.raises(NotPossible):
        do(requests.readmit, erasure_id, by=OFFICER, reason="they came back")
    assert see(erased.find, key)
    undone = asked(of_user("user-2"))
    with pytest.raises(NotPossible):
        do(requests.readmit, undone["id"], by=OFFICER, reason="x")


def test_a_certificate_says_what_was_erased_and_what_is_not_covered_and_names_nobody() -> None:
    undone = asked(of_user("user-2"))
    with pytest.raises(NotPossible):
        see(certificate.certificate, undone["id"])
    key, erasure_id = carried_out("idngo")
    found = see(certificate.certificate, erasure_id)
    assert (found["applicants"], found["events"], found["decided_by"]) == (1, 1, "officer")
    assert found["backups"]["bodies_unreadable_by"] == "pending"
    done = clock.parse_rfc3339(found["erased_at"])
    assert abs(clock.parse_rfc3339(found["backups"]["delete_backups_by"]) - done - timedelta(days=35)) < timedelta(seconds=1)
    assert found["downstream"]["notices"] == 1
    assert key.reference not in repr(found)
    assert "user-1" not in repr(found)
