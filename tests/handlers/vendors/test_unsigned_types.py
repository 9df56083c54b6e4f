"""iDenfy's event type is in a header outside the signature: who holds a recording may send it under any. On real databases, through the
vendor's own scheme."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from receiver.vendors.base import SigningKey
from receiver.vendors.idenfy import IdenfySignature
from store import database
from store.applicants import decision_list
from store.database.count_tables import Tally
from store.database.tables import EventRow
from store.inbox import record as inbox
from store.operations import anomalies
from tests.conftest import forget
from tests.handlers.test_process import applicant, event, handle_all, keep, replay
from tests.support import payloads, signing
from tests.support.payloads import after
from tests.support.telling import AUTO, MANUAL, RESUBMITTED, SCAN, idngo, ifcgate

pytestmark = pytest.mark.usefixtures("kept")

SECRET = b"the notification's key"
KEY = SigningKey(secret=SECRET, environment="live")


def send(body: dict[str, Any] | bytes, kind: str) -> str:
    """Send a body of iDenfy under a type, and have it handled; return its event's id."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = signing.idenfy(raw, secret=SECRET.decode(), event_type=kind)
    event_id = inbox.record(IdenfySignature().authenticate(headers, raw, (KEY,), now=after(days=1))).event_id
    handle_all()
    return event_id


def body(overall: str, *, final: bool = True, **more: Any) -> dict[str, Any]:
    return payloads.idenfy(SCAN, overall, final=final, **more)


def kept_events() -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(EventRow)).scalar_one()


def shown(*names: str) -> list[Any]:
    return [applicant("idenfy")[name] for name in names]


def test_a_recording_sent_as_a_resubmission_reopens_no_final_rejection() -> None:
    send(body("APPROVED", final=False), AUTO)
    send(body("DENIED"), MANUAL)
    send(body("APPROVED", final=False), RESUBMITTED)
    assert shown("status", "last_verdict")[0] == "rejected"


def test_neither_does_the_latest_body_under_the_type_of_a_resubmission() -> None:
    # What was not final came late: it is the subject's latest, so that under another type it is no repeat, and yet no news.
    send(body("DENIED"), MANUAL)
    send(body("APPROVED", final=False), AUTO)
    again = send(body("APPROVED", final=False), RESUBMITTED)
    assert event(again)["repeat"] is False
    assert shown("status", "flags") == ["rejected", []]


def test_a_resubmission_with_a_body_of_its_own_reopens_the_case() -> None:
    send(body("APPROVED"), MANUAL)
    send(body("APPROVED", final=False), RESUBMITTED)
    assert shown("status") == ["in_review"]
    send(body("APPROVED", finishTime=1), MANUAL)
    assert shown("status", "flags") == ["approved", []]


@pytest.mark.parametrize("kinds", [("IDENTIFICATION", MANUAL), (MANUAL, "IDENTIFICATION"), ("IDENTIFICATION", RESUBMITTED)])
def test_one_outcome_told_under_two_types_is_two_events_and_no_repeat(kinds: tuple[str, str]) -> None:
    ids = [send(body("APPROVED"), kind) for kind in kinds]
    assert [event(event_id)["repeat"] for event_id in ids] == [False, False]
    assert shown("status", "flags") == ["approved", []]


def test_under_ten_unknown_types_a_recording_is_one_event_more() -> None:
    send(body("DENIED"), MANUAL)
    ids = {send(body("DENIED"), f"X{number}") for number in range(10)}
    assert (len(ids), kept_events()) == (1, 2)
    assert shown("status") == ["rejected"]


def test_the_case_and_the_spaces_of_a_type_make_no_new_event() -> None:
    ids = {send(body("DENIED"), kind) for kind in (MANUAL, f" {MANUAL.lower()} ", MANUAL.replace("IDENTIFICATION", "ID_VERIFICATION"))}
    assert (len(ids), kept_events()) == (1, 1)


# counted -----------------------------------------------------------------------------------------------------------


def counted() -> dict[str, int]:
    with database.reading() as connection:
        return {sight.vendor: sight.not_understood for sight in anomalies.vendors(connection, environment="live")}


def test_approvals_that_are_not_understood_are_counted_by_vendor_each_event_once() -> None:
    ids = [send(body("APPROVED", amlCheck="text", clientIp=f"192.0.2.{number}"), MANUAL) for number in range(3)]
    send(body("APPROVED", final=False, lid={"status": "x"}), AUTO)
    send(body("DENIED", amlCheck="text"), MANUAL)
    keep(idngo(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": ["A_NEW_LABEL"]}))
    keep(ifcgate("approved"))
    handle_all()
    assert counted() == {"idenfy": 4, "idngo": 1}
    replay(ids[0])
    assert counted() == {"idenfy": 4, "idngo": 1}
    with database.reading() as connection:
        # No delivery was refused or answered here: what is counted beside the answers is none of them.
        assert [sight.answered for sight in anomalies.vendors(connection, environment="live")] == [0, 0]
        assert connection.execute(select(func.sum(Tally.count))).scalar_one() == 5


def test_a_replay_applies_the_words_that_an_owner_gave_since(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = keep(idngo(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": ["A_NEW_LABEL"]}))
    tagged = send(body("APPROVED", tags=["A_NEW_TAG"]), MANUAL)
    handle_all()
    assert [applicant(vendor)["flags"] for vendor in ("idngo", "idenfy")] == [["NOT_UNDERSTOOD"]] * 2
    assert "reviewResult.rejectLabels[0]" in event(labelled)["reason"]
    monkeypatch.setenv("IDNGO_WORDS", "A_NEW_LABEL:plain")
    monkeypatch.setenv("IDENFY_WORDS", "A_NEW_TAG:hit=sanctions")
    forget()
    assert [replay(event_id)["status"] for event_id in (labelled, tagged)] == ["applied", "applied"]
    assert [(applicant(vendor)["status"], applicant(vendor)["flags"]) for vendor in ("idngo", "idenfy")] == [
        ("approved", []),
        ("needs_review", []),
    ]
    assert applicant("idenfy")["hits"] == ["sanctions"]


def test_a_type_of_ours_in_the_unsigned_header_makes_no_decision() -> None:
    event_id = send(body("APPROVED"), "standing.decision")
    assert (event(event_id)["status"], event(event_id)["event_type"]) == ("ignored", None)
    send(b"{", "standing.import")
    with database.reading() as connection:
        assert decision_list.listing(connection, environment="live", limit=10) == []
