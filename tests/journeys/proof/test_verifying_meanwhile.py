"""A log is verified while the service works: what is delivered, handled, erased and logged meanwhile is no fault."""

from __future__ import annotations

import threading

import pytest

from tests.journeys.proof.test_verifying import approved
from tests.support.privacy.calls import requested, send
from tests.support.service import Service


@pytest.mark.both_databases
def test_nothing_that_a_service_does_meanwhile_is_taken_for_a_fault(service: Service) -> None:
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            who, _ = approved(service)
            made = requested(service, vendor="idngo", reference=who)
            send(service, f"/v1/erasures/{made}/approve", reason="nothing keeps it")

    working = threading.Thread(target=work)
    working.start()
    try:
        for _ in range(4):
            found = service.standing("log", "verify")
            assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr
    finally:
        stopping.set()
        working.join()
