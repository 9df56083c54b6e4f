"""An approved erasure is carried out by a worker, beside live traffic, within seconds; whatever process dies at whatever step."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import approved, erased, feed, is_erased, until_done
from tests.support.service import Service, eventually

#: The steps of an erasure, as fault points.
STEPS = ["erasure chosen", "erasure in the ledger", "erasure fenced", "erasure erased events", "erasure emptied changes"]


@contextmanager
def traffic(service: Service) -> Iterator[list[str]]:
    """A vendor that goes on telling, of many; yields whom it told of."""
    told: list[str] = []
    stopping = threading.Event()

    def deliver() -> None:
        while not stopping.wait(0.05):
            who = payloads.new_applicant()
            service.kept("idngo", payloads.idngo(who, answer="GREEN"))
            told.append(who)

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        yield told
    finally:
        stopping.set()
        thread.join()


def a_shared_alert(service: Service, *scans: str) -> None:
    for scan in scans:
        service.told("idenfy", payloads.idenfy(scan, "APPROVED"))
    alert = payloads.idenfy_monitoring(list(scans), "ALERT", monitoring=payloads.new_scan())
    service.told("idenfy", alert, event_type="AML_MONITORING")


def test_an_approved_erasure_is_carried_out_within_seconds_and_the_log_names_nobody(faults_and_service: tuple[Path, Service]) -> None:
    _, service = faults_and_service
    mine, other = payloads.new_applicant(), payloads.new_applicant()
    for who in (mine, other):
        service.told("idngo", payloads.idngo(who, answer="GREEN"))
    before = service.applicant("idngo", other)
    erasure_id = erased(service, vendor="idngo", reference=mine)
    assert is_erased(service, "idngo", mine)
    assert service.applicant("idngo", other) == before
    late = service.told("idngo", payloads.idngo(mine, answer="RED", reject="FINAL", at=after(days=1)))
    assert (late["status"], late["reference"]) == ("ignored", None)
    assert is_erased(service, "idngo", mine)
    eventually(lambda: erasure_id in service.logged(), "the erasure to be logged")
    assert mine not in service.logged()


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_between_two_steps_leaves_an_erasure_that_is_resumed(faults_and_service: tuple[Path, Service], step: str) -> None:
    faults, service = faults_and_service
    mine, other = payloads.new_scan(), payloads.new_scan()
    a_shared_alert(service, mine, other)
    before = service.applicant("idenfy", other)
    assert before["flags"] == ["MONITORING_ALERT"]
    (faults / step).write_text("kill")
    with traffic(service) as told:
        erasure_id = approved(service, vendor="idenfy", reference=mine)
        eventually(lambda: not (faults / step).exists(), f"a process to come to {step!r}")
        service.kept("idenfy", payloads.idenfy(mine, "DENIED"))
        done = until_done(service, erasure_id)
    assert (done["applicants"], done["reference"], done["external_user_id"]) == (1, None, None)
    eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "everything to be handled")
    assert is_erased(service, "idenfy", mine)
    assert service.applicant("idenfy", other) == before
    assert {service.applicant("idngo", who)["status"] for who in told[:: len(told) // 10 + 1]} == {"approved"}
    assert [entry["type"] for entry in feed(service) if entry.get("reference") == mine] == ["applicant.erased"]
    assert mine not in service.standing("events", "list", "--json", "--limit", "500").stdout
    rebuilt = service.standing("rebuild", "--check")
    assert rebuilt.returncode == 0, rebuilt.stdout


def test_two_workers_erase_each_applicant_once(faults_and_service: tuple[Path, Service]) -> None:
    _, service = faults_and_service
    second = service.start_worker()
    try:
        eventually(lambda: (service.get("/readyz").json["workers"] or 0) >= 2, "both workers to be up")
        everybody = [payloads.new_applicant() for _ in range(12)]
        for who in everybody:
            service.kept("idngo", payloads.idngo(who, answer="GREEN"))
        eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "everything to be handled")
        asked = [approved(service, vendor="idngo", reference=who) for who in everybody]
        done = [until_done(service, erasure_id) for erasure_id in asked]
        assert [(one["applicants"], one["events"]) for one in done] == [(1, 1)] * len(done)
        told = [entry["reference"] for entry in feed(service) if entry["type"] == "applicant.erased"]
        assert sorted(who for who in told if who in everybody) == sorted(everybody)
    finally:
        second.terminate()
        second.wait()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everything")
def test_a_host_that_cannot_write_the_ledger_erases_nothing_and_says_so(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    folder = service.folder / "var"
    folder.chmod(0o500)
    try:
        approved(service, vendor="idngo", reference=who)
        eventually(lambda: "nothing is erased" in service.logged(), "the log to say so")
        assert service.applicant("idngo", who)["status"] == "approved"
        assert "cannot be written by this host: it erases nothing" in service.standing("status").stdout
    finally:
        folder.chmod(0o700)
