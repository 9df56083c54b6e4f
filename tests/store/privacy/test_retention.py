"""Retention: until when whom is kept, what is due, and what a run erases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from store import database
from store.access import audit
from store.applicants import table as applicants
from store.config.privacy_settings import Kept, Period
from store.database.operations_tables import Act
from store.database.tables import EventRow
from store.privacy import holds, requests
from store.privacy.keeping import expiry, periods, relationships, retention
from store.privacy.keeping.relationships import find as relationship
from store.privacy.keeping.retention import Ran
from store.system import clock
from store.text.states import ApplicantKey, Outcome, Status
from tests.support.privacy.personal_data import ACCOUNT, OFFICER, OPERATOR, actions, do, event, known, of, of_user, see, set_rules, work_off

pytestmark = pytest.mark.usefixtures("kept")

LONG_AGO = datetime(2020, 2, 29, 12, tzinfo=UTC)
RULES = "approved:5y,rejected:1y,other:90d,sandbox:30d"


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    set_rules(monkeypatch, RULES)


def run(**given: Any) -> Ran:
    """What all slices of a run did."""
    return retention.total(retention.run(**given))


def until(key: ApplicantKey) -> datetime | None:
    return see(lambda connection: periods.keep_until(connection, list(applicants.among(connection, [key]).values()))[key])


@pytest.mark.parametrize(
    ("begins", "period", "ends"),
    [
        ("2020-02-29", Period(years=5), "2025-03-01"),
        ("2020-02-29", Period(years=4), "2024-02-29"),
        ("2020-02-28", Period(years=5), "2025-02-28"),
        ("2023-12-31", Period(years=1), "2024-12-31"),
        ("2024-02-01", Period(days=30), "2024-03-02"),
    ],
)
def test_a_period_ends_on_the_same_day_of_a_later_year_or_after_so_many_days(begins: str, period: Period, ends: str) -> None:
    assert period.after(clock.parse_date(begins)) == clock.parse_date(ends)


def test_each_kind_of_applicant_has_its_rule() -> None:
    at = datetime(2025, 1, 10, tzinfo=UTC)
    approved = known("reference-1", last_event=at, approved=True, verdict=Status.REJECTED)
    rejected = known("reference-2", last_event=at, verdict=Status.REJECTED)
    other = known("reference-3", last_event=at, verdict=Status.RESUBMISSION_REQUESTED)
    sandbox = known("reference-4", last_event=at, approved=True, environment="sandbox")
    assert until(approved) == datetime(2030, 1, 10, tzinfo=UTC)
    assert until(rejected) == datetime(2026, 1, 10, tzinfo=UTC)
    assert until(other) == at + timedelta(days=90)
    assert until(sandbox) == at + timedelta(days=30)


def test_what_no_rule_names_is_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "approved:5y")
    key = known("reference-1", last_event=LONG_AGO, verdict=Status.REJECTED)
    assert until(key) is None
    assert see(retention.due, limit=9) == []


def test_the_period_of_an_approved_applicant_begins_when_the_relationship_ends_and_stops_when_it_is_reopened() -> None:
    approved = known("reference-1", user="user-1", last_event=LONG_AGO, approved=True)
    rejected = known("reference-2", user="user-1", last_event=LONG_AGO, verdict=Status.REJECTED)
    assert until(approved) == datetime(2025, 3, 1, 12, tzinfo=UTC)
    do(relationships.end, "live", "user-1", ended_at=datetime(2024, 2, 29, tzinfo=UTC), basis="they left", by=OFFICER)
    assert until(approved) == datetime(2029, 3, 1, tzinfo=UTC)
    do(relationships.end, "live", "user-1", ended_at=None, basis="they came back", by=OFFICER)
    assert until(approved) is None
    assert until(rejected) == datetime(2021, 3, 1, 12, tzinfo=UTC)
    told = do(relationships.end, "live", "user-1", ended_at=datetime(2025, 1, 1, tzinfo=UTC), basis="they left again", by=OFFICER)
    assert until(approved) == datetime(2030, 1, 1, tzinfo=UTC)
    assert (told["ended_at"], told["said_by"]) == ("2025-01-01T00:00:00Z", "officer")
    assert actions() == ["end a relationship", "reopen a relationship", "end a relationship"]


def test_a_relationship_counts_in_its_own_environment_alone() -> None:
    approved = known("reference-1", user="user-1", last_event=LONG_AGO, approved=True)
    do(relationships.end, "sandbox", "user-1", ended_at=None, basis="x", by=OFFICER)
    assert until(approved) == datetime(2025, 3, 1, 12, tzinfo=UTC)


def test_the_preview_counts_by_rule_and_leaves_out_holds_and_open_erasures() -> None:
    known("reference-1", last_event=LONG_AGO, approved=True)
    known("reference-2", last_event=LONG_AGO + timedelta(days=1), verdict=Status.REJECTED)
    held = known("reference-3", last_event=LONG_AGO, verdict=Status.REJECTED)
    requested = known("reference-4", last_event=LONG_AGO, verdict=Status.REJECTED)
    known("reference-5", user="user-5", last_event=LONG_AGO, verdict=Status.REJECTED)
    known("reference-6", last_event=clock.now(), verdict=Status.REJECTED)
    do(holds.place, of(held), by=OFFICER, reason="x", review_at=clock.now())
    do(requests.request, of(requested), by=OPERATOR, reason="x", received_at=clock.now())
    do(requests.request, of_user("user-5"), by=OPERATOR, reason="x", received_at=clock.now())
    shown = see(retention.preview)
    assert [[one["reference"] for one in row.pop("applicants")] for row in shown] == [["reference-1"], ["reference-2"], [], []]
    assert shown == [
        {"rule": "approved", "period": "5y", "due": 1, "oldest": "2025-03-01T12:00:00Z"},
        {"rule": "rejected", "period": "1y", "due": 1, "oldest": "2021-03-01T12:00:00Z"},
        {"rule": "other", "period": "90d", "due": 0, "oldest": None},
        {"rule": "sandbox", "period": "30d", "due": 0, "oldest": None},
    ]


def test_a_preview_names_the_first_of_those_who_are_due_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "NAMED", 2)
    for number in range(3):
        known(f"reference-{number}", last_event=LONG_AGO, approved=True, user=f"user-{number}")
    [approved, *_] = see(retention.preview)
    vendor = approved["applicants"][0]["vendor"]
    assert (approved["due"], approved["applicants"]) == (
        3,
        [
            {
                "vendor": vendor,
                "environment": "live",
                "reference": f"reference-{number}",
                "external_user_id": f"user-{number}",
                "since": "2025-03-01T12:00:00Z",
            }
            for number in range(2)
        ],
    )


def test_a_preview_and_a_run_of_one_environment_leave_the_other_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "other:1d,sandbox:1d,unreadable:1d,audit:1d")
    live, sandbox = known("reference-1", last_event=LONG_AGO), known("reference-2", last_event=LONG_AGO, environment="sandbox")
    for environment, body in (("live", b"{"), ("sandbox", b"{{")):
        event(at=LONG_AGO, body=body, environment=environment, status=Outcome.UNREADABLE)
    do(audit.write, actor="night", action="look up", subject="user nobody")
    database.write(lambda connection: connection.execute(update(Act).values(at=LONG_AGO)))

    def dues(environment: str | None) -> list[int]:
        return [row["due"] for row in see(retention.preview, environment=environment)]

    assert (dues("live"), dues("sandbox"), dues(None)) == ([1, 0, 1, 1], [0, 2, 0, 0], [1, 2, 1, 1])
    ran = run(by=OFFICER, reason=None, environment="sandbox")
    assert (ran.applicants, ran.events, ran.acts) == (1, 1, 0)
    assert work_off() == 1
    assert (bool(see(applicants.find, live)), see(applicants.find, sandbox)) == (True, None)
    assert (dues("live"), dues("sandbox")) == ([1, 0, 1, 1], [0, 0, 0, 0])
    [act] = [row for row in see(audit.listing, limit=9) if row.action == "run retention"]
    assert (act.subject, act.reason) == ("retention sandbox in sandbox", None)


def test_a_run_erases_no_more_than_it_may_and_the_next_one_goes_on() -> None:
    keys = [known(f"reference-{number}", last_event=LONG_AGO) for number in range(5)]
    ran = run(by=ACCOUNT, reason="the yearly run", max=3)
    assert (len(ran.erasures), ran.applicants) == (3, 3)
    again = run(by=ACCOUNT, reason="the yearly run", max=9)
    assert again.applicants == 2
    assert run(by=ACCOUNT, reason="the yearly run", max=9).applicants == 0
    assert work_off() == 5
    assert [see(applicants.find, key) for key in keys] == [None] * 5
    row = see(requests.find, ran.erasures[0])
    assert (row.cause, row.status, row.basis, row.decided_by) == ("retention", "done", "RETENTION other:90d", "root")
    assert actions() == ["run retention"] * 2


def test_when_all_of_a_user_is_due_the_traces_of_the_user_go_too() -> None:
    first, second = (known(f"reference-{number}", user="user-1", last_event=LONG_AGO) for number in range(2))
    do(relationships.end, "live", "user-1", ended_at=LONG_AGO, basis="they left", by=OFFICER)
    ran = run(by=OFFICER, reason="x", max=9)
    assert (len(ran.erasures), ran.applicants) == (1, 2)
    assert work_off() == 1
    assert [see(applicants.find, key) for key in (first, second)] == [None, None]
    assert see(relationship, "live", "user-1") is None
    assert "user-1" not in {row.subject for row in see(audit.listing, limit=9)}


def test_when_a_part_of_a_user_is_due_only_that_part_is_erased() -> None:
    old = known("reference-1", user="user-1", last_event=LONG_AGO)
    young = known("reference-2", user="user-1", last_event=clock.now())
    assert run(by=OFFICER, reason="x", max=9).applicants == 1
    assert work_off() == 1
    assert (see(applicants.find, old), bool(see(applicants.find, young))) == (None, True)


def test_a_hold_that_comes_after_a_run_keeps_the_applicant() -> None:
    key = known("reference-1", last_event=LONG_AGO)
    run(by=OFFICER, reason="x", max=9)
    do(holds.place, of(key), by=OFFICER, reason="x", review_at=clock.now())
    assert work_off() == 0
    assert see(applicants.find, key)


def test_what_was_found_before_a_hold_was_placed_is_looked_at_again() -> None:
    key = known("reference-1", last_event=LONG_AGO)
    found = see(retention.due)
    do(holds.place, of(key), by=OFFICER, reason="x", review_at=clock.now())
    assert do(retention._write, found=found, spare=9, by=OFFICER, reason="x", environment=None).erasures == []


def test_a_run_works_in_slices_and_the_next_goes_on_where_one_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "other:1d,unreadable:1d,audit:1d")
    monkeypatch.setattr(retention, "SLICE", 2)
    monkeypatch.setattr(expiry, "PAGE", 2)
    for number in range(5):
        known(f"reference-{number}", last_event=LONG_AGO)
        event(at=LONG_AGO, body=b"{" * number, status=Outcome.UNREADABLE)
        do(audit.write, actor="night", action="look up", subject="user nobody")
    database.write(lambda connection: connection.execute(update(Act).values(at=LONG_AGO)))
    everything = see(retention.due)
    assert [see(retention.due, after=one) for one in everything] == [everything[number:] for number in range(1, 16)]
    for part in retention.run(by=OFFICER, reason="x"):
        assert (part.applicants, part.events, part.acts) == (2, 0, 0)
        break
    assert see(retention.due) == everything[2:]
    parts = list(retention.run(by=OFFICER, reason="x", max=7))
    assert [(one.applicants, one.events, one.acts) for one in parts] == [(2, 0, 0), (1, 1, 0), (0, 2, 0), (0, 1, 0)]
    assert retention.total(retention.run(by=OFFICER, reason="x")).count == 6
    assert see(retention.due) == []
    assert work_off() == 5
    assert [(row.action, row.touched) for row in see(audit.listing, limit=99)] == [
        ("run retention", touched) for touched in (2, 2, 2, 2, 1, 2, 2, 2)
    ]


def test_a_user_of_several_slices_is_erased_as_one_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLICE", 1)
    for number in range(3):
        known(f"reference-{number}", user="user-1", last_event=LONG_AGO)
    known("reference-3", user="user-2", last_event=LONG_AGO)
    parts = list(retention.run(by=OFFICER, reason="x", max=3))
    assert [(len(one.erasures), one.applicants) for one in parts] == [(1, 3)]
    assert run(by=OFFICER, reason="x").applicants == 1
    assert work_off() == 2


def test_a_user_with_more_applicants_than_a_run_may_erase_is_erased_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        known(f"reference-{number}", user="user-1", last_event=LONG_AGO)
    first = run(by=OFFICER, reason="x", max=2)
    assert (len(first.erasures), first.applicants) == (2, 2)


def test_a_user_who_is_erased_by_two_runs_leaves_no_traces() -> None:
    for number in (1, 2):
        known(f"reference-{number}", user="user-1", last_event=LONG_AGO)
    do(relationships.end, "live", "user-1", ended_at=LONG_AGO, basis="they left", by=OFFICER)
    assert [run(by=OFFICER, reason="x", max=1).applicants for _ in range(2)] == [1, 1]
    assert work_off() == 2
    assert see(relationship, "live", "user-1") is None


def test_unreadable_events_are_erased_but_not_those_that_name_somebody_on_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "unreadable:90d")
    unreadable = {"status": Outcome.UNREADABLE, "reason": "not JSON"}
    gone, _ = event(at=LONG_AGO, body=b"{", **unreadable)
    named, _ = event(at=LONG_AGO, body=b'{"applicantId": "reference-1"', **unreadable)
    young, _ = event(at=clock.now(), body=b"{{", **unreadable)
    readable, _ = event(at=LONG_AGO, body=b"[]")
    known("reference-1", user="user-1", last_event=LONG_AGO)
    do(holds.place, of_user("user-1"), by=OFFICER, reason="x", review_at=clock.now())
    assert [row["due"] for row in see(retention.preview)] == [1]
    assert run(by=OFFICER, reason="x", max=9).events == 1
    with database.reading() as connection:
        erased = {row.id: row.erased_at for row in connection.execute(select(EventRow.id, EventRow.erased_at))}
        row = connection.execute(select(EventRow.__table__).where(EventRow.id == gone)).one()
    assert {one for one, at in erased.items() if at} == {gone}
    assert (row.status, row.sealed_body, row.reason) == ("ignored", b"", "the time for which it is kept is over")
    assert {named, young, readable} <= erased.keys()


@pytest.mark.parametrize("escaped", [True, False])
def test_an_unreadable_event_is_kept_however_json_writes_the_name_on_hold(monkeypatch: pytest.MonkeyPatch, escaped: bool) -> None:
    set_rules(monkeypatch, "unreadable:90d")
    name = 'Jürgen "Jü" \\ 東'
    known(name, last_event=LONG_AGO)
    do(holds.place, of(ApplicantKey("idngo", "live", name)), by=OFFICER, reason="x", review_at=clock.now())
    body = json.dumps({"applicantId": name}, ensure_ascii=escaped)[:-1].encode()
    event(at=LONG_AGO, body=body, status=Outcome.UNREADABLE)
    event(at=LONG_AGO, body=b'{"applicantId": "J', status=Outcome.UNREADABLE)
    assert run(by=OFFICER, reason="x").events == 1


def test_the_sandbox_is_erased_whole_and_nothing_of_the_live_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "sandbox:30d,unreadable:30d")
    key = known("reference-1", last_event=LONG_AGO, environment="sandbox")
    live = known("reference-1", last_event=LONG_AGO)
    event(at=LONG_AGO, body=b"{", environment="sandbox", status=Outcome.IGNORED)
    event(at=LONG_AGO, body=b"{{", environment="sandbox", status=Outcome.UNREADABLE)
    assert {row["rule"]: row["due"] for row in see(retention.preview)} == {"sandbox": 3, "unreadable": 0}
    ran = run(by=OFFICER, reason="x", max=9)
    assert (ran.applicants, ran.events) == (1, 2)
    assert work_off() == 1
    assert (see(applicants.find, key), bool(see(applicants.find, live))) == (None, True)


def test_the_audit_log_keeps_acts_about_those_who_are_kept_and_all_about_erasures_and_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "audit:1y")
    key = known("reference-1", user="user 1, of the shop", last_event=LONG_AGO)
    of_event, _ = event(at=LONG_AGO)
    kept = [audit.applicant_subject(key), audit.user_subject("user 1, of the shop"), audit.event_subject(of_event)]
    kept.append(audit.list_subject("events", {"reference": "reference-1"}))
    gone = [audit.applicant_subject(key._replace(reference="nobody")), audit.user_subject("nobody"), "key abc", f"erased {'0' * 64}"]
    for subject in kept + gone:
        do(audit.write, actor="night", action="look up", subject=subject)
    do(requests.request, of_user("nobody"), by=OFFICER, reason="x", received_at=clock.now())
    database.write(lambda connection: connection.execute(update(Act).values(at=LONG_AGO)))
    do(audit.write, actor="night", action="look up", subject="user young")
    assert run(by=OFFICER, reason="x", max=99).acts == len(gone)
    left = [row.subject for row in see(audit.listing, limit=99)]
    assert left == [*kept, "user nobody", "user young", "retention audit"]


def test_applicants_come_before_events_and_acts_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "audit:1d,unreadable:1d,other:1d")
    known("reference-1", last_event=LONG_AGO)
    event(at=LONG_AGO, body=b"{", status=Outcome.UNREADABLE)
    do(audit.write, actor="night", action="look up", subject="user nobody")
    database.write(lambda connection: connection.execute(update(Act).values(at=LONG_AGO)))
    assert [one.rule for one in see(retention.due, limit=2)] == [Kept.OTHER, Kept.AUDIT]
    ran = run(by=OFFICER, reason="x", max=2)
    assert (ran.applicants, ran.events, ran.acts) == (1, 0, 1)


def test_what_is_shown_is_json() -> None:
    known("reference-1", last_event=LONG_AGO)
    assert json.dumps(see(retention.preview))
