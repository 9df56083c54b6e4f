"""PostgreSQL fails over to a synchronous standby, while the old primary runs on alone: nothing is lost, doubled or misordered."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from receiver.local import valkey as embedded
from receiver.simulator import client
from tests.conftest import KEY
from tests.faults.reader import Reader
from tests.support import payloads
from tests.support.network.hosts import Host, HostService, NoHosts, hosts
from tests.support.outages.patroni import Cluster, Member, NoPatroni, patroni
from tests.support.payloads import after
from tests.support.service import Service, end, eventually, free_port

#: The contract's: an answer within 2 s. The rest is the noise of a busy machine.
ANSWERED_SECONDS_MAX = 2 + 3

#: From the promotion until every state is right.
RIGHT_SECONDS_MAX = 60


class Platform(threading.Thread):
    """A vendor's platform: one story after another, each delivery once, to one web process; on a host of its own if one is given."""

    def __init__(self, web: Service, *, on: Host | None = None) -> None:
        super().__init__(daemon=True)
        self._web, self._on, self._ended = web, on, threading.Event()
        #: The ids of the events, and every answer: its status (0: none) and how long it took.
        self.acknowledged: list[str] = []
        self.answers: list[tuple[int, float]] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            if self._on:
                self._on.enter()
            while not self._ended.is_set():
                who, scan = payloads.new_applicant(), payloads.new_scan()
                for step, verdict in enumerate(("REVIEWING", "APPROVED", "DENIED")):
                    self._send("idngo", idngo_step(who, step))
                    self._send("idenfy", payloads.idenfy(scan, verdict, final=step > 0))
        except Exception as error:
            self.failure = error

    def finish(self) -> None:
        """Let the story that is under way come to its end."""
        self._ended.set()
        self.join(60)
        assert self.failure is None
        assert not self.is_alive()

    def _send(self, vendor: str, body: dict[str, Any]) -> None:
        began = time.monotonic()
        answer = self._web.deliver(vendor, body)
        self.answers.append((answer.status, time.monotonic() - began))
        if answer.status == 200:
            self.acknowledged.append(answer.json["event_id"])
        time.sleep(0.05)


def idngo_step(who: str, step: int) -> dict[str, Any]:
    at = after(minutes=step)
    if step == 0:
        return payloads.idngo(who, "applicantPending", at=at, status="pending")
    return payloads.idngo(who, answer="GREEN", at=at) if step == 1 else payloads.idngo(who, answer="RED", reject="FINAL", at=at)


@dataclass
class Site:
    """A primary with a web process beside it, a standby, and everything else on this machine."""

    cluster: Cluster
    near: Service
    far: Service
    platforms: list[Platform] = field(default_factory=list)

    @property
    def standby(self) -> Member:
        return self.cluster.members[1]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        try:
            network, here, machines = stack.enter_context(hosts(2))
            cluster = stack.enter_context(patroni(machines, here, network))
        except (NoHosts, NoPatroni) as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))
        port = str(free_port())
        command = embedded.command(socket=tmp_path / "vk", data=tmp_path / "valkey")
        queue = subprocess.Popen([*command, "--bind", here, "--port", port, "--protected-mode", "no"], stdout=subprocess.DEVNULL)
        stack.callback(end, queue)
        settings = {"DATABASE_URL": cluster.url, "REDIS_URL": f"redis://{here}:{port}", "ENCRYPTION_KEYS": KEY}
        folders = [tmp_path / "near", tmp_path / "far"]
        for folder in folders:
            folder.mkdir()
        near = HostService(machines[0], folders[0], settings | {"SPOOL_DIR": str(folders[0] / "spool")})
        far = Service(folders[1], settings | {"SPOOL_DIR": str(folders[1] / "spool")})
        stack.callback(near.end)
        near.start_web()
        stack.enter_context(far)
        yield Site(cluster, near, far)


def test_a_synchronous_failover_loses_and_doubles_nothing_although_the_old_primary_runs_on(site: Site) -> None:
    """The story: the primary's cable is pulled, and its Patroni is dead, so that nobody ends the server. A web process beside it goes on
    writing to it. The standby is promoted; the others write there. Then the old primary is ended, connected again, and a standby."""
    site.platforms = [Platform(site.near, on=site.cluster.members[0].host), Platform(site.far), Platform(site.far)]
    downstream = client.Service(f"http://127.0.0.1:{site.far.port}", token="read-me-if-you-may", environment="live", patience_seconds=5)
    with closing(downstream):
        reader = Reader(downstream)
        for one in (reader, *site.platforms):
            one.start()
        acknowledged, answers = fail_over_under(site)
        followed = reader.finish()
    assert Counter(status for status, _ in answers) == {200: len(acknowledged)}
    assert max(seconds for _, seconds in answers) < ANSWERED_SECONDS_MAX
    assert_all_is_as_told(site, acknowledged, followed)


def fail_over_under(site: Site) -> tuple[list[str], list[tuple[int, float]]]:
    """Fail over amid the platforms' deliveries; return the ids that were acknowledged, and every answer."""
    eventually(lambda: all(len(platform.acknowledged) > 10 for platform in site.platforms), "deliveries on each host")
    former, _ = site.cluster.cut_off_the_primary()
    promoted_at = time.monotonic()
    assert former.execute("SELECT pg_is_in_recovery()") == [(False,)]
    time.sleep(2)
    former.heal()
    for platform in site.platforms:
        platform.finish()
    acknowledged = [event_id for platform in site.platforms for event_id in platform.acknowledged]
    eventually(lambda: unsettled(site, acknowledged) == 0, "every event to be kept and handled", seconds=RIGHT_SECONDS_MAX)
    assert time.monotonic() - promoted_at < RIGHT_SECONDS_MAX

    return acknowledged, [answer for platform in site.platforms for answer in platform.answers]


def ask(site: Site, query: str) -> list[tuple[Any, ...]]:
    return site.standby.execute(query, database="standing")


def unsettled(site: Site, acknowledged: list[str]) -> int:
    """How many acknowledged events are not kept, or not handled yet."""
    done = {str(event_id) for (event_id,) in ask(site, "SELECT id FROM events WHERE status <> 'pending'")}
    return len(set(acknowledged) - done)


def assert_all_is_as_told(site: Site, acknowledged: list[str], followed: list[str]) -> None:
    assert ask(site, "SELECT count(*) FROM events WHERE spooled") > [(0,)]
    stories = len(acknowledged) // 6
    assert ask(site, "SELECT count(*) FROM events") == ask(site, "SELECT count(*) FROM events WHERE NOT repeat") == [(6 * stories,)]
    assert ask(site, "SELECT status, count(*) FROM applicants GROUP BY status") == [("rejected", 2 * stories)]
    numbers = [number for (number,) in ask(site, "SELECT number FROM transitions ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert ask(site, "SELECT event_id FROM transitions GROUP BY event_id, vendor, reference HAVING count(*) > 1") == []
    assert [int(cursor.partition(".")[2]) for cursor in followed] == numbers
    assert len({cursor.partition(".")[0] for cursor in followed}) == 1
    for command in (["log", "verify"], ["rebuild", "--check"]):
        done = site.far.standing(*command)
        assert done.returncode == 0, done.stdout + done.stderr
