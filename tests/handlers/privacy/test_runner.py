"""The process that erases: one of all hosts, live traffic first, what a hold is on is left alone, and the hourly upkeep."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from handlers.privacy import runner, upkeep
from handlers.privacy.pace import Pace, Stopped
from store import config, database
from store.access.operators import Actor
from store.applicants import feed
from store.database.privacy_tables import Erasure, PrivacyState
from store.database.tables import EventRow, MentionRow, TransitionRow
from store.privacy import holds
from store.privacy.erasing import erasures, lease, waiting
from store.privacy.erasing.erasures import Cause, Stage
from store.system import clock
from tests.support.payloads import after
from tests.support.privacy.erasing import GONE, MARK, OTHER, about, approved, handle_all, keep, shown
from tests.support.privacy.personal_data import of
from tests.support.service import eventually
from tests.support.telling import idngo

pytestmark = pytest.mark.usefixtures("both")

OFFICER, DEPUTY = Actor("officer", by_token=True), Actor("deputy", by_token=True)


def stages() -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(Erasure.status)).scalars())


def test_one_process_of_all_hosts_erases_and_another_takes_over_from_one_that_is_silent() -> None:
    approved(of(GONE))
    assert database.write(lambda connection: lease.take(connection, "another host"))
    assert runner.run("this host", Pace(), keeps_up=False) == runner.BUSY
    assert stages() == [Stage.APPROVED]
    silent = clock.now() - 2 * lease.SILENCE_MAX
    database.write(lambda connection: connection.execute(update(PrivacyState).values(runner_seen_at=silent)))
    assert runner.run("this host", Pace(), keeps_up=False) == 0
    assert stages() == [Stage.DONE]
    assert database.write(lambda connection: lease.take(connection, "another host")), "it was given back"


def test_what_a_hold_is_on_is_left_alone_and_looked_at_again_once_it_is_lifted() -> None:
    soon = clock.now() + timedelta(days=9)
    hold = database.write(lambda connection: holds.place(connection, of(GONE), by=OFFICER, reason="a court asks", review_at=soon))
    approved(of(GONE))
    before = database.read(waiting.find)
    assert before.is_any
    assert runner.run("this host", Pace(), keeps_up=False) == 0
    assert stages() == [Stage.APPROVED]
    assert database.read(waiting.find) == before, "the same, so that nobody tries again at once"
    database.write(lambda connection: holds.lift(connection, hold["id"], by=DEPUTY, reason="it is over"))
    assert database.read(waiting.find) != before
    assert runner.run("this host", Pace(), keeps_up=False) == 0
    assert stages() == [Stage.DONE]
    assert not database.read(waiting.find).is_any


def test_erasures_on_hold_keep_no_new_one_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_SECONDS", 3600.0)  # No upkeep, which would find it, too.
    soon = clock.now() + timedelta(days=9)

    def hold_many(connection: Connection) -> None:
        for number in range(250):
            subject = of(GONE._replace(reference=f"held-{number}"))
            holds.place(connection, subject, by=OFFICER, reason="a court asks", review_at=soon)
            erasures.create(connection, subject, stage=Stage.APPROVED, cause=Cause.REQUEST, by="officer")

    def run_until_it_ends() -> None:
        looker.look(look_seconds=1.0)
        eventually(lambda: not looker._child.runs(), "the process to end", seconds=300)

    database.write(hold_many)
    looker = runner.ErasureRunner()
    try:
        run_until_it_ends()
        assert stages() == [Stage.APPROVED] * 250
        approved(of(GONE))
        run_until_it_ends()
        assert sorted(stages()) == [Stage.APPROVED] * 250 + [Stage.DONE]
    finally:
        looker.end()


def test_a_refused_erasure_is_carried_out_when_its_time_is_over() -> None:
    made = approved(of(GONE))
    later = {"status": Stage.REFUSED, "decided_at": clock.now(), "until": clock.now() + timedelta(days=1)}
    database.write(lambda connection: connection.execute(update(Erasure).where(Erasure.id == made).values(**later)))
    assert not database.read(waiting.find).is_any
    database.write(lambda connection: connection.execute(update(Erasure).values(until=clock.now())))
    assert database.read(waiting.find).is_any
    assert runner.run("this host", Pace(), keeps_up=False) == 0
    assert shown(GONE) is None


def test_an_erasure_waits_while_live_traffic_waits() -> None:
    late = keep(about(OTHER, idngo(answer="GREEN", at=after(days=1))))
    time.sleep(1.1)
    approved(of(GONE))
    running = threading.Thread(target=lambda: runner._work(Pace(), keeps_up=False))
    running.start()
    time.sleep(0.5)
    assert stages() == [Stage.APPROVED], f"{late} waits for longer than a second"
    handle_all()
    running.join(60)
    assert stages() == [Stage.DONE]


def test_a_process_that_is_to_end_leaves_the_rest() -> None:
    pace = Pace()
    pace.stop()
    with pytest.raises(Stopped):
        pace.give_way()


def test_notices_are_emptied_when_their_time_is_over() -> None:
    approved(of(GONE))
    runner.run("this host", Pace(), keeps_up=True)
    notice = select(TransitionRow.reference).where(TransitionRow.to_status == feed.ERASED)
    with database.reading() as connection:
        assert MARK in connection.execute(notice).scalars().all()
    long_ago = clock.now() - timedelta(days=31)
    database.write(lambda connection: connection.execute(update(TransitionRow).values(at=long_ago)))
    upkeep.run(Pace())
    with database.reading() as connection:
        assert MARK not in connection.execute(notice).scalars().all()


def test_rules_of_retention_are_applied_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    with database.begin() as connection:
        mine = select(MentionRow.event_sequence).where(MentionRow.reference == MARK)
        long_ago = {"received_at": clock.now() - timedelta(days=400)}
        connection.execute(update(EventRow).where(EventRow.sequence.in_(mine)).values(**long_ago))
    upkeep.run(Pace())
    assert stages() == []
    monkeypatch.setenv("RETENTION", "approved:1y,rejected:1y,other:1y")
    config.settings.cache_clear()
    assert runner.run("this host", Pace(), keeps_up=True) == 0
    assert stages() == [Stage.DONE]
    assert shown(GONE) is None
    assert shown(OTHER) is not None
