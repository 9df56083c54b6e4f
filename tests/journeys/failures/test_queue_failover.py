"""A Valkey that fails over under deliveries: Sentinels name another primary, and wake-ups go there. No event depends on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.support import payloads
from tests.support.outages import programs, sentinels
from tests.support.outages.sentinels import NoRedis, Server, Watched
from tests.support.service import Service, eventually


@pytest.fixture
def failing() -> Iterator[Watched]:
    try:
        with sentinels.watched() as found:
            yield found
    except NoRedis as missing:
        programs.skip(missing)


def woken(server: Server) -> int:
    """How many wake-ups a server took, and handed to a worker that waited for one."""
    calls = server.info("commandstats")
    return min(int(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("rpush", "blpop"))


def refused(server: Server) -> list[str]:
    """What a server refused to the service's user."""
    with server.client() as client:
        return [f"{entry['reason']} {entry['object']}" for entry in client.acl_log()]


@pytest.mark.alone
def test_a_primary_is_killed_under_deliveries_and_wake_ups_go_to_the_next(failing: Watched, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'standing.sqlite3'}", "REDIS_URL": failing.url(), "ENCRYPTION_KEYS": KEY}
    told: dict[str, str] = {}
    answers: set[int] = set()
    enough = threading.Event()
    former, following = failing.servers

    def send(service: Service) -> None:
        while not enough.is_set():
            who = payloads.new_applicant()
            answer = service.deliver("idngo", payloads.idngo(who, answer="GREEN"))
            answers.add(answer.status)
            told[who] = answer.json["event_id"]
            time.sleep(0.1)

    with Service(tmp_path, settings) as service:
        sender = threading.Thread(target=send, args=(service,))
        sender.start()
        try:
            eventually(lambda: woken(former) > 5, "wake-ups")
            failing.fail_over()
            before = len(told)
            eventually(lambda: woken(following) > 5, "wake-ups by the other server")
            eventually(lambda: service.get("/readyz").json["queue"] == "ok", "the queue to be well")
        finally:
            enough.set()
            sender.join()
        assert answers == {200}
        assert len(told) > before
        for who, event_id in told.items():
            service.settled(event_id)
            assert service.applicant("idngo", who)["status"] == "approved"
        said = service.standing("doctor").stdout
        assert said.count(f" names 127.0.0.1:{following.port}") == 3
        assert sentinels.PASSWORD not in said + service.logged()
        service.end()
    assert refused(following) == []
