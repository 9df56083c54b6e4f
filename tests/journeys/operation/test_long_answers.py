"""Long answers: an applicant with 50,000 events, a person with thousands of verifications. Each answer is a page, and none keeps a web
process from answering deliveries: gevent's monitor reports whatever keeps its loop for longer than a fraction of a second."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from store import database
from store.applicants import table
from store.applicants.feed import Transition, append
from store.applicants.table import Applicant
from store.database import bulk
from store.database.tables import EventRow, MentionRow
from store.text.states import Status
from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads
from tests.support.service import Service, eventually

pytestmark = pytest.mark.both_databases

EVENTS, VERIFICATIONS, PAGE = 50_000, 3_000, 500
WHO, USER = "a-case-of-many-events", "a-person-of-many-cases"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

#: A loop that is kept for longer is reported. An answer about all events at once took seconds.
BLOCKING_SECONDS_MAX = 0.75

#: The words of gevent's report.
BLOCKED = "appears to be blocked"

#: Everything that reads, each answer as long as it may be.
READS = [
    f"/v1/applicants/idngo/{WHO}/explanation?limit={PAGE}", f"/v1/applicants/idngo/{WHO}/history?limit={PAGE}",
    f"/v1/applicants/idngo/{WHO}",
    f"/v1/users/{USER}?limit={PAGE}", f"/v1/applicants?limit={PAGE}", f"/v1/changes?limit={PAGE}", f"/v1/events?limit={PAGE}",
    f"/v1/events?reference={WHO}&limit={PAGE}", f"/v1/reversals?limit={PAGE}", f"/v1/review?limit={PAGE}", "/v1/failed",
    f"/v1/reactions?limit={PAGE}", f"/v1/audit?limit={PAGE}", "/v1/replays", "/readyz", "/metrics", "/openapi.json",
]  # fmt: skip


@pytest.fixture
def large(kept: str) -> str:
    """A database with an applicant that 50,000 events named, half of which changed it, and a person with 3,000 verifications."""
    ids = [str(uuid.UUID(int=number)) for number in range(1, EVENTS + 1)]
    for start in range(0, EVENTS, 5_000):
        numbers = range(start + 1, start + 5_001)
        with database.begin() as connection:
            bulk.insert(connection, EventRow, [an_event(number, ids[number - 1]) for number in numbers])
            bulk.insert(connection, MentionRow, [a_mention(number) for number in numbers])
            append(connection, [a_change(number, ids[number - 1]) for number in numbers if number % 2])
    with database.begin() as connection:
        if not database.is_sqlite():
            connection.execute(text("SELECT setval(pg_get_serial_sequence('events', 'sequence'), :last)"), {"last": EVENTS})
        ground = {"status": "approved", "name": "the newest verdict or progress", "event_id": ids[0]}
        registers = {"remembered": [{"event_id": one, "said": "something"} for one in ids]}
        many = Applicant(
            vendor="idngo", environment="live", reference=WHO, status=Status.APPROVED, updated_at=BEGAN, version=EVENTS,
            grounds=[ground], registers=registers, external_user_id=USER, first_sequence=1,
        )  # fmt: skip
        others = [
            Applicant(
                vendor="idenfy", environment="live", reference=f"scan-{number}", external_user_id=USER, status=Status.REJECTED,
                updated_at=BEGAN, version=1, first_sequence=number, hits=["sanctions"] if number == 1 else [],
            )
            for number in range(1, VERIFICATIONS)
        ]  # fmt: skip
        table.save(connection, [many, *others])
    return kept


def an_event(number: int, event_id: str) -> dict[str, Any]:
    unique = number.to_bytes(32, "big")
    return {
        "sequence": number, "id": event_id, "vendor": "idngo", "environment": "live", "identity": unique, "body_sha256": unique,
        "headers": {}, "key_id": "key", "sealed_body": b"", "received_at": BEGAN, "repeat": False, "deliveries": 1, "reference": WHO,
        "status": "applied", "reason": "told", "attempts": 0, "replayed": False, "event_type": "applicantReviewed",
        "occurred_at": BEGAN + timedelta(seconds=number), "settled_at": BEGAN, "suspect": False, "seen_before": False,
    }  # fmt: skip


def a_mention(number: int) -> dict[str, Any]:
    said = {"said": f"said {number}", "meant": "verdict: approved", "outcome": "applied", "why": "newer"}
    place = {"event_sequence": number, "place": number, "rank": 0, "superseded_by": None}
    return {"vendor": "idngo", "environment": "live", "reference": WHO} | place | said


def a_change(number: int, event_id: str) -> Transition:
    return Transition(
        vendor="idngo", environment="live", reference=WHO, version=number, from_status=Status.IN_REVIEW, to_status=Status.APPROVED,
        reversal=None, changed=["status"], reasons=[], event_id=event_id, as_of=None, at=BEGAN, applicant={"status": "approved"},
    )  # fmt: skip


@pytest.fixture
def monitored(large: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """One web process, whose loop is watched."""
    watch = {"GEVENT_MONITOR_THREAD_ENABLE": "1", "GEVENT_MAX_BLOCKING_TIME": str(BLOCKING_SECONDS_MAX), "WEB_CONCURRENCY": "1"}
    settings = {"DATABASE_URL": large, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY} | watch
    with Service(tmp_path, settings, worker=False) as service:
        yield service


@pytest.mark.alone
def test_long_answers_are_pages_and_keep_no_web_process_from_answering_deliveries(monitored: Service) -> None:
    began = len(monitored.logged())  # Loading the code keeps the loop, too, on a slow machine.
    deliveries_are_answered_meanwhile(monitored)
    explanations_are_pages_with_the_ground_beside_them(monitored)
    users_are_pages_that_all_say_who_approves_and_blocks(monitored)
    assert BLOCKED not in monitored.logged()[began:]


def deliveries_are_answered_meanwhile(monitored: Service) -> None:
    ended, waits = threading.Event(), []

    def deliver() -> None:
        while not ended.is_set():
            began = time.monotonic()
            answer = monitored.deliver("idngo", payloads.idngo(payloads.new_applicant()))
            waits.append((answer.status, time.monotonic() - began))

    sender = threading.Thread(target=deliver)
    sender.start()
    try:
        answers = {path: monitored.request("GET", path, token=OPERATOR) for path in READS}
    finally:
        ended.set()
        sender.join()
    assert {path: answer.status for path, answer in answers.items() if answer.status != 200} == {}
    assert [path for path, answer in answers.items() if len(answer.body) > 2_000_000] == []
    assert {status for status, _ in waits} == {200}
    assert max(seconds for _, seconds in waits) < 2


def explanations_are_pages_with_the_ground_beside_them(monitored: Service) -> None:
    path, cursor, said = f"/v1/applicants/idngo/{WHO}/explanation", {}, []
    for _ in range(3):
        page = monitored.get(path, limit=PAGE, **cursor).json
        assert (page["ground"]["said"], page["ground"]["decides"], page["has_more"]) == ("said 1", True, True)
        said += [event["said"] for event in page["data"]]
        cursor = {"cursor": page["next_cursor"]}
    assert said == [f"said {number}" for number in range(1, 3 * PAGE + 1)]
    assert [len(event["changes"]) for event in page["data"][:4]] == [1, 0, 1, 0]
    printed = monitored.standing("applicants", "explain", "idngo", WHO, "--limit", "20")
    assert f"said {EVENTS}" in printed.stdout
    assert f"said {EVENTS - 20}\n" not in printed.stdout
    assert "These are the newest 20" in printed.stderr
    told = json.loads(monitored.standing("applicants", "explain", "idngo", WHO, "--limit", "20", "--json").stdout)
    assert [event["said"] for event in told["data"]] == [f"said {number}" for number in range(EVENTS - 19, EVENTS + 1)]


def users_are_pages_that_all_say_who_approves_and_blocks(monitored: Service) -> None:
    cursor: dict[str, str] = {}
    found: list[str] = []
    while not found or cursor:
        page = monitored.get(f"/v1/users/{USER}", limit=PAGE, **cursor).json
        assert (page["approving_vendors"], page["blocking_vendors"]) == (["idngo"], ["idenfy"])
        found += [one["reference"] for one in page["data"]]
        cursor = {"cursor": page["next_cursor"]} if page["has_more"] else {}
    assert found == [*(f"scan-{number}" for number in range(VERIFICATIONS - 1, 0, -1)), WHO]


def test_the_monitor_reports_what_keeps_the_loop(tmp_path: Path, redis_url: str) -> None:
    """What the other test relies on: the report's words, and that the settings reach the process."""
    watch = {"GEVENT_MONITOR_THREAD_ENABLE": "1", "GEVENT_MAX_BLOCKING_TIME": "0.001", "WEB_CONCURRENCY": "1"}
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'some.sqlite3'}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY} | watch
    with Service(tmp_path, settings, worker=False) as service:
        eventually(lambda: service.get("/openapi.json", token=OPERATOR) and BLOCKED in service.logged(), "a report")
