"""Two web hosts and three worker hosts on one PostgreSQL and one Valkey: cables are pulled, and nothing is lost, doubled or misordered."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from receiver.local import valkey as embedded
from tests.conftest import KEY
from tests.support import payloads, servers, signing
from tests.support.network.hosts import Host, HostService, NoHosts, hosts
from tests.support.payloads import after
from tests.support.servers import NoPostgres
from tests.support.service import Service, end, eventually

SENDERS, APPLICANTS_EACH = 6, 20


@dataclass
class Site:
    """Everything, as it stands in a data centre."""

    url: str
    #: From this machine, through PostgreSQL's own socket.
    local_url: str
    web_hosts: list[Host]
    worker_hosts: list[Host]
    web: list[Service] = field(default_factory=list)
    workers: list[Service] = field(default_factory=list)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        try:
            network, here, (*web_hosts, first, second, third) = stack.enter_context(hosts(5))
            cluster = stack.enter_context(servers.throwaway_cluster())
        except (NoHosts, NoPostgres) as missing:
            pytest.skip(str(missing))
        cluster.listen(here, network)
        local_url = stack.enter_context(cluster.database())
        url = make_url(local_url).set(host=here, query={}).render_as_string(hide_password=False)
        command = embedded.command(socket=tmp_path / "vk", data=tmp_path / "valkey")
        queue = subprocess.Popen([*command, "--bind", here, "--port", "6390", "--protected-mode", "no"], stdout=subprocess.DEVNULL)
        stack.callback(end, queue)
        made = Site(url, local_url, web_hosts, [first, second, third])
        settings = {"DATABASE_URL": url, "REDIS_URL": f"redis://{here}:6390", "ENCRYPTION_KEYS": KEY}
        for number, host in enumerate([*web_hosts, *made.worker_hosts]):
            folder = tmp_path / f"host{number}"
            folder.mkdir()
            service = HostService(host, folder, settings)
            stack.callback(lambda one=service: [end(process) for process in one.processes])
            if host in web_hosts:
                made.web.append(service)
                service.start_web()
            else:
                made.workers.append(service)
                service.start_worker()
        eventually(lambda: service_count(made) == 3, "three workers")
        yield made


def service_count(site: Site) -> int:
    # None as long as they cannot be counted in time.
    return int(site.web[0].get("/readyz").json["workers"] or 0)


class Sender:
    """A vendor's platform: sends to one host after the other until one of them says 200, in the order of each story."""

    def __init__(self, site: Site, number: int) -> None:
        self._site, self._turn = site, itertools.count(number)
        self.acknowledged: Counter[str] = Counter()

    def send(self, vendor: str, raw: bytes) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            web = self._site.web[next(self._turn) % 2]
            try:
                answer = web.request("POST", f"/webhooks/{vendor}", raw, signing.headers(vendor, raw), timeout=2)
            except OSError:
                continue
            if answer.status == 200:
                self.acknowledged[answer.json["event_id"]] += 1
                return
            time.sleep(0.1)
        raise AssertionError("nobody took it")

    def tell(self, stories: list[tuple[str, str]]) -> None:
        """Each vendor's story in its steps, all side by side; every delivery twice."""
        for step in range(3):
            for who, scan in stories:
                verdict = payloads.idenfy(scan, ["REVIEWING", "APPROVED", "DENIED"][step], final=step > 0)
                for vendor, body in (("idngo", idngo_step(who, step)), ("idenfy", verdict)):
                    raw = json.dumps(body).encode()
                    self.send(vendor, raw)
                    self.send(vendor, raw)


def idngo_step(who: str, step: int) -> dict[str, object]:
    at = after(minutes=step)
    if step == 0:
        return payloads.idngo(who, "applicantPending", at=at, status="pending")
    return payloads.idngo(who, answer="GREEN", at=at) if step == 1 else payloads.idngo(who, answer="RED", reject="FINAL", at=at)


def test_cables_are_pulled_and_nothing_is_lost_doubled_or_misordered(site: Site) -> None:
    stories = [[(payloads.new_applicant(), payloads.new_scan()) for _ in range(APPLICANTS_EACH)] for _ in range(SENDERS)]
    senders = [Sender(site, number) for number in range(SENDERS)]
    with ThreadPoolExecutor(SENDERS) as threads:
        told = [threads.submit(sender.tell, some) for sender, some in zip(senders, stories, strict=True)]
        for host in (site.worker_hosts[0], site.web_hosts[0], site.worker_hosts[1]):
            time.sleep(0.7)
            host.cut()
            threading.Timer(2.0, host.repair).start()
        for one in told:
            one.result()
    acknowledged = sum((sender.acknowledged for sender in senders), Counter[str]())
    with psycopg.connect(site.local_url, autocommit=True) as connection:

        def ask(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query.encode()).fetchall()

        # What a cut-off worker holds is handled when its lease has run out.
        eventually(lambda: ask("SELECT count(*) FROM events WHERE status = 'pending'") == [(0,)], "all to be handled", seconds=60)
        kept = {str(event_id): deliveries for event_id, deliveries in ask("SELECT id, deliveries FROM events")}
        assert set(acknowledged) <= set(kept)
        # What hung in a pulled cable may arrive after it was sent again, and after what followed it: then it is known for a repeat.
        assert ask("SELECT count(*) FROM events WHERE NOT repeat") == [(SENDERS * APPLICANTS_EACH * 6,)]
        # A delivery that was committed and whose answer was lost on the way came again.
        assert all(kept[event_id] >= count for event_id, count in acknowledged.items())
        standing = ask("SELECT status, count(*) FROM applicants GROUP BY status")
        assert standing == [("rejected", SENDERS * APPLICANTS_EACH * 2)]
        numbers = [number for (number,) in ask("SELECT number FROM transitions ORDER BY number")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert ask("SELECT count(*) FROM transitions WHERE reversal = 'adverse'")[0][0] <= SENDERS * APPLICANTS_EACH * 2
    # A worker logs a change once it is committed.
    for worker in site.workers:
        eventually(lambda one=worker: "an applicant changed" in one.logged(), "each worker to have changed an applicant")
