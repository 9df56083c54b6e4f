"""A process killed exactly between two steps of the spine. What was acknowledged is applied, and once."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service, eventually


@pytest.mark.parametrize("point", ["inserted", "committed"])
def test_a_web_process_killed_before_its_answer_leaves_one_event_once_the_vendor_sends_again(
    faults_and_service: tuple[Path, Service], point: str
) -> None:
    faults, service = faults_and_service
    scan = payloads.new_scan()
    for overall in ("APPROVED", "DENIED"):
        body = payloads.idenfy(scan, overall)
        (faults / point).write_text("kill")
        with pytest.raises((OSError, http.client.HTTPException)):
            service.deliver("idenfy", body)
        assert not (faults / point).exists()
        event = service.told("idenfy", body)
        assert (event["status"], event["repeat"]) == ("applied", False)
    assert [change["to"] for change in service.history("idenfy", scan)] == ["approved", "rejected"]


@pytest.mark.parametrize("point", ["answered", "claimed", "interpret", "written", "settled", "handled"])
def test_a_worker_killed_between_two_steps_loses_and_doubles_nothing(faults_and_service: tuple[Path, Service], point: str) -> None:
    faults, service = faults_and_service
    who = payloads.new_applicant()
    (faults / point).write_text("kill")
    kept = [
        service.kept("idngo", payloads.idngo(who, answer="GREEN")),
        service.kept("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=1))),
    ]
    eventually(lambda: not (faults / point).exists(), f"a worker to come to {point!r}")
    events = [service.settled(event_id) for event_id in kept]
    applicant, history = service.applicant("idngo", who), service.history("idngo", who)
    assert applicant["status"] == "rejected"
    assert [change["event_id"] for change in history] == [event["id"] for event in events if event["status"] == "applied"]
    assert applicant["version"] == len(history)


@pytest.mark.parametrize("seconds", ["7200", "-7200"])
def test_a_clock_that_was_wrong_delays_nothing_once_it_is_right(faults_and_service: tuple[Path, Service], seconds: str) -> None:
    faults, service = faults_and_service
    who, point = payloads.new_applicant(), faults / "claimed"
    (faults / "clock").write_text(seconds)
    point.write_text("kill")
    kept = service.kept("idngo", payloads.idngo(who, answer="GREEN"))
    eventually(lambda: not point.exists(), "a worker to die of it")
    (faults / "clock").unlink()
    assert service.settled(kept)["status"] == "applied"
    assert service.applicant("idngo", who)["status"] == "approved"
