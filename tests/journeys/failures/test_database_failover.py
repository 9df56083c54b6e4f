"""A PostgreSQL that fails over to its synchronous standby under deliveries: what was acknowledged is there and handled within a minute."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import KEY
from tests.support import payloads
from tests.support.outages import programs, standbys
from tests.support.outages.standbys import Pair
from tests.support.servers import NoPostgres
from tests.support.service import Service, eventually

SENDERS = 4

#: Of the applicants: the contract promises a minute after the database is back.
RIGHT_SECONDS = 60


@pytest.fixture
def pair() -> Iterator[Pair]:
    try:
        with standbys.pair() as found:
            yield found
    except NoPostgres as missing:
        programs.skip(missing)


class Senders:
    """Vendors' platforms that send approvals."""

    def __init__(self, service: Service) -> None:
        self._service, self._enough = service, threading.Event()
        self.statuses: Counter[int] = Counter()
        #: Applicants of deliveries that were answered 200.
        self.acknowledged: set[str] = set()

    def send(self) -> None:
        while not self._enough.is_set():
            who = payloads.new_applicant()
            answer = self._service.deliver("idngo", payloads.idngo(who, answer="GREEN"))
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.acknowledged.add(who)
            time.sleep(0.05)

    def stop(self) -> None:
        self._enough.set()


def stopped(pair: Pair) -> None:
    pair.primary.stop()


def hung(pair: Pair) -> None:
    """Its connections stay open, and it answers nothing, as with a disk that hangs."""
    pair.primary.signal_all(signal.SIGSTOP)


@pytest.mark.parametrize(
    ("spooling", "broken", "says"),
    [(True, stopped, "connection refused"), (False, stopped, "connection refused"), (False, hung, "timeout")],
    ids=["stopped, spooling", "stopped, without a spool", "hung, without a spool"],
)
def test_a_primary_fails_under_deliveries_and_nothing_acknowledged_is_lost(
    spooling: bool, broken: Callable[[Pair], None], says: str, pair: Pair, redis_url: str, tmp_path: Path
) -> None:
    several = pair.url("postgres").replace("standing@", "standing:geheim@")
    settings = {"DATABASE_URL": several, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    if spooling:
        settings["SPOOL_DIR"] = str(tmp_path / "spool")
    with Service(tmp_path, settings) as service, ThreadPoolExecutor(SENDERS) as threads:
        senders = Senders(service)
        sending = [threads.submit(senders.send) for _ in range(SENDERS)]
        try:
            eventually(lambda: len(senders.acknowledged) > 20, "deliveries to be acknowledged")
            broken(pair)
            time.sleep(1.0)
            pair.standby.promote()
            before = len(senders.acknowledged)
            eventually(lambda: service.get("/readyz").json.get("database") == "ok", "the next primary to be found")
            eventually(lambda: len(senders.acknowledged) > before + 20, "deliveries to be acknowledged again")
        finally:
            senders.stop()
        for one in sending:
            one.result()
        assert set(senders.statuses) <= ({200} if spooling else {200, 503})
        eventually(lambda: not waiting(pair.standby.url, senders.acknowledged), "all to be handled", seconds=RIGHT_SECONDS)
        numbers = ask(pair.standby.url, "SELECT number FROM transitions ORDER BY number")
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) == len(set(ask(pair.standby.url, "SELECT reference FROM transitions")))
        said = service.standing("doctor").stdout
        first, second = (f"127.0.0.1:{make_url(server.url).port}" for server in (pair.primary, pair.standby))
        assert f"{first} cannot be used: {says}" in said
        assert f"{second} is a primary" in said
        assert f'"host":"{second}"' in service.logged()
        assert "geheim" not in said + service.logged()


def ask(url: str, query: str) -> list[object]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def waiting(url: str, acknowledged: set[str]) -> set[str]:
    """Applicants of acknowledged events that are not approved yet."""
    return acknowledged - set(ask(url, "SELECT reference FROM applicants WHERE status = 'approved'"))
