"""A Redis that answers and takes nothing is told as down, with the cause, and every state comes all the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis, RedisError

from store.inbox import wakeup
from tests.conftest import KEY
from tests.support import payloads
from tests.support.service import Service, end, eventually, free_port

SERVER = shutil.which("redis-server")

pytestmark = pytest.mark.skipif(SERVER is None, reason="no redis-server")


@contextmanager
def redis_server(*options: str) -> Iterator[int]:
    """A Redis of the machine's own; give its port."""
    folder, port = Path(tempfile.mkdtemp(prefix="standing-rd-")), free_port()
    command = [str(SERVER), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _answers(port), "Redis to answer")
        yield port
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with suppress(RedisError), Redis(port=port, retry=None) as client:
        return bool(client.ping())
    return False


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with redis_server("--appendonly", "no") as found:
        yield found


def outage(url: str) -> str | None:
    with Redis.from_url(url, socket_timeout=2, retry=None) as client:
        return wakeup.outage(client)


@pytest.mark.parametrize(
    ("command", "undo", "says"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "out of memory"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read-only replica"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "too few replicas"),
        ("SET rq:queue:standing text", "DEL rq:queue:standing", "something else under a name"),
        ("SET rq:queues text", "DEL rq:queues", "something else under a name"),
        ("ACL SETUSER ringer on >pw ~* +@all -set", "ACL DELUSER ringer", "ACL"),
        ("ACL SETUSER ringer on >pw ~* +@all -rpush", "ACL DELUSER ringer", "ACL"),
        ("ACL SETUSER ringer on >pw ~* +@read +@connection", "ACL DELUSER ringer", "ACL"),
        ("ACL SETUSER ringer on >pw ~other:* +@all", "ACL DELUSER ringer", "ACL"),
        ("ACL SETUSER ringer on >pw ~standing:* +@all", "ACL DELUSER ringer", "ACL"),
        ("ACL SETUSER ringer on >another ~* +@all", "ACL DELUSER ringer", "user or the password"),
        ("ACL SETUSER ringer off >pw ~* +@all", "ACL DELUSER ringer", "user or the password"),
    ],
)
def test_a_redis_that_answers_and_takes_nothing_is_told_by_its_cause(port: int, command: str, undo: str, says: str) -> None:
    user = "ringer:pw@" if command.startswith("ACL") else ""
    with Redis(port=port) as admin:
        admin.execute_command(*command.split(" "))
        try:
            found = outage(f"redis://{user}127.0.0.1:{port}/0")
        finally:
            admin.execute_command(*undo.split(" "))
        assert found is not None
        assert says in found
        assert outage(f"redis://127.0.0.1:{port}/0") is None


def test_who_may_do_just_what_a_wake_up_needs_is_not_told_as_refused(port: int) -> None:
    with Redis(port=port) as admin:
        admin.execute_command("ACL", "SETUSER", "ringer", "on", ">pw", "~standing:*", "~rq:*", "+@all", "-@dangerous", "-@admin")
        assert outage(f"redis://ringer:pw@127.0.0.1:{port}/0") is None
        admin.execute_command("ACL", "DELUSER", "ringer")


def test_asking_leaves_nothing_in_the_queue(port: int) -> None:
    assert outage(f"redis://127.0.0.1:{port}/0") is None
    with Redis(port=port, decode_responses=True) as client:
        assert client.lrange("rq:queue:standing", 0, -1) == []
        lasting = [key for key in client.scan_iter() if client.ttl(key) == -1]
        assert [key for key in lasting if key != "rq:queues"] == []


@pytest.mark.parametrize("slots", [False, True])
def test_a_node_of_a_cluster_is_told_as_such(slots: bool) -> None:
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as port:
        if slots:
            with Redis(port=port) as admin:
                admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                eventually(
                    lambda: "ok" in str(admin.execute_command("CLUSTER INFO")).partition("cluster_state")[2][:10], "the cluster to be whole"
                )
        found = outage(f"redis://127.0.0.1:{port}/0")
        assert found is not None
        assert "cluster" in found


@pytest.mark.parametrize(("url", "says"), [("redis://127.0.0.1:1/0", "cannot be reached"), ("redis://host.invalid/0", "cannot be reached")])
def test_a_redis_that_is_away_is_told_as_such(url: str, says: str) -> None:
    assert says in str(outage(url))


def test_with_a_full_redis_it_is_told_everywhere_and_every_state_comes_by_the_sweep(tmp_path: Path, port: int) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'standing.sqlite3'}", "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings | {"REDIS_URL": f"redis://127.0.0.1:{port}/3"}) as service, Redis(port=port) as admin:
        eventually(lambda: service.get("/readyz").json["status"] == "ok", "readiness without a flaw")
        admin.config_set("maxmemory", 1)
        try:
            told = eventually(lambda: found if (found := service.get("/readyz").json)["queue"] != "ok" else None, "it to be told")
            assert (told["status"], told["queue"]) == ("degraded", "unavailable")
            assert [words for words in told["attention"] if "out of memory" in words]
            eventually(lambda: service.request("GET", "/readyz").json["queue"] == "unavailable", "strangers to be told")
            eventually(lambda: b"standing_queue_up 0.0" in service.get("/metrics", token=None).body, "the metric")
            for command in ("doctor", "status"):
                said = [json.loads(line) for line in service.standing(command, "--json").stdout.splitlines()]
                assert any(line["about"] == "queue" and line["verdict"] != "ok" and "out of memory" in line["says"] for line in said)
            who = payloads.new_applicant()
            service.told("idngo", payloads.idngo(who, answer="GREEN"))
            assert service.applicant("idngo", who)["status"] == "approved"
        finally:
            admin.config_set("maxmemory", 0)
        eventually(lambda: service.get("/readyz").json["status"] == "ok", "readiness without a flaw")
