"""A rolling upgrade and a rollback: processes of the version before run beside this version's on the upgraded tables, under traffic."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.conftest import KEY
from tests.journeys.failures.test_many_hosts import idngo_step
from tests.support import payloads, signing
from tests.support.servers import Postgres
from tests.support.service import Service, end, eventually
from tests.support.version_before import NoVersionBefore, ServiceBefore, is_shallow, unpack

SENDERS = 2

#: Deliveries that both web services have accepted before the next step of the upgrade.
ACCEPTED_EACH = 15

CHANGED = "an applicant changed"


@dataclass
class Site:
    """Two versions on one database: each is one host with a web service and a worker."""

    url: str
    before: ServiceBefore
    now: Service
    #: To which web services the balancer passes deliveries.
    webs: list[Service] = field(default_factory=list)
    accepted: Counter[Service] = field(default_factory=Counter)
    #: Event ids, as often as each was acknowledged.
    acknowledged: Counter[str] = field(default_factory=Counter)
    stories: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    def join(self, host: Service) -> None:
        """Start a host's processes, and have it take part."""
        host.start_worker()
        host.start_web()
        self.webs.append(host)

    def leave(self, host: Service) -> None:
        """Take a host out of the balancer, and end its processes."""
        self.webs.remove(host)
        end(*host.processes)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def site(postgres: Postgres | None, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    if postgres is None:
        pytest.skip("no PostgreSQL")
    try:
        unpack(tmp_path / "code")
    except NoVersionBefore as missing:
        if os.environ.get("CI") and not is_shallow():
            raise
        pytest.skip(str(missing))
    with postgres.empty_database() as url:
        settings = {"DATABASE_URL": url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "WEB_CONCURRENCY": "1"}
        settings |= {"ERASURE_LEDGER": str(tmp_path / "ledger"), "LOG_STATE": str(tmp_path / "log-state")}
        for name in ("before", "now"):
            (tmp_path / name).mkdir()
        before = ServiceBefore(tmp_path / "before", settings, code=tmp_path / "code")
        now = Service(tmp_path / "now", settings, worker=False)
        try:
            yield Site(url, before, now)
        finally:
            end(*before.processes, *now.processes)


@contextmanager
def traffic(site: Site) -> Iterator[None]:
    """Vendors that go on sending: one story after the other, each to its end."""
    stopping = threading.Event()

    def play() -> None:
        while not stopping.is_set():
            with site.counting:
                site.stories += 1
            who, scan = payloads.new_applicant(), payloads.new_scan()
            for step in range(3):
                send_twice(site, "idngo", idngo_step(who, step))
                send_twice(site, "idenfy", payloads.idenfy(scan, ["REVIEWING", "APPROVED", "DENIED"][step], final=step > 0))

    with ThreadPoolExecutor(SENDERS) as threads:
        playing = [threads.submit(play) for _ in range(SENDERS)]
        try:
            yield
        finally:
            stopping.set()
        for one in playing:
            one.result()


def send_twice(site: Site, vendor: str, body: dict[str, object]) -> None:
    """Send a delivery through the first web service, then through the last; each again until one accepts it."""
    raw = json.dumps(body).encode()
    for place in (0, -1):
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, "no web service accepted a delivery"
            web = site.webs[place]
            try:
                answer = web.request("POST", f"/webhooks/{vendor}", raw, signing.headers(vendor, raw), timeout=10)
            except OSError:
                continue
            if answer.status == 200:
                break
            time.sleep(0.1)
        time.sleep(0.02)
        with site.counting:
            site.accepted[web] += 1
            site.acknowledged[answer.json["event_id"]] += 1


def wait_for_more(site: Site, *hosts: Service) -> None:
    """Wait until web services have accepted more deliveries, and workers have changed more applicants."""
    accepted, changed = site.accepted.copy(), {host: host.logged().count(CHANGED) for host in hosts}

    def went_on(host: Service) -> bool:
        return site.accepted[host] >= accepted[host] + ACCEPTED_EACH and host.logged().count(CHANGED) > changed[host]

    eventually(lambda: all(map(went_on, hosts)), "deliveries to be accepted and handled", seconds=60)


def test_two_versions_run_side_by_side_and_nothing_is_lost_doubled_or_misordered(site: Site) -> None:
    before, now = site.before, site.now
    site.join(before)
    with traffic(site):
        wait_for_more(site, before)
        assert now.standing("migrate").returncode == 0
        wait_for_more(site, before)  # The version before on the new tables.
        site.join(now)
        wait_for_more(site, before, now)
        site.leave(before)
        wait_for_more(site, now)
        site.join(before)  # A rollback begins.
        wait_for_more(site, before, now)
        site.leave(now)
        wait_for_more(site, before)
        site.join(now)
        wait_for_more(site, before, now)
    assert before.runs_its_own_code()
    eventually(lambda: site.ask("SELECT count(*) FROM events WHERE status = 'pending'") == [(0,)], "all to be handled", seconds=60)
    check_states(site)
    site.leave(before)
    verified = now.standing("log", "verify")
    assert (verified.returncode, verified.stdout) == (0, ""), verified.stdout + verified.stderr


def check_states(site: Site) -> None:
    kept = {str(event_id): deliveries for event_id, deliveries in site.ask("SELECT id, deliveries FROM events")}
    assert site.acknowledged.keys() <= kept.keys()
    assert all(kept[event_id] >= count for event_id, count in site.acknowledged.items())
    assert site.ask("SELECT count(*) FROM events WHERE NOT repeat") == [(site.stories * 6,)]
    assert site.ask("SELECT status, count(*) FROM applicants GROUP BY status") == [("rejected", site.stories * 2)]
    numbers = [number for (number,) in site.ask("SELECT number FROM transitions ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
