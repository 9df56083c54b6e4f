"""A PostgreSQL that fails over to its synchronous standby under deliveries: what was acknowledged is there and handled within a minute."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
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
    """Vendors' platforms that send approvals, each until it is acknowledged."""

    def __init__(self, service: Service) -> None:
        self._service, self._enough = service, threading.Event()
        self.statuses: Counter[int] = Counter()
        #: The event of each applicant.
        self.acknowledged: dict[str, str] = {}

    def send(self) -> None:
        while not self._enough.is_set():
            who = payloads.new_applicant()
            while (answer := self._service.deliver("idngo", payloads.idngo(who, answer="GREEN"))).status != 200:
                self.statuses[answer.status] += 1
                time.sleep(0.2)
            self.statuses[200] += 1
            self.acknowledged[who] = answer.json["event_id"]
            time.sleep(0.05)

    def stop(self) -> None:
        self._enough.set()


@pytest.mark.parametrize("spooling", [True, False], ids=["spooling", "without a spool"])
def test_a_primary_is_stopped_under_deliveries_and_nothing_acknowledged_is_lost(
    spooling: bool, pair: Pair, redis_url: str, tmp_path: Path
) -> None:
    with pair.primary.database() as url:
        several = pair.url(str(make_url(url).database)).replace("standing@", "standing:geheim@")
        settings = {"DATABASE_URL": several, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
        if spooling:
            settings["SPOOL_DIR"] = str(tmp_path / "spool")
        with Service(tmp_path, settings) as service, ThreadPoolExecutor(SENDERS) as threads:
            senders = Senders(service)
            sending = [threads.submit(senders.send) for _ in range(SENDERS)]
            try:
                eventually(lambda: len(senders.acknowledged) > 20, "deliveries to be acknowledged")
                pair.primary.stop()
                time.sleep(1.0)
                pair.standby.promote()
                before = len(senders.acknowledged)
                eventually(lambda: service.get("/readyz").json.get("database") == "ok", "the next primary to be found", seconds=30)
                eventually(lambda: len(senders.acknowledged) > before + 20, "deliveries to be acknowledged again", seconds=30)
            finally:
                senders.stop()
            for one in sending:
                one.result()
            assert set(senders.statuses) <= ({200} if spooling else {200, 503})
            there = make_url(pair.standby.url).set(database=make_url(url).database).render_as_string(hide_password=False)
            eventually(lambda: not waiting(there, senders.acknowledged), "all to be handled", seconds=RIGHT_SECONDS)
            numbers = ask(there, "SELECT number FROM transitions ORDER BY number")
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) == len(set(ask(there, "SELECT reference FROM transitions")))
            said = service.standing("doctor").stdout
            first, second = (f"127.0.0.1:{make_url(server.url).port}" for server in (pair.primary, pair.standby))
            assert f"{first} cannot be used: connection refused" in said
            assert f"{second} is a primary" in said
            assert f'"host":"{second}"' in service.logged()
            assert "geheim" not in said + service.logged()


def ask(url: str, query: str) -> list[object]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def waiting(url: str, acknowledged: dict[str, str]) -> set[str]:
    """Applicants of acknowledged events that are not approved yet."""
    return set(acknowledged) - set(ask(url, "SELECT reference FROM applicants WHERE status = 'approved'"))
