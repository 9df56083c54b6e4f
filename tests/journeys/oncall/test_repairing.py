"""`standing rebuild --apply` beside live traffic: what was tampered with is repaired, and nothing that arrives meanwhile is lost."""

from __future__ import annotations

import sqlite3
import threading

import psycopg
from sqlalchemy import make_url

from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import PATIENCE_SECONDS, Service, eventually

APPLICANTS = 30


def tamper(url: str) -> None:
    """Write into the applicants' table past the service, as nobody should."""
    statement = "UPDATE applicants SET status = 'approved', final = {} WHERE status = 'in_review'"
    if url.startswith("sqlite"):
        connection = sqlite3.connect(str(make_url(url).database), timeout=10)
        connection.execute(statement.format(1))
        connection.commit()
        connection.close()
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(statement.format("true").encode())


def test_a_repairing_beside_live_traffic_loses_nothing_and_tells_each_change_once(service: Service, database_url: str) -> None:
    whose = [payloads.new_applicant() for _ in range(APPLICANTS)]
    for who in whose:
        service.kept("idngo", payloads.idngo(who, "applicantPending", status="pending"))
    eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "the first events to be handled")
    tamper(database_url)
    going_on = threading.Event()

    def verdicts() -> None:
        # The same applicants that are being repaired get their verdicts meanwhile.
        for minute in range(1, 14):
            for who in whose:
                answer = "GREEN" if minute % 2 else "RED"
                service.kept("idngo", payloads.idngo(who, answer=answer, reject=None if minute % 2 else "FINAL", at=after(minutes=minute)))
                going_on.set()

    traffic = threading.Thread(target=verdicts)
    traffic.start()
    assert going_on.wait(PATIENCE_SECONDS)
    repairing = service.standing("rebuild", "--apply", "--yes", "--max-changes", "1000")
    traffic.join()
    assert repairing.returncode == 0, repairing.stderr
    eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "everything to be handled")
    assert service.standing("rebuild").returncode == 0
    for who in whose:
        applicant = service.applicant("idngo", who)
        assert applicant["status"] == "approved"
        assert len(service.history("idngo", who)) == applicant["version"]
