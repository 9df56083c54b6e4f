"""Many at once: strangers who say little, large bodies, and readers who wait, hinder no delivery."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.support import payloads
from tests.support.service import PATIENCE_SECONDS, Service, eventually


@pytest.fixture
def service(redis_url: str, database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "WEB_CONCURRENCY": "1"}
    with Service(tmp_path, settings | getattr(request, "param", {})) as made:
        yield made


def begun(service: Service, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=20)
    connection.sendall(text)
    return connection


@pytest.mark.alone
def test_who_says_nothing_more_hinders_nobody_and_is_let_go(service: Service) -> None:
    head = b"POST /webhooks/idngo HTTP/1.1\r\nHost: standing.example\r\nContent-Length: 500\r\n\r\nhalf"
    with ExitStack() as stack:
        silent = [stack.enter_context(begun(service, text)) for text in (b"", b"POST /webhooks/idngo HT", head) for _ in range(40)]
        began = time.monotonic()
        assert service.deliver("idngo", payloads.idngo(payloads.new_applicant())).status == 200
        assert time.monotonic() - began < 3
        for connection in silent:
            while connection.recv(4096):
                pass
        assert time.monotonic() - began < 15


@pytest.mark.alone
def test_large_bodies_that_hang_keep_no_other_body_waiting(service: Service) -> None:
    forged = b"POST /webhooks/idngo HTTP/1.1\r\nHost: standing.example\r\nx-payload-digest: 00\r\nContent-Length: 1000000\r\n\r\nhalf"
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(begun(service, forged))
        time.sleep(0.2)
        for more in ("", "x" * 100_000):
            began = time.monotonic()
            assert service.deliver("idngo", payloads.idngo(payloads.new_applicant()) | {"more": more}).status == 200
            assert time.monotonic() - began < 2


@pytest.mark.alone
def test_of_many_who_wait_each_hears_of_a_change_and_one_beyond_the_places_is_answered_at_once(service: Service) -> None:
    def wait(_: int) -> tuple[float, int]:
        answer = service.get("/v1/changes", after="latest", wait=20)
        return time.monotonic(), len(answer.json["data"])

    with ThreadPoolExecutor(51) as threads:
        waiting = [threads.submit(wait, number) for number in range(51)]
        eventually(lambda: sum(one.done() for one in waiting) == 1, "one to be turned away")
        began = time.monotonic()
        service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        answers = [one.result() for one in waiting]
    assert sorted(count for _, count in answers) == [0] + [1] * 50
    assert max(at for at, _ in answers) - began < 10, "one waited on, as though it had not been woken"


@pytest.mark.parametrize("service", [{"WEB_CONNECTIONS": "12"}], indirect=True, ids=["three places"])
def test_at_the_end_of_the_process_who_waits_is_answered_and_holds_nobody_up(service: Service) -> None:
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(service.get, "/v1/changes", after="latest", wait=30) for _ in range(4)]
        eventually(lambda: sum(one.done() for one in waiting) == 1, "the others to have all places")
        began = time.monotonic()
        service.web.terminate()
        answers = [one.result() for one in waiting]
        service.web.wait(PATIENCE_SECONDS)
    assert [(answer.status, answer.json["data"]) for answer in answers] == [(200, [])] * 4
    assert time.monotonic() - began < 15, "somebody waited on"
