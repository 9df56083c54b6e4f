"""No personal data, secret, signature or body comes out anywhere but where it belongs: marked values, every path, all output."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import KEY, next_part
from tests.support import payloads, signing
from tests.support.payloads import after
from tests.support.service import Answer, Service, eventually

pytestmark = pytest.mark.both_databases

#: Each stands for a kind of what must not come out. Chosen so that none occurs by chance.
MARK = "Zzmarkedzz"
PERSON, COMMENT, FORGED, TOKEN, QUERY = (f"{MARK}{kind}" for kind in ("person", "comment", "forged", "token", "query"))


def every_path(service: Service) -> list[Answer]:
    """Send marked values through everything that takes something, failures included; give what was answered."""
    who, scan, case = payloads.new_applicant(), payloads.new_scan(), payloads.new_case()
    person = {"docFirstName": PERSON, "docNumber": PERSON}
    red = payloads.idngo(who, answer="RED", reject="FINAL", labels=["BLACKLIST"], at=after(days=1))
    red["reviewResult"]["clientComment"] = COMMENT
    service.told("idngo", payloads.idngo(who, answer="GREEN", info={"firstName": PERSON}))
    service.told("idngo", red)
    service.told("idenfy", payloads.idenfy(scan, data=person))
    service.told("idenfy", payloads.idenfy_monitoring([scan], name=PERSON, surname=PERSON), event_type="AML_MONITORING")
    service.told("ifcgate", payloads.ifcgate(case, applicant={"name": PERSON}))
    service.told("idenfy", json.dumps({"unreadable": PERSON}).encode())
    service.told("idngo", f'{{"type": "applicantReviewed", "applicantId": ["{PERSON}"'.encode())
    service.told("idenfy", json.dumps(person).encode(), event_type="COMPANY_REVIEW")
    raw = json.dumps(payloads.idngo(who, answer="GREEN", info=PERSON)).encode()
    read = f"/v1/applicants/idngo/{who}"
    return [
        service.request("POST", "/webhooks/idngo", raw, {"x-payload-digest": FORGED}),
        service.request("POST", "/webhooks/idngo", raw, {"x-payload-digest": FORGED, "x-payload-digest-alg": FORGED}),
        service.request("POST", "/webhooks/idenfy", raw, {"Idenfy-Signature": FORGED, "Idenfy-Event-Type": FORGED}),
        service.request(
            "POST", "/webhooks/ifcgate", raw, {"webhook-id": FORGED, "webhook-timestamp": "1", "webhook-signature": f"v1,{FORGED}"}
        ),
        service.request("POST", f"/webhooks/{QUERY}", raw),
        service.request("POST", "/webhooks/idngo", PERSON.encode() * 1_000_000),
        service.request("POST", "/webhooks/idngo", raw, {"X-Request-Id": f"{QUERY} is not sane"}),
        service.request("GET", read, token=TOKEN),
        service.request("GET", f"/v1/applicants/idngo/{QUERY}", token="read-me-if-you-may"),
        service.request("GET", f"/v1/applicants?cursor={QUERY}", token="read-me-if-you-may"),
        service.request("GET", f"/v1/applicants?{QUERY}=1", token="read-me-if-you-may"),
        service.request("GET", f"/v1/applicants?status={QUERY}", token="read-me-if-you-may"),
        service.request("GET", f"/v1/applicants?updated_after={QUERY}", token="read-me-if-you-may"),
        service.request("GET", f"/v1/changes?after={QUERY}", token="read-me-if-you-may"),
        service.request("GET", f"/v1/events/{QUERY}", token="read-me-if-you-may"),
        service.request("GET", f"/v1/users/{QUERY}", token="read-me-if-you-may"),
        service.request("PUT", "/v1/links/ifcgate/case", QUERY.encode(), token="link-me-if-you-may"),
        service.request(
            "PUT", "/v1/links/ifcgate/case", json.dumps({"external_user_id": PERSON * 50}).encode(), token="link-me-if-you-may"
        ),
        service.request("DELETE", f"{read}?{QUERY}", token=TOKEN),
        service.request("GET", f"/{QUERY}"),
        service.get(read),
        service.get(f"{read}/history"),
        service.get("/v1/changes", limit=500),
        service.get("/v1/events", limit=500),
        service.get("/metrics"),
        service.get("/readyz"),
    ]


def break_the_database(url: str) -> None:
    """Take a table away, so that whatever is asked next fails in the middle."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(str(make_url(url).database))
        connection.execute("ALTER TABLE applicants RENAME TO taken_away")
        connection.commit()
        connection.close()
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ALTER TABLE applicants RENAME TO taken_away")


def test_nothing_that_was_marked_comes_out(service: Service, database_url: str) -> None:
    answers = every_path(service)
    break_the_database(database_url)
    who = payloads.new_applicant()
    answers.append(service.deliver("idngo", payloads.idngo(who, answer="GREEN", info=PERSON, externalUserId=PERSON)))
    for path in (f"/v1/applicants/idngo/{who}", f"/v1/applicants?external_user_id={PERSON}"):
        answers.append(service.request("GET", path, token="read-me-if-you-may"))
    said = service.standing("process-pending")
    told = b"\n".join(repr(answer.headers).encode() + answer.body for answer in answers).decode("latin-1") + said.stdout + said.stderr
    for output in (told, service.logged()):
        assert MARK not in output, output[max(0, output.index(MARK) - 300) : output.index(MARK) + 100]
        for secret in (*signing_secrets(), KEY, "operate-me-if-you-may", "read-me-if-you-may", "link-me-if-you-may"):
            assert secret not in output


def signing_secrets() -> list[str]:
    return [signing.IFCGATE_SECRET, signing.IDNGO_SECRET, signing.IDENFY_SECRET, signing.IDNGO_SANDBOX_SECRET]


def test_every_log_line_is_a_json_object(running: Service) -> None:
    every_path(running)
    lines = [line for line in running.logged().splitlines() if line]
    assert lines
    assert all("event" in json.loads(line) for line in lines)


def test_a_delivery_can_be_followed_through_the_logs_by_ids(running: Service) -> None:
    who = payloads.new_applicant()
    raw = json.dumps(payloads.idngo(who, answer="GREEN")).encode()
    answer = running.request("POST", "/webhooks/idngo", raw, signing.idngo(raw) | {"X-Request-Id": "followed-1"})
    event_id = answer.json["event_id"]
    running.settled(event_id)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in running.logged().splitlines() if event_id in line]

    # A worker logs a change once it is committed.
    eventually(lambda: [line for line in lines() if line["event"] == "an applicant changed"], "the change to be logged")
    assert any(line.get("request_id") == "followed-1" and line["vendor"] == "idngo" for line in lines())
    assert any(line["event"] == "an applicant changed" and line["status"] == "approved" for line in lines())


def test_no_log_line_holds_a_reference_or_a_user(running: Service) -> None:
    eventually(lambda: "log" in running.subscribers(), "the log to follow the feed")
    who, user = payloads.new_applicant(), "user-of-no-log-line"
    event = running.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId=user))
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["BLACKLIST"], at=after(days=1)))
    fell = eventually(lambda: [line for line in running.logged().splitlines() if "an approval fell" in line], "the warning")
    assert json.loads(fell[-1])["reversal"] == "adverse"
    assert event["id"] in running.logged()
    assert who not in running.logged()
    assert user not in running.logged()


@pytest.fixture(scope="module")
def with_a_marked_body(migrated_sqlite: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The database file of a service that was told of a marked person, and still runs."""
    folder = tmp_path_factory.mktemp("marked")
    path = folder / "kept.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    settings = {"DATABASE_URL": f"sqlite:///{path}", "REDIS_URL": f"{valkey_url}?db={next_part()}", "ENCRYPTION_KEYS": KEY}
    with Service(folder, settings) as service:
        service.told("idenfy", payloads.idenfy(payloads.new_scan(), data={"docNumber": PERSON}))
        yield path


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_bodies_are_not_readable_in_the_database_file(suffix: str, with_a_marked_body: Path) -> None:
    file = with_a_marked_body.with_name(with_a_marked_body.name + suffix)
    assert MARK.encode() not in (file.read_bytes() if file.exists() else b"")
