"""A relay that is not running, hangs, or is killed: the caller is answered 503, and deliveries are not affected."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.receiver.uploads.conftest import Uploading
from tests.support import payloads
from tests.support.service import Answer, end, eventually

IMAGE = {"front": os.urandom(2_000_000)}


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def under_way(service: Uploading, threads: ThreadPoolExecutor, what: str) -> Future[Answer]:
    """An upload that the relay has taken."""
    begun = threads.submit(service.upload, what, IMAGE)
    eventually(lambda: service.has_whole(what), "the relay to have the images")
    assert not begun.done()
    return begun


def refused(answer: Answer) -> bool:
    """Whether the caller is asked to send the images again."""
    return answer.status == 503 and int(answer.headers["retry-after"]) == 30 and "send them again" in answer.json["detail"]


def works(service: Uploading) -> bool:
    return service.upload("idngo:take:0", IMAGE).status == 202


def test_the_doctor_says_whether_a_relay_is_running(uploading_service: Uploading) -> None:
    assert f"it takes images on {uploading_service.socket}" in uploading_service.standing("doctor").stdout
    end(uploading_service.relay)
    assert "no relay is running on this host" in uploading_service.standing("doctor").stdout
    uploading_service.start_relay()
    assert "did not arrive whole" not in uploading_service.logged()


def test_without_a_relay_uploads_are_refused_and_deliveries_kept(uploading_service: Uploading) -> None:
    end(uploading_service.relay)
    assert refused(uploading_service.upload("idngo:take:0", IMAGE))
    assert uploading_service.kept("idngo", payloads.idngo(payloads.new_applicant()))
    uploading_service.start_relay()
    assert works(uploading_service)


def test_a_relay_that_is_killed_in_the_middle_is_noticed_and_its_socket_replaced(
    uploading_service: Uploading, threads: ThreadPoolExecutor
) -> None:
    begun = under_way(uploading_service, threads, "idngo:hang")
    uploading_service.relay.kill()
    assert refused(begun.result())
    assert uploading_service.socket.exists()
    uploading_service.relay.wait()
    uploading_service.start_relay()
    eventually(lambda: works(uploading_service), "the next relay to take an upload")
    assert stat.S_IMODE(uploading_service.socket.stat().st_mode) == 0o600


def test_a_relay_that_is_frozen_is_noticed(uploading_service: Uploading) -> None:
    uploading_service.relay.send_signal(signal.SIGSTOP)
    try:
        assert refused(uploading_service.upload("idngo:take:0", IMAGE))
    finally:
        uploading_service.relay.send_signal(signal.SIGCONT)
    assert works(uploading_service)


def test_a_second_relay_is_refused(uploading_service: Uploading) -> None:
    first = uploading_service.relay
    try:
        second = uploading_service.start_relay(wait=False)
        assert second.wait(60) == 1
    finally:
        uploading_service.relay = first
    assert works(uploading_service)


def test_an_upload_under_way_is_finished_when_the_relay_is_asked_to_end(uploading_service: Uploading, threads: ThreadPoolExecutor) -> None:
    begun = under_way(uploading_service, threads, "idngo:take:8")
    uploading_service.relay.terminate()
    assert begun.result().status == 202
    assert uploading_service.relay.wait(60) == 0
    assert not uploading_service.socket.exists()
    uploading_service.start_relay()
