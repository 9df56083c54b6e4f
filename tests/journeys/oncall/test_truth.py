"""What is shown is what is so: each thing is broken, and `status`, `/readyz` and the metrics are read."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.system.processes import FROZEN_SECONDS
from tests.conftest import KEY
from tests.support import payloads
from tests.support.outages.disks import fill, free, small_disk
from tests.support.servers import Postgres
from tests.support.service import PATIENCE_SECONDS, Service, eventually

UNKNOWN = "unknown: no heartbeat can be written while the database cannot be written"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def on_disk(disk: Path, tmp_path: Path, redis_url: str, migrated_sqlite: Path) -> Iterator[Service]:
    """A service whose database has a disk of its own."""
    shutil.copy(migrated_sqlite, disk / "standing.sqlite3")
    settings = {"DATABASE_URL": f"sqlite:///{disk / 'standing.sqlite3'}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings) as service:
        eventually(lambda: service.standing("status").returncode == 0, "everyone to be there")
        yield service


def status(service: Service) -> dict[str, dict[str, Any]]:
    """The first line of `standing status` about each thing."""
    found = [json.loads(line) for line in service.standing("status", "--json").stdout.splitlines()]
    return {line["about"]: line for line in reversed(found)}


def metric(service: Service, name: str) -> str | None:
    found = re.search(rf"^{name} (\S+)$", service.get("/metrics").body.decode(), re.MULTILINE)
    return found and found[1]


def test_a_full_disk_is_told_everywhere(on_disk: Service, disk: Path) -> None:
    fill(disk)
    told_everywhere(on_disk, "database or disk is full")
    free(disk)
    well_again(on_disk)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_read_only_database_is_told_everywhere(service: Service, database_url: str, postgres: Postgres) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]

    def make_read_only(read_only: str) -> None:
        postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {read_only}')
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    make_read_only("on")
    told_everywhere(service, "25006 read_only_sql_transaction")
    make_read_only("off")
    well_again(service)


def told_everywhere(service: Service, cause: str) -> None:
    """What cannot be written is told by status, readiness and metrics, with its cause."""
    eventually(lambda: service.deliver("idngo", payloads.idngo(payloads.new_applicant())).status == 503, "a delivery to be refused")
    says = f"the database cannot be written ({cause}): vendors get 503"
    found = eventually(lambda: (seen := status(service))["database"]["says"] == says and "workers" in seen and seen, "status to tell it")
    assert {found[about]["says"] for about in ("web", "workers")} == {UNKNOWN}
    assert service.standing("status").returncode == 1
    ready = eventually(lambda: (told := service.get("/readyz")).status == 503 and told.json, "/readyz to tell it")
    assert (ready["status"], ready["attention"][0]) == ("unavailable", f"database: {says}")
    eventually(lambda: metric(service, "standing_database_writable") == "0.0", "the metrics to tell it")
    assert metric(service, "standing_workers") is None


def well_again(service: Service) -> None:
    eventually(lambda: service.deliver("idngo", payloads.idngo(payloads.new_applicant())).status == 200, "deliveries to be kept again")
    eventually(lambda: status(service)["database"]["verdict"] == "ok", "status to tell it")


def pids(service: Service, about: str) -> list[int]:
    # Status leaves out what takes it too long.
    found = re.search(r"\(pid ([\d, ]+)\)", status(service).get(about, {"says": ""})["says"])
    return [int(pid) for pid in found[1].split(", ")] if found else []


@pytest.fixture
def on_sqlite(tmp_path: Path, redis_url: str, migrated_sqlite: Path) -> Iterator[Service]:
    shutil.copy(migrated_sqlite, tmp_path / "standing.sqlite3")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'standing.sqlite3'}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings) as service:
        eventually(lambda: service.standing("status").returncode == 0, "everyone to be there")
        yield service


def test_processes_that_were_killed_are_not_counted(on_sqlite: Service) -> None:
    eventually(lambda: len(pids(on_sqlite, "web")) == 2, "both web processes")
    (worker,) = eventually(lambda: pids(on_sqlite, "workers"), "the worker")
    web, other = eventually(lambda: pids(on_sqlite, "web"), "both web processes")
    for pid in (worker, web):
        os.kill(pid, signal.SIGKILL)
    (new_worker,) = eventually(lambda: (now := pids(on_sqlite, "workers")) and worker not in now and now, "another worker")
    new_web = eventually(lambda: (now := pids(on_sqlite, "web")) and web not in now and len(now) == 2 and now, "another web process")
    assert new_worker != worker
    assert other in new_web


def test_a_worker_that_is_stopped_is_replaced_and_events_are_handled(on_sqlite: Service) -> None:
    (worker,) = eventually(lambda: pids(on_sqlite, "workers"), "the worker")
    os.kill(worker, signal.SIGSTOP)
    (other,) = eventually(
        lambda: (now := pids(on_sqlite, "workers")) and worker not in now and now,
        "another worker",
        seconds=FROZEN_SECONDS + PATIENCE_SECONDS,
    )
    assert other != worker
    on_sqlite.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))


def test_unknown_types_are_told_with_how_often_they_came(on_sqlite: Service) -> None:
    for kind, times in (("VIDEO_CALL_FINISHED", 2), ("TOTALLY_NEW", 1), ("ACCOUNT_CHECK", 1)):
        for _ in range(times):
            event = on_sqlite.told("idenfy", payloads.idenfy(payloads.new_scan(), "APPROVED"), event_type=kind)
            assert (event["status"], event["reason"].startswith("unknown type")) == ("ignored", kind != "ACCOUNT_CHECK")
    says = "new event types in the last week: TOTALLY_NEW ×1, VIDEO_CALL_FINISHED ×2"

    def told() -> list[str]:
        lines = [json.loads(line) for line in on_sqlite.standing("status", "--json").stdout.splitlines()]
        return [line["says"] for line in lines if "new event types" in line["says"]]

    assert eventually(told, "status to tell it") == [says]
    count = 'standing_unknown_event_types_last_week{vendor="idenfy"}'
    eventually(lambda: metric(on_sqlite, re.escape(count)) == "3.0", "the metrics to tell it")


def refused_by(service: Service, *options: str) -> list[tuple[str, str, str, int]]:
    found = [json.loads(line) for line in service.standing("refusals", "--json", *options).stdout.splitlines()]
    return [(one["peer"], one["vendor"], one["cause"], one["count"]) for one in found]


def test_refusals_are_told_by_address_vendor_and_cause(tmp_path: Path, redis_url: str, database_url: str) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "TRUSTED_PROXIES": "127.0.0.0/8"}
    with Service(tmp_path, settings, worker=False) as service:
        for peer, times in (("192.0.2.7", 3), ("2001:db8::1", 1)):
            for _ in range(times):
                headers = {"Idenfy-Signature": "00", "X-Forwarded-For": peer}
                assert service.request("POST", "/webhooks/idenfy", b"{}", headers=headers).status == 401
        assert service.deliver("idngo", payloads.idngo(payloads.new_applicant()), secret="not theirs").status == 401
        with socket.create_connection(("127.0.0.1", service.port)) as stranger:
            stranger.sendall(b"not HTTP\r\n\r\n")
            stranger.recv(100)
        # Each web process writes down those that it refused.
        eventually(lambda: sum(count for *_, count in refused_by(service)) == 6, "the refusals to be written")
        assert refused_by(service) == [
            ("192.0.2.7", "idenfy", "forged", 3),
            ("127.0.0.1", "", "malformed_head", 1),
            ("127.0.0.1", "idngo", "forged", 1),
            ("2001:db8::/64", "idenfy", "forged", 1),
        ]
        assert refused_by(service, "--vendor", "idenfy", "--limit", "1") == [("192.0.2.7", "idenfy", "forged", 3)]


def test_readiness_says_everything_that_degrades_it(on_sqlite: Service) -> None:
    for process in on_sqlite.processes[1:]:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    on_sqlite.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    ready = eventually(lambda: (told := on_sqlite.get("/readyz").json)["workers"] == 0 and told, "it to be noticed")
    assert (ready["status"], ready["attention"][0]) == ("degraded", "workers: no worker is running: events are kept, and wait")
