"""What the log's queue hears of: each row that is erased or removed, and each stage of holds and erasures; and of nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from handlers.privacy import erase, fence, redo, upkeep
from handlers.privacy.pace import Pace
from store import config, database
from store.access import audit
from store.applicants import feed
from store.database.log_tables import Unlogged
from store.database.operations_tables import Act
from store.database.privacy_tables import Erasure
from store.inbox import claims, settling
from store.inbox.settling import Retries
from store.privacy import holds, requests
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause
from store.privacy.keeping import retention
from store.privacy.restoring import gate, ledger
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey, Outcome
from tests.support import payloads, telling
from tests.support.payloads import after
from tests.support.privacy.erasing import GONE, MARK, OTHER, USER, about, approved, erase_now, handle_all, keep
from tests.support.privacy.personal_data import OFFICER, OPERATOR, do, event, known, of, of_user, set_rules, work_off
from tests.support.privacy.personal_data import OTHER as DEPUTY
from tests.support.privacy.queued import heard
from tests.support.telling import Delivery, idenfy, idngo

pytestmark = pytest.mark.usefixtures("kept")

LONG_AGO = datetime(2020, 2, 29, 12, tzinfo=UTC)
SCANS = [ApplicantKey("idenfy", "live", f"a-scan-of-the-story-{letter}") for letter in "abc"]


def both_approved() -> None:
    for key in (GONE, OTHER):
        keep(about(key, idngo(answer="GREEN")))
    handle_all()


def alert(*keys: ApplicantKey, at: str = "1") -> Delivery:
    """A monitoring's alert, whose body names several applicants."""
    body = payloads.idenfy_monitoring([key.reference for key in keys], "ALERT", monitoring="m-1")
    return idenfy("AML_MONITORING", body | {"at": at})


def requested(key: ApplicantKey = GONE) -> str:
    row, _ = do(requests.request, of(key), by=OPERATOR, reason=f"{key.reference} wrote", received_at=clock.now())
    return str(row["id"])


# holds --------------------------------------------------------------------------------------------------------


def test_a_hold_is_logged_when_it_is_placed_and_lifted_and_emptied_with_its_applicant() -> None:
    both_approved()
    placed: list[str] = []
    for reason in ("it is over", None):
        with heard() as found:
            placed.append(do(holds.place, of(GONE), by=OFFICER, reason="a court asks", review_at=clock.now())["id"])
        assert found.new >= {(LeafKind.HOLD, placed[-1])}
        with heard() as found:
            do(holds.lift, placed[-1], by=DEPUTY, reason=reason)
        assert found.new >= {(LeafKind.HOLD_LIFTED, placed[-1])}
    with heard() as found:
        made = erase_now(of(GONE))
    emptied = {row for row in found.erased if row[0] in (LeafKind.HOLD, LeafKind.HOLD_LIFTED)}
    assert emptied == {(LeafKind.HOLD, placed[0]), (LeafKind.HOLD, placed[1]), (LeafKind.HOLD_LIFTED, placed[0])}
    assert {found.erased[row] for row in emptied} == {made}


# erasures -----------------------------------------------------------------------------------------------------


def test_each_stage_of_an_erasure_is_logged_and_it_empties_its_own_names() -> None:
    both_approved()
    with heard() as found:
        made = requested()
    assert found.new >= {(LeafKind.ERASURE, made)}
    with heard() as found:
        do(requests.refuse, made, by=OFFICER, reason="the law", basis="AMLR 77", until=clock.now() + timedelta(days=9))
    assert (found.new >= {(LeafKind.ERASURE_DECIDED, made)}, found.erased) == (True, {})
    with heard() as found:
        do(requests.approve, made, by=OFFICER, reason="after all", basis="a court", early=True)
    assert found.erased == {(LeafKind.ERASURE_DECIDED, made): made}
    with heard() as found:
        assert work_off() == 1
    assert found.new >= {(LeafKind.ERASURE_DONE, made)}
    assert {row for row in found.erased if row[1] == made} == {(LeafKind.ERASURE, made), (LeafKind.ERASURE_DECIDED, made)}
    assert set(found.erased.values()) == {made}
    assert (found.count(LeafKind.EVENT), found.count(LeafKind.CHANGE)) == (1, 1)
    # The acts that named the applicant: the request, the refusal, the approval.
    assert found.count(LeafKind.ACT) == 3


@pytest.mark.parametrize("subject", [of(GONE), of_user(USER)], ids=["applicant", "user"])
def test_an_erasure_that_names_an_applicant_or_a_user_empties_all_that_named_it(subject: Any) -> None:
    both_approved()
    for text in (audit.applicant_subject(GONE), f"list reference={MARK}, user {USER}", "somebody else"):
        do(audit.write, actor="night", action="look up", subject=text, reason=f"asked by {MARK}")
    do(audit.write, actor="night", action="look up", subject=audit.applicant_subject(OTHER), reason="another")
    with heard() as found:
        erase_now(subject)
    assert found.count(LeafKind.ACT) == 3
    with heard() as found:
        erase_now(of(GONE))
    assert found.erased.keys() == {row for row in found.erased if row[0] == LeafKind.ERASURE}


def test_a_vendors_deletion_and_the_erasure_that_follows_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERASE_WITH_VENDOR", "yes")
    config.settings.cache_clear()
    both_approved()
    with heard() as found:
        keep(about(GONE, idngo("applicantPersonalDataDeleted", at=after(days=1))))
        handle_all()
    assert [kind for kind, _ in found.new].count(LeafKind.ERASURE) == 1
    with heard() as found:
        assert work_off() == 1
    assert found.count(LeafKind.EVENT) == 2


def lost(*erasure_ids: str) -> None:
    """The database forgets erasures that the ledger has, as if a backup had been restored."""
    begun = [database.write(lambda connection, one=one: erasures.begin(connection, one)) for one in erasure_ids]
    ledger.append([one for one in begun if one], known=0)
    with database.begin() as connection:
        connection.execute(update(Erasure).where(Erasure.id.in_(erasure_ids)).values(targets=None))
    gate.forget()


def test_an_erasure_that_is_done_again_by_the_ledger_is_logged_as_that() -> None:
    both_approved()
    made = approved(of(GONE), reason="they wrote")
    lost(made)
    with heard() as found:
        assert redo.redo_all() == 1
    with database.reading() as connection:
        row = erasures.find(connection, made)
    assert row is not None
    assert row.cause == Cause.LEDGER
    assert found.new >= {(LeafKind.ERASURE_DONE, made)}
    assert found.erased[LeafKind.ERASURE, made] == made


def test_an_erasure_that_only_the_ledger_knows_is_logged_once_it_is_written_down() -> None:
    both_approved()
    made = approved(of(GONE))
    lost(made)
    with database.begin() as connection:
        connection.execute(delete(Erasure))
        connection.execute(delete(Unlogged))
    with heard() as found:
        assert redo.redo_all() == 1
    assert found.new >= {(LeafKind.ERASURE, made), (LeafKind.ERASURE_DONE, made)}
    assert (LeafKind.ERASURE, made) not in found.erased


# events -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
def test_an_event_that_is_rewritten_is_emptied_for_the_first_erasure_that_it_concerns(together: bool) -> None:
    first, second, _ = SCANS
    keep(alert(*SCANS), subject=b"m-1")
    keep(alert(second, at="2"), subject=b"m-1")
    handle_all()
    with heard() as found:
        made = [approved(of(key)) for key in (first, second)]
        assert erase.attempt(made if together else made[:1])[0]
    events = [found.erased[row] for row in sorted(found.erased, key=str) if row[0] == LeafKind.EVENT]
    assert events == (made if together else made[:1])
    if not together:
        with heard() as found:
            assert erase.attempt(made[1:]) == (1, 0)
        assert [one for (kind, _), one in found.erased.items() if kind == LeafKind.EVENT] == [made[1]] * 2


def test_an_event_that_comes_after_the_erasure_is_emptied_for_it() -> None:
    both_approved()
    first, second, _ = SCANS
    made = [erase_now(of(key)) for key in (GONE, first)]
    later = [about(GONE, idngo(answer="RED", at=after(days=3), reject="FINAL")), alert(first, second)]
    for one in later:
        keep(one)
    with heard() as found:
        handle_all()
    assert sorted(found.erased.items()) == [((LeafKind.EVENT, 3), made[0]), ((LeafKind.EVENT, 4), made[1])]


def test_a_dead_letter_that_holds_an_erased_reference_is_emptied_for_its_erasure() -> None:
    both_approved()
    made = erase_now(of(GONE))
    keep(about(GONE, idngo(answer="RED", at=after(days=3), reject="FINAL")))
    [claimed] = claims.claim_oldest("worker", most=9)
    with heard() as found:
        settling.fail(claimed, "an error", holder="worker", retries=Retries(attempts_max=1), erases=fence.erase_unhandled)
    assert found.erased == {(LeafKind.EVENT, 3): made}


def test_events_without_a_name_are_emptied_for_the_erasure_that_finds_them() -> None:
    both_approved()
    broken = [json.dumps({"applicantId": key.reference})[:-1].encode() for key in (GONE, OTHER)]
    for body in broken:
        keep(telling.raw("idngo", body))
    handle_all()
    with heard() as found:
        made = erase_now(of(GONE))
    assert {row: one for row, one in found.erased.items() if row[0] == LeafKind.EVENT} == {
        (LeafKind.EVENT, 1): made,
        (LeafKind.EVENT, 3): made,
    }


# changes ------------------------------------------------------------------------------------------------------


def test_the_notice_of_an_erasure_is_emptied_for_it_once_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    both_approved()
    made = erase_now(of(GONE))
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    config.settings.cache_clear()
    with heard() as found:
        upkeep.run(Pace())
    assert found.erased == {(LeafKind.CHANGE, 3): made}
    with heard() as found:
        erase_now(of(OTHER))
    assert found.count(LeafKind.CHANGE) >= 1
    with database.reading() as connection:
        assert [row.to_status for row in feed.after(connection, 0, environment="live", limit=9)] == ["erased"] * 4


# retention ----------------------------------------------------------------------------------------------------


def test_what_a_rule_of_retention_erases_or_removes_has_no_erasure(monkeypatch: pytest.MonkeyPatch) -> None:
    set_rules(monkeypatch, "audit:1y,unreadable:90d,sandbox:30d,other:1d")
    event(at=LONG_AGO, body=b"{", status=Outcome.UNREADABLE)
    event(at=LONG_AGO, body=b"{{", environment="sandbox", status=Outcome.IGNORED)
    event(at=clock.now(), body=b"{{{", status=Outcome.UNREADABLE)
    known("reference-1", last_event=LONG_AGO)
    for _ in range(2):
        do(audit.write, actor="night", action="look up", subject="user nobody")
    database.write(lambda connection: connection.execute(update(Act).values(at=LONG_AGO)))
    do(audit.write, actor="night", action="look up", subject="user young")
    with heard() as found:
        ran = retention.total(retention.run(by=OFFICER, reason="x"))
    assert (ran.applicants, ran.events, ran.acts) == (1, 2, 2)
    assert found.erased == {(LeafKind.EVENT, 1): None, (LeafKind.EVENT, 2): None, (LeafKind.ACT, 1): None, (LeafKind.ACT, 2): None}
    [made] = ran.erasures
    assert found.new >= {(LeafKind.ERASURE, made), (LeafKind.ERASURE_DECIDED, made)}
    with heard() as found:
        assert work_off() == 1
    assert (found.count(LeafKind.EVENT), found.count(LeafKind.ERASURE_DECIDED)) == (1, 1)


# nothing is erased --------------------------------------------------------------------------------------------


def test_handling_and_replaying_changes_nothing_that_a_leaf_commits_to() -> None:
    both_approved()
    with heard() as found:
        again = keep(about(GONE, idngo(answer="GREEN")))
        assert do(settling.reopen, again)
        keep(about(OTHER, idngo("applicantPending", at=after(days=2))))
        handle_all()
    assert found.erased == {}


def test_of_two_erasures_of_a_row_the_one_that_was_asked_for_first_has_it() -> None:
    both_approved()
    first, second = approved(of(GONE)), approved(of(OTHER))
    with database.begin() as connection:
        queue.add_erased_by_several(connection, LeafKind.CHANGE, [(1, second), (2, second), (1, first)])
        rows = connection.execute(select(Unlogged.row, Unlogged.erasure_id).where(Unlogged.erased).order_by(Unlogged.id)).all()
    assert [tuple(row) for row in rows] == [(1, first), (2, second)]
