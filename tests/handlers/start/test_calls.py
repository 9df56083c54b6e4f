"""Calls to a vendor: at its pace, and side by side."""

from __future__ import annotations

import threading

import pytest

from handlers import clients
from handlers.clients.pacing import Pacing, Timer
from handlers.start import idenfy, idngo, ifcgate
from tests.support.downstream import Downstream, Message, Reply, answering, saying
from tests.support.vendors import starting


def test_no_call_waits_for_the_answer_to_another(server: Downstream) -> None:
    """Two answers are held until both requests are there."""
    both = threading.Barrier(2, timeout=60)

    def when_both_are_here(_: Message) -> Reply:
        both.wait()
        return answering({"reviewStatus": "init"})

    server.answer = when_both_are_here
    vendor, statuses = starting.idngo(server.url("")), []
    threads = [threading.Thread(target=lambda: statuses.append(vendor.status("68a7d46b"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == ["init", "init"]


@pytest.mark.parametrize(
    ("vendor", "allowed", "seconds"),
    [("ifcgate", 600, 60), ("idngo", 50, 5), ("idenfy", 10_000, 3600)],
)
def test_a_vendor_is_called_no_more_often_than_it_allows(vendor: str, allowed: int, seconds: int, server: Downstream) -> None:
    slept: list[float] = []
    timer = Timer(monotonic=lambda: sum(slept), sleep=slept.append)
    patience = Pacing(attempts_max=1, watch=timer)
    server.answer = saying(answering({"reviewStatus": "init", "scanRef": "a", "status": "ACTIVE", "case_id": "a"}))
    call = {
        "ifcgate": lambda: starter.verify(workflow="w", applicant_id="a", documents=(), key="k"),
        "idngo": lambda: starter.status("a"),
        "idenfy": lambda: starter.status("a"),
    }[vendor]
    starter = getattr(starting, vendor)(server.url(""), patience)
    for _ in range(10):
        call()
    assert sum(slept) >= 9 * seconds / allowed


def test_who_reads_and_who_begins_stay_within_what_a_vendor_allows() -> None:
    assert clients.ifcgate.REQUESTS_PER_MINUTE + ifcgate.CALLS_PER_MINUTE <= 600
    assert clients.idngo.REQUESTS_PER_MINUTE + idngo.CALLS_PER_MINUTE <= 300 * 12
    assert idngo.CALLS_PER_MINUTE <= 50 * 12
    assert idenfy.CALLS_PER_MINUTE * 60 <= 10_000
