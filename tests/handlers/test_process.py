"""The drain, on real databases: every event kept is handled once, ends in a named outcome, and spoils no other."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, make_url, select, text, update
from sqlalchemy.exc import OperationalError

from handlers import process
from handlers.worker import drain
from store import database
from store.applicants import links, mentions
from store.applicants import table as applicants
from store.database.operations_tables import Lease
from store.database.tables import ApplicantRow, EventRow, Feed, MentionRow, TransitionRow
from store.inbox import claims, events, settling, wakeup
from store.inbox import deliveries as arrivals
from store.inbox import record as inbox
from store.operations import health
from store.system import clock
from store.text.states import ApplicantKey
from tests.conftest import forget
from tests.support import payloads, telling
from tests.support.payloads import after
from tests.support.telling import MANUAL, Delivery, idngo, ifcgate, verdict

pytestmark = pytest.mark.usefixtures("kept")

#: A person's data, to be found nowhere but in a sealed body.
PRIVATE = "PERSÖN"


# arranging and looking ----------------------------------------------------------------------------------------


def keep(delivery: Delivery, *, vendor: str | None = None) -> str:
    """Keep a delivery as the receiver does; give the event's id."""
    return inbox.record(
        arrivals.Delivery(
            vendor=vendor or delivery.vendor,
            environment="live",
            headers=delivery.headers,
            body=delivery.body,
            identity=hashlib.sha256(repr(delivery.headers).encode() + delivery.body).digest(),
            subject=telling.SCAN.encode() if delivery.vendor == "idenfy" else None,
        )
    ).event_id


def of(reference: str, delivery: Delivery) -> Delivery:
    """The same delivery about another applicant of the vendor's."""
    return replace(delivery, body=delivery.body.replace(telling.REFERENCE[delivery.vendor].encode(), reference.encode()))


def handle_all() -> int:
    """Handle what is pending, as a worker does; give how many events were taken in hand."""
    holder, handled = claims.new_holder(), 0
    while count := process.handle_some(holder):
        handled += count
    return handled


def replay(event_id: str) -> dict[str, Any]:
    with database.begin() as connection:
        assert settling.reopen(connection, event_id)
    handle_all()
    return event(event_id)


def event(event_id: str) -> dict[str, Any]:
    with database.reading() as connection:
        found = events.find(connection, event_id)
    assert found is not None
    return found


def row(event_id: str) -> Any:
    """An event as its row is, with what the contract does not show."""
    with database.reading() as connection:
        return connection.execute(select(EventRow.__table__).where(EventRow.id == event_id)).one()


def applicant(vendor: str, reference: str | None = None) -> dict[str, Any]:
    with database.reading() as connection:
        found = applicants.find(connection, ApplicantKey(vendor, "live", reference or telling.REFERENCE[vendor]))
    assert found is not None
    return applicants.describe(found)


def told() -> list[Any]:
    """Every entry of the feed, in its order."""
    with database.reading() as connection:
        return list(connection.execute(select(TransitionRow.__table__).order_by(TransitionRow.number)).all())


def tamper(statement: Any) -> None:
    """Change a row behind the service's back."""
    with database.begin() as connection:
        assert connection.execute(statement).rowcount >= 1


def make_due(event_id: str) -> None:
    tamper(update(EventRow).where(EventRow.id == event_id).values(retry_at=clock.now() - timedelta(seconds=1)))


def let_the_claim_run_out(*event_ids: str) -> None:
    """What is left of a worker that was killed: claims that nobody gives back."""
    holders = select(EventRow.claimed_by).where(EventRow.id.in_(event_ids))
    tamper(update(Lease).where(Lease.holder.in_(holders)).values(until=clock.now() - timedelta(seconds=1)))


# outcomes -----------------------------------------------------------------------------------------------------


def test_every_event_kept_ends_in_an_outcome_with_a_reason_and_the_counts_add_up() -> None:
    deliveries = [
        idngo("applicantPending", at=after(hours=1)),
        idngo(answer="GREEN", at=after(hours=3)),
        idngo(answer="GREEN", at=after(hours=4)),
        idngo(answer="RED", reject="FINAL", at=after(hours=2)),
        idngo("applicantTeleported"),
        verdict(),
        ifcgate("in_review", "case.created"),
        telling.raw("ifcgate", b"not JSON"),
        telling.raw("idenfy", b"{}", headers={"Idenfy-Event-Type": MANUAL}),
    ]
    ids = [keep(delivery) for delivery in deliveries]
    assert handle_all() == len(ids)
    assert [event(event_id)["status"] for event_id in ids] == [
        "applied", "applied", "unchanged", "superseded", "ignored", "applied", "applied", "unreadable", "unreadable",
    ]  # fmt: skip
    for event_id in ids:
        settled = event(event_id)
        assert settled["reason"]
        assert PRIVATE not in settled["reason"]
        assert settled["settled_at"]
        assert settled["attempts"] == 1
    assert health.backlog().pending == 0


def test_an_event_tells_what_was_learned_of_it() -> None:
    keep(idngo("applicantPending"))
    event_id = keep(idngo(answer="RED", reject="FINAL", at=after(hours=2)))
    handle_all()
    settled = event(event_id)
    assert (settled["event_type"], settled["reference"], settled["occurred_at"]) == (
        "applicantReviewed", telling.WHO, "2026-05-04T11:30:00.250Z",
    )  # fmt: skip
    assert "rejected" in settled["reason"]


def test_what_was_handled_reads_back_as_the_rules_gave_it() -> None:
    story = [idngo(answer="GREEN"), idngo("amlCaseRejected", at=after(hours=1)), idngo(answer="RED", reject="RETRY", at=after(hours=2))]
    for delivery in story:
        keep(delivery)
    handle_all()
    expected = telling.shown(telling.stands(*story), without=telling.ON_THE_WAY)
    assert {name: value for name, value in applicant("idngo").items() if name in expected} == expected


def test_events_are_judged_one_at_a_time_also_within_a_batch() -> None:
    for hours, answer in enumerate(("GREEN", "YELLOW", "GREEN")):
        keep(idngo(answer=answer, at=after(hours=hours)))
    assert handle_all() == 3
    assert [(entry.from_status, entry.to_status, entry.version, entry.reversal) for entry in told()] == [
        (None, "approved", 1, None),
        ("approved", "needs_review", 2, "adverse"),
        ("needs_review", "approved", 3, None),
    ]


def test_events_that_come_against_the_order_of_their_times_end_where_they_would_have_in_order() -> None:
    rejection = idngo(answer="RED", reject="FINAL", labels=["PEP"], at=after(hours=2))
    for delivery in (
        rejection,
        idngo("applicantReset", at=after(minutes=90)),
        idngo(answer="GREEN", at=after(hours=1)),
        idngo("applicantPending"),
    ):
        keep(delivery)
        handle_all()
    state = applicant("idngo")
    assert (state["status"], state["hits"], state["ever_approved"], state["version"]) == ("rejected", ["pep"], True, 1)


def test_a_monitoring_alert_reaches_every_scan_that_it_names_also_one_that_nobody_knew() -> None:
    known, other, unknown = (payloads.new_scan() for _ in range(3))
    for scan in (known, other):
        keep(of(scan, verdict()))
        handle_all()
    event_id = keep(telling.idenfy("AML_MONITORING", payloads.idenfy_monitoring([known, unknown, other])))
    handle_all()
    settled = event(event_id)
    assert (settled["status"], settled["reference"]) == ("applied", None)
    for scan, version, reversal in ((known, 2, "adverse"), (other, 2, "adverse"), (unknown, 1, None)):
        state = applicant("idenfy", scan)
        assert (state["status"], state["version"], state["hits"], state["flags"]) == (
            "needs_review",
            version,
            ["aml"],
            ["MONITORING_ALERT"],
        )
        assert [entry.reversal for entry in told() if entry.reference == scan][-1] == reversal
    assert [entry.number for entry in told()] == [1, 2, 3, 4, 5]


def test_an_event_that_moves_nobody_makes_nobody_known() -> None:
    keep(idngo("applicantTagsChanged", "GREEN"))
    keep(idngo("applicantActivated", at=after(hours=1)))
    handle_all()
    with database.reading() as connection:
        assert applicants.find(connection, ApplicantKey("idngo", "live", telling.WHO)) is None
    assert told() == []


def test_a_link_before_the_first_event_says_whose_case_it_is_and_one_after_it_is_a_change() -> None:
    key = ApplicantKey("ifcgate", "live", telling.CASE)
    with database.begin() as connection:
        links.link(connection, key, external_user_id="app_1", by="linker", may_move=True)
    keep(ifcgate("approved"))
    handle_all()
    assert applicant("ifcgate")["external_user_id"] == "app_1"
    with database.begin() as connection:
        links.link(connection, key, external_user_id="app_2", by="linker", may_move=True)
    keep(ifcgate("in_review", "case.reopened", at=after(hours=1)))
    handle_all()
    assert [(entry.version, entry.changed, entry.event_id is None) for entry in told()][1] == (2, ["external_user_id"], True)
    assert (applicant("ifcgate")["external_user_id"], applicant("ifcgate")["status"]) == ("app_2", "in_review")


# poison -------------------------------------------------------------------------------------------------------


def of_an_unknown_vendor() -> str:
    return keep(idngo(answer="GREEN", at=after(hours=9)), vendor="atlantis")


def with_a_body_that_was_changed() -> str:
    event_id = keep(idngo(answer="GREEN", at=after(hours=9)))
    tamper(update(EventRow).where(EventRow.id == event_id).values(sealed_body=b"these bytes were never sealed by us"))
    return event_id


def about_an_applicant_whose_row_is_broken() -> str:
    keep(verdict())
    handle_all()
    tamper(update(ApplicantRow).where(ApplicantRow.reference == telling.SCAN).values(registers={"final": PRIVATE}))
    return keep(verdict("DENIED"))


POISONS = [of_an_unknown_vendor, with_a_body_that_was_changed, about_an_applicant_whose_row_is_broken]


@pytest.mark.parametrize("poison", POISONS)
def test_an_event_that_cannot_be_handled_spoils_no_other_and_is_tried_again_later(poison: Callable[[], str]) -> None:
    first = keep(of("a" * 24, idngo("applicantPending")))
    bad = poison()
    others = [first, *(keep(of(letter * 24, idngo(answer="GREEN"))) for letter in "abc")]
    before = clock.now()
    handle_all()
    assert [event(event_id)["status"] for event_id in others] == ["applied"] * 4
    spoiled = row(bad)
    assert (spoiled.status, spoiled.attempts, spoiled.claimed_by) == ("pending", 1, None)
    assert before + timedelta(seconds=29) < spoiled.retry_at < clock.now() + timedelta(seconds=38)
    assert handle_all() == 0


@pytest.mark.parametrize("poison", POISONS)
def test_an_event_that_fails_as_often_as_allowed_becomes_a_dead_letter_that_tells_no_data(
    poison: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ATTEMPTS_MAX": "4", "RETRY_BASE_SECONDS": "100", "RETRY_LIMIT_SECONDS": "250"}.items():
        monkeypatch.setenv(name, value)
    bad = poison()
    for attempt, pause in enumerate((100, 200, 250), start=1):
        before = clock.now()
        handle_all()
        spoiled = row(bad)
        assert (spoiled.status, spoiled.attempts) == ("pending", attempt)
        # A quarter of chance is added, so that what failed together is not tried again together.
        assert timedelta(seconds=pause) <= spoiled.retry_at - before <= timedelta(seconds=pause * 1.25 + 5)
        assert PRIVATE not in spoiled.reason
        make_due(bad)
    handle_all()
    dead = event(bad)
    assert (dead["status"], dead["attempts"]) == ("failed", 4)
    assert dead["settled_at"]
    kind, place = {
        of_an_unknown_vendor: ("KeyError", "handlers/interpret.py:"),
        with_a_body_that_was_changed: ("Unopenable", "store/inbox/sealing/encryption.py:"),
        about_an_applicant_whose_row_is_broken: ("TypeError", "handlers/rules/registers.py:"),
    }[poison]
    assert kind in dead["reason"]
    assert place in dead["reason"]
    assert not any(private in dead["reason"] for private in (PRIVATE, telling.WHO, telling.SCAN, "customer", "atlantis"))
    assert handle_all() == 0


def test_a_dead_letter_whose_cause_is_repaired_is_handled_by_a_replay() -> None:
    first = keep(verdict())
    handle_all()
    tamper(update(ApplicantRow).values(registers={"final": "broken"}))
    bad = keep(verdict("DENIED"))
    handle_all()
    assert row(bad).attempts == 1
    assert replay(first)["status"] == "applied"
    make_due(bad)
    handle_all()
    assert (event(bad)["status"], event(bad)["attempts"], applicant("idenfy")["status"]) == ("applied", 2, "rejected")


# claims -------------------------------------------------------------------------------------------------------


def test_a_worker_whose_lease_was_taken_over_writes_nothing_twice() -> None:
    """A is slow. Its claim runs out; B takes the event over and settles it. Then A comes to write."""
    event_id = keep(idngo(answer="GREEN"))
    slow = claims.claim_oldest("A", most=10)
    let_the_claim_run_out(event_id)
    assert process.handle_some("B") == 1
    settled = row(event_id)
    process.handle("A", slow)
    assert row(event_id) == settled
    assert (settled.status, settled.attempts) == ("applied", 1)
    assert [(entry.number, entry.version) for entry in told()] == [(1, 1)]


def test_a_worker_that_lost_one_of_its_events_writes_none_of_them_and_gives_the_rest_back() -> None:
    """A is slow with three events, B has taken over the second and is at work on it. Then A comes to write."""
    ids = [keep(of(letter * 24, idngo(answer="GREEN"))) for letter in "abc"]
    slow = claims.claim_oldest("A", most=10)
    tamper(update(EventRow).where(EventRow.id == ids[1]).values(claimed_by="B"))
    process.handle("A", slow)
    assert told() == []
    assert [(row(event_id).status, row(event_id).claimed_by) for event_id in ids] == [
        ("pending", None),
        ("pending", "B"),
        ("pending", None),
    ]
    process.handle("B", [slow[1]])
    handle_all()
    assert [(event(event_id)["status"], event(event_id)["attempts"]) for event_id in ids] == [("applied", 1)] * 3
    assert sorted(entry.reference for entry in told()) == [letter * 24 for letter in "abc"]


def test_a_worker_that_lost_a_failing_event_does_not_count_an_attempt_against_it() -> None:
    """A reads an event that fails, slowly; B has taken it over. A's attempt is not B's."""
    event_id = of_an_unknown_vendor()
    slow = claims.claim_oldest("A", most=10)
    tamper(update(EventRow).where(EventRow.id == event_id).values(claimed_by="B"))
    process.handle("A", slow)
    assert (row(event_id).attempts, row(event_id).claimed_by) == (0, "B")


def test_the_events_of_a_worker_that_died_are_taken_one_at_a_time_and_death_in_company_is_no_attempt() -> None:
    """A worker is killed with three events in hand, one of which may have killed it. Their claims run out."""
    ids = [keep(of(letter * 24, idngo(answer="GREEN"))) for letter in "abc"]
    claims.claim_oldest("killed", most=10)
    assert process.handle_some("B") == 0
    let_the_claim_run_out(*ids)
    for settled in (1, 2, 3):
        assert process.handle_some("B") == 1
        assert sum(event(event_id)["status"] == "applied" for event_id in ids) == settled
    assert process.handle_some("B") == 0
    assert [event(event_id)["attempts"] for event_id in ids] == [1, 1, 1]


def test_to_die_alone_with_an_event_is_an_attempt_and_to_do_so_too_often_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event kills every worker that takes it: the first in company, the rest alone."""
    monkeypatch.setenv("ATTEMPTS_MAX", "2")
    killer, innocent = keep(idngo(answer="GREEN")), keep(of("b" * 24, idngo(answer="GREEN")))
    claims.claim_oldest("first", most=10)
    let_the_claim_run_out(killer, innocent)
    found = claims.claim_suspect("second")
    assert found is not None
    assert (found.event.id, found.was_alone) == (killer, False)
    let_the_claim_run_out(killer)
    handle_all()
    assert (event(innocent)["status"], event(innocent)["attempts"]) == ("applied", 1)
    assert (row(killer).status, row(killer).attempts, row(killer).reason) == (
        "pending",
        1,
        "attempt 1 failed with the process died or hung",
    )
    assert row(killer).retry_at > clock.now() + timedelta(seconds=20)
    make_due(killer)
    assert claims.claim_oldest("third", most=10) == []
    assert claims.claim_suspect("third") is not None
    let_the_claim_run_out(killer)
    handle_all()
    assert (event(killer)["status"], event(killer)["attempts"]) == ("failed", 2)
    assert "died or hung" in event(killer)["reason"]


def test_a_lease_that_no_right_clock_can_have_given_has_run_out() -> None:
    """A host whose clock is an hour fast claims an event, and dies."""
    event_id = keep(idngo(answer="GREEN"))
    claims.claim_oldest("killed", most=10)
    tamper(update(Lease).values(until=clock.now() + timedelta(hours=1)))
    assert handle_all() == 1
    assert event(event_id)["status"] == "applied"


def test_what_a_dead_worker_held_is_taken_back_at_once_by_who_knows_of_its_death() -> None:
    ids = [keep(of(letter * 24, idngo(answer="GREEN"))) for letter in "ab"]
    claims.claim_oldest("dead", most=10)
    settling.expire_lease("dead")
    handle_all()
    assert [(event(event_id)["status"], event(event_id)["attempts"]) for event_id in ids] == [("applied", 1)] * 2


def test_failures_that_are_due_again_hold_up_no_first_try() -> None:
    failing = [keep(of(f"{number:024d}", idngo(answer="GREEN"))) for number in range(8)]
    for claimed in claims.claim_oldest("A", most=8):
        settling.postpone(claimed.sequence, holder="A", retry_at=clock.now() - timedelta(seconds=1), error="failed")
    first_tries = [keep(of(f"{number:024d}", idngo(answer="GREEN"))) for number in range(100, 103)]
    batch = [claimed.id for claimed in claims.claim_oldest("A", most=4)]
    assert set(first_tries) < set(batch)
    assert set(batch) - set(first_tries) < set(failing)


def test_an_event_that_survives_being_handled_alone_is_like_any_other() -> None:
    event_id = keep(idngo(answer="GREEN"))
    claims.claim_oldest("killed", most=10)
    let_the_claim_run_out(event_id)
    handle_all()
    assert (row(event_id).suspect, row(event_id).claimed_by, row(event_id).status) == (False, None, "applied")


def test_a_database_that_goes_away_costs_no_attempt(kept: str) -> None:
    ids = [keep(of(letter * 24, idngo(answer="GREEN"))) for letter in "abc"]
    batch = claims.claim_oldest("A", most=10)
    with _away(kept), pytest.raises(OperationalError):
        process.handle("A", batch)
    assert [(row(event_id).status, row(event_id).attempts) for event_id in ids] == [("pending", 0)] * 3
    assert told() == []
    let_the_claim_run_out(*ids)  # Nothing could be written, so nothing could be given back.
    handle_all()
    assert [(event(event_id)["status"], event(event_id)["attempts"]) for event_id in ids] == [("applied", 1)] * 3


def test_a_connection_that_breaks_is_replaced_once_and_the_batch_is_handled(kept: str) -> None:
    ids = [keep(of(letter * 24, idngo(answer="GREEN"))) for letter in "abc"]
    batch = claims.claim_oldest("A", most=10)
    if not database.is_sqlite():
        with _on_the_cluster(kept) as connection:
            connection.execute(text(TERMINATE), {"name": make_url(kept).database})
    process.handle("A", batch)
    assert [(event(event_id)["status"], event(event_id)["attempts"]) for event_id in ids] == [("applied", 1)] * 3


TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"


@contextmanager
def _on_the_cluster(url: str) -> Iterator[Connection]:
    other = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        yield connection
    other.dispose()


@contextmanager
def _away(url: str) -> Iterator[None]:
    """The database cannot be written: another holds SQLite's lock; PostgreSQL has closed our connections, and takes no others."""
    if not database.is_sqlite():
        name = make_url(url).database
        with _on_the_cluster(url) as connection:
            connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'))
            connection.execute(text(TERMINATE), {"name": name})
            try:
                yield
            finally:
                connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'))
        return
    with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


# several at once ------------------------------------------------------------------------------------------------


def test_two_workers_on_one_backlog_handle_each_event_once_and_tell_each_change_once() -> None:
    """Four hundred events of ten applicants wait. Two workers claim them in small batches, so that both always have
    events of the same applicants in hand: they wait for each other's rows, and must neither miss nor repeat anything,
    nor wait in a circle."""
    backlog = _backlog(400)
    ids = [keep(delivery) for delivery in backlog]

    def work(holder: str) -> int:
        handled = 0
        while batch := claims.claim_oldest(holder, most=13):
            process.handle(holder, batch)
            handled += len(batch)
        return handled

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(work, ["A", "B"])) == len(ids)

    with database.reading() as connection:
        ended = connection.execute(select(EventRow.status, EventRow.attempts, EventRow.reason)).all()
    assert Counter(status for status, _, _ in ended)["pending"] == 0
    assert all(attempts == 1 and reason for _, attempts, reason in ended)
    _the_feed_tells_each_version_once()
    assert {entry.event_id for entry in told()} == {event_id for event_id in ids if event(event_id)["status"] == "applied"}
    for reference, deliveries in _by_reference(backlog).items():
        expected = telling.shown(telling.stands(*deliveries), without=(*telling.ON_THE_WAY, "reference"))
        state = applicant(deliveries[0].vendor, reference)
        assert {name: state[name] for name in expected} == expected


def test_two_workers_who_meet_a_newcomer_both_see_the_other() -> None:
    """The first two events of an applicant whom nobody knows are in two hands: there is no row yet to lock."""
    for number in range(12):
        who = f"{number:024d}"
        keep(of(who, idngo(answer="GREEN")))
        keep(of(who, idngo("applicantPending", at=after(hours=1))))
    pairs = claims.claim_oldest("A", most=24)
    tamper(update(EventRow).where(EventRow.id.in_([event.id for event in pairs[1::2]])).values(claimed_by="B"))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(process.handle, ["A", "B"], [pairs[::2], pairs[1::2]]))
    for number in range(12):
        state = applicant("idngo", f"{number:024d}")
        assert (state["status"], state["ever_approved"]) == ("in_review", True)
    _the_feed_tells_each_version_once()


def test_a_worker_waits_for_another_that_has_the_same_applicant_in_hand() -> None:
    """A is about to commit a rejection, and waits for the feed, which a third holds. B comes with an older approval of
    the same applicant. It must not decide by what A is about to replace."""
    keep(idngo("applicantCreated"))
    handle_all()
    rejection, approval = keep(idngo(answer="RED", reject="FINAL", at=after(hours=2))), keep(idngo(answer="GREEN", at=after(hours=1)))
    first, second = ([claimed] for claimed in claims.claim_oldest("both", most=2))
    tamper(update(EventRow).where(EventRow.id == approval).values(claimed_by="B"))
    with ThreadPoolExecutor(2) as threads:
        with database.begin() as holder:
            holder.execute(select(Feed).with_for_update())
            hands = [threads.submit(process.handle, "both", first)]
            wait_until_waiting(1)
            hands.append(threads.submit(process.handle, "B", second))
            wait_until_waiting(2)
        for hand in hands:
            hand.result()
    assert [(event(event_id)["status"], event(event_id)["attempts"]) for event_id in (rejection, approval)] in (
        [("applied", 1), ("superseded", 1)],
        [("applied", 1), ("applied", 1)],
    )
    state = applicant("idngo")
    assert (state["status"], state["ever_approved"]) == ("rejected", True)
    _the_feed_tells_each_version_once()


@pytest.mark.parametrize("known", [False, True], ids=["newcomers", "known"])
def test_two_workers_whose_batches_name_the_same_applicants_in_opposite_orders_do_not_wait_in_a_circle(known: bool) -> None:
    """A's batch names a, m, z and B's z, m, a. A third has m in hand, until both wait. Had A taken a, and B z, neither
    could go on when m is free."""
    people = ["a" * 24, "m" * 24, "z" * 24]
    for who in people if known else []:
        keep(of(who, idngo("applicantCreated")))
    handle_all()
    for who in people:
        keep(of(who, idngo("applicantPending", at=after(hours=1))))
    for who in reversed(people):
        keep(of(who, idngo(answer="GREEN", at=after(hours=2))))
    batches = claims.claim_oldest("A", most=3), claims.claim_oldest("B", most=3)
    with ThreadPoolExecutor(2) as threads:
        with database.begin() as holder:
            applicants.lock(holder, [ApplicantKey("idngo", "live", "m" * 24)])
            hands = [threads.submit(process.handle, name, batch) for name, batch in zip("AB", batches, strict=True)]
            wait_until_waiting(2)
        for hand in hands:
            hand.result()
    assert [applicant("idngo", who)["status"] for who in people] == ["approved"] * 3
    assert all(row(claimed.id).attempts == 1 for batch in batches for claimed in batch)
    _the_feed_tells_each_version_once()


def wait_until_waiting(count: int) -> None:
    """Wait until so many of our connections wait for a lock. SQLite tells nobody; there a moment must do."""
    if database.is_sqlite():
        time.sleep(0.05)
        return
    deadline = time.monotonic() + 60
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    while time.monotonic() < deadline:
        with database.reading() as connection:
            if connection.execute(waiting).scalar_one() >= count:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_a_process_drains_once_at_a_time_and_leaves_nothing_behind() -> None:
    for number in range(30):
        keep(of(f"{number:024d}", idngo(answer="GREEN")))
    with ThreadPoolExecutor(2) as threads:
        handled = list(threads.map(lambda _: drain.drain(), range(2)))
    assert sum(handled) == 30
    assert health.backlog().pending == 0
    assert len(told()) == 30


def _backlog(count: int) -> list[Delivery]:
    """Events of ten applicants, some of each vendor, in no order of their times. No two have the same time."""
    chance = random.Random(7)
    deliveries = []
    for number, minute in enumerate(chance.sample(range(count), count)):
        who, at = number % 10, after(minutes=minute)
        if who < 6:
            kind = chance.choice(
                ["applicantReviewed", "applicantReviewed", "applicantPending", "applicantDeactivated", "applicantActivated"]
            )
            answer = chance.choice(["GREEN", "YELLOW"])
            deliveries.append(of(f"{who:024d}", idngo(kind, answer, at=at)))
        elif who < 8:
            deliveries.append(of(f"case_{who}", ifcgate(chance.choice(["approved", "rejected", "in_review", "on_hold"]), at=at)))
        else:
            overall, final = chance.choice(["APPROVED", "DENIED", "SUSPECTED"]), chance.random() < 0.5
            deliveries.append(of(f"scan-{who}", verdict(overall, final=final, startTime=number)))
    return deliveries


def _by_reference(backlog: list[Delivery]) -> dict[str, list[Delivery]]:
    """The backlog by applicant, as if told of the one applicant whom the rules hear of in these tests."""
    found: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in backlog:
        body = json.loads(delivery.body)
        reference = body.get("applicantId") or body.get("scanRef") or body["case_id"]
        own = telling.REFERENCE[delivery.vendor]
        found[reference].append(replace(delivery, body=delivery.body.replace(reference.encode(), own.encode())))
    return found


def _the_feed_tells_each_version_once() -> None:
    entries = told()
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        versions[entry.vendor, entry.reference].append(entry.version)
    for (vendor, reference), numbers in versions.items():
        assert numbers == list(range(1, applicant(vendor, reference)["version"] + 1))


# replays ------------------------------------------------------------------------------------------------------


def test_a_replay_repairs_an_applicant_that_was_tampered_with_and_tells_it_once() -> None:
    keep(idngo(answer="GREEN"))
    event_id = keep(idngo(answer="RED", reject="FINAL", labels=["PEP"], at=after(hours=1)))
    handle_all()
    right = applicant("idngo")
    tamper(update(ApplicantRow).values(status="approved", hits=[], registers={}))
    assert replay(event_id)["status"] == "applied"
    repaired = applicant("idngo")
    assert {name: repaired[name] for name in right if name not in telling.ON_THE_WAY} == {
        name: right[name] for name in right if name not in telling.ON_THE_WAY
    }
    assert [(entry.version, entry.from_status, entry.to_status, entry.event_id) for entry in told()][2:] == [
        (3, "approved", "rejected", event_id)
    ]
    assert replay(event_id)["status"] == "applied"
    assert "applied before" in event(event_id)["reason"]
    assert applicant("idngo") == repaired
    assert len(told()) == 3


@pytest.mark.parametrize("place", range(6))
def test_a_replay_of_any_event_changes_nothing_that_was_right(place: int) -> None:
    story = [
        idngo("applicantPending"),
        idngo(answer="GREEN", at=after(hours=1)),
        idngo("applicantTagsChanged", at=after(hours=2)),
        idngo("applicantDeactivated", at=after(hours=3)),
        idngo(answer="RED", reject="FINAL", at=after(hours=2)),
        idngo(answer="GREEN", at=after(minutes=30)),
    ]
    ids = [keep(delivery) for delivery in story]
    handle_all()
    before, outcome = applicant("idngo"), event(ids[place])["status"]
    assert replay(ids[place])["status"] == outcome
    assert applicant("idngo") == before
    assert [entry.number for entry in told()] == list(range(1, before["version"] + 1))


def test_a_replay_heeds_words_that_were_configured_since(monkeypatch: pytest.MonkeyPatch) -> None:
    event_id = keep(ifcgate("verified"))
    handle_all()
    assert applicant("ifcgate")["status"] == "needs_review"
    monkeypatch.setenv("IFCGATE_STATUSES", "verified:approved")
    forget()
    assert replay(event_id)["status"] == "applied"
    state = applicant("ifcgate")
    assert (state["status"], state["ever_approved"], state["version"]) == ("approved", True, 2)
    monkeypatch.setenv("IFCGATE_STATUSES", "verified:rejected")
    forget()
    replay(event_id)
    assert (applicant("ifcgate")["status"], told()[-1].reversal) == ("rejected", "adverse")


def test_a_replay_takes_back_what_an_event_no_longer_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """`frozen` was read as a hold; its word is taken out of the settings, and where it was said it moves nothing."""
    monkeypatch.setenv("IFCGATE_STATUSES", "frozen:on_hold")
    keep(ifcgate("approved"))
    event_id = keep(ifcgate("frozen", "case.updated", at=after(hours=1)))
    handle_all()
    assert applicant("ifcgate")["status"] == "on_hold"
    monkeypatch.delenv("IFCGATE_STATUSES")
    forget()
    replay(event_id)
    state = applicant("ifcgate")
    assert (state["status"], state["version"], state["as_of"]) == ("approved", 3, "2026-05-04T09:30:00Z")


def test_a_replay_derives_anew_also_the_applicants_that_the_event_named_before() -> None:
    """An older mapping took the event for news of somebody else, too, whose row has been wrong since."""
    event_id = keep(idngo(answer="GREEN"))
    keep(of("b" * 24, idngo(answer="RED", reject="FINAL")))
    handle_all()
    with database.begin() as connection:
        sequence = connection.execute(select(EventRow.sequence).where(EventRow.id == event_id)).scalar_one()
        copied = connection.execute(select(MentionRow.__table__).where(MentionRow.event_sequence == sequence)).one()._mapping
        connection.execute(insert(MentionRow).values(dict(copied) | {"reference": "b" * 24}))
    tamper(update(ApplicantRow).where(ApplicantRow.reference == "b" * 24).values(status="approved"))
    assert replay(event_id)["status"] == "applied"
    assert applicant("idngo", "b" * 24)["status"] == "rejected"
    assert applicant("idngo")["status"] == "approved"
    with database.reading() as connection:
        assert mentions.of_event(connection, sequence) == [telling.WHO]


def test_a_replay_keeps_whose_case_it_is() -> None:
    event_id = keep(ifcgate("approved"))
    handle_all()
    with database.begin() as connection:
        links.link(connection, ApplicantKey("ifcgate", "live", telling.CASE), external_user_id="app_1", by="linker", may_move=True)
    before = applicant("ifcgate")
    replay(event_id)
    assert applicant("ifcgate") == before


def test_a_replay_of_an_unreadable_event_reads_it_again_and_moves_nobody() -> None:
    keep(verdict())
    body = payloads.idenfy(telling.SCAN, "DENIED") | {"status": None}
    ids = [keep(telling.idenfy(MANUAL, body)), keep(telling.idenfy(MANUAL, b"no JSON at all"))]
    handle_all()
    before = applicant("idenfy")
    for event_id, reference in zip(ids, (telling.SCAN, None), strict=True):
        first = event(event_id)
        again = replay(event_id)
        assert (again["status"], again["reference"], again["attempts"]) == ("unreadable", reference, 1)
        assert {name: again[name] for name in again if name != "settled_at"} == {
            name: first[name] for name in first if name != "settled_at"
        }
    assert applicant("idenfy") == before
    assert len(told()) == 1


def test_a_replay_of_an_alert_derives_all_its_scans_anew() -> None:
    scans = [payloads.new_scan() for _ in range(3)]
    for scan in scans[:2]:
        keep(of(scan, verdict()))
        handle_all()
    event_id = keep(telling.idenfy("AML_MONITORING", payloads.idenfy_monitoring(scans)))
    handle_all()
    tamper(update(ApplicantRow).where(ApplicantRow.reference.in_(scans)).values(status="approved", flags=[]))
    replay(event_id)
    for scan in scans:
        assert (applicant("idenfy", scan)["status"], applicant("idenfy", scan)["flags"]) == ("needs_review", ["MONITORING_ALERT"])
    _the_feed_tells_each_version_once()


# the wake-up --------------------------------------------------------------------------------------------------


def test_a_drain_lets_the_bell_ring_again_before_it_looks() -> None:
    keep(idngo(answer="GREEN"))
    wakeup.notify()
    assert wakeup._redis().exists(wakeup.NOTIFIED)
    assert drain.drain() == 1
    assert not wakeup._redis().exists(wakeup.NOTIFIED)
