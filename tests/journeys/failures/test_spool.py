"""While the database is away: what was answered 200 is on this host's disk, and in the database once, in order, when it is back."""

from __future__ import annotations

import json
import resource
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.support import payloads, servers, signing
from tests.support.outages import databases
from tests.support.payloads import after
from tests.support.servers import NoPostgres, Postgres
from tests.support.service import ANSWER_SECONDS, Answer, Service, children, eventually


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    try:
        with servers.throwaway_cluster() as server:
            yield server
    except NoPostgres:
        pytest.skip("no PostgreSQL")


@pytest.fixture
def spooling(cluster: Postgres, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    with cluster.database() as url, Service(tmp_path, settings(url, redis_url, tmp_path)) as service:
        yield service


def settings(url: str, redis_url: str, folder: Path, **more: str) -> dict[str, str]:
    faults = folder / "faults"
    faults.mkdir(exist_ok=True)
    own = {"DATABASE_URL": url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(faults)}
    return own | {"SPOOL_DIR": str(folder / "spool")} | more


@contextmanager
def stopped(cluster: Postgres, _url: str) -> Iterator[None]:
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


@contextmanager
def hung(cluster: Postgres, _url: str) -> Iterator[None]:
    cluster.signal_all(signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.signal_all(signal.SIGCONT)


@contextmanager
def read_only(_cluster: Postgres, url: str) -> Iterator[None]:
    with databases.unwritable(url):
        yield


@contextmanager
def out_of_connections(cluster: Postgres, url: str) -> Iterator[None]:
    with servers.all_connections_taken(url):
        yield


def accepted(answer: Answer, seconds: float) -> str:
    assert (answer.status, answer.json["status"], seconds < ANSWER_SECONDS) == (200, "accepted", True), (answer, seconds)
    return str(answer.json["event_id"])


def deliver(service: Service, vendor: str, body: bytes | dict[str, object], **options: str) -> str:
    began = time.monotonic()
    answer = service.deliver(vendor, body, **options)
    return accepted(answer, time.monotonic() - began)


@pytest.mark.parametrize("failure", [stopped, hung, read_only, out_of_connections])
def test_however_the_database_fails_deliveries_are_accepted_in_time_and_applied_in_order_once_it_is_back(
    spooling: Service, cluster: Postgres, tmp_path: Path, failure: Callable[[Postgres, str], Iterator[None]]
) -> None:
    scan, who = payloads.new_scan(), payloads.new_applicant()
    with failure(cluster, spooling.environment["DATABASE_URL"]):  # type: ignore[attr-defined]
        # iDenfy has no clock: the order in which we received them is all there is.
        event_ids = [
            deliver(spooling, "idenfy", payloads.idenfy(scan, "APPROVED")),
            deliver(spooling, "idenfy", payloads.idenfy(scan, "DENIED", tags=["DOC_NOT_FOUND"])),
            deliver(spooling, "idngo", payloads.idngo(who, answer="GREEN")),
        ]
        ready = spooling.request("GET", "/readyz")
        assert (ready.status, ready.json["status"], ready.json["database"]) == (200, "degraded", "unavailable")
        assert b"APPROVED" not in (tmp_path / "spool" / "appended").read_bytes()
    events = [spooling.settled(event_id) for event_id in event_ids]
    assert [(event["status"], event["deliveries"]) for event in events] == [("applied", 1)] * 3
    assert spooling.applicant("idenfy", scan)["status"] == "rejected"
    assert spooling.applicant("idngo", who)["status"] == "approved"
    eventually(lambda: spooling.get("/readyz").json["status"] == "ok", "readiness without a flaw")
    eventually(lambda: not (tmp_path / "spool" / "appended").exists(), "the spool to be empty")


def test_what_comes_while_the_spool_is_not_empty_goes_behind_it(spooling: Service, cluster: Postgres) -> None:
    scan, verdicts = payloads.new_scan(), ["APPROVED", "SUSPECTED", "DENIED"]
    with stopped(cluster, ""):
        deliver(spooling, "idenfy", payloads.idenfy(scan, verdicts[0]))
    for overall in verdicts[1:]:
        last = deliver(spooling, "idenfy", payloads.idenfy(scan, overall))
    spooling.settled(last)
    assert [change["to"] for change in spooling.history("idenfy", scan)] == ["approved", "needs_review", "rejected"]


def test_a_redelivery_of_what_is_spooled_is_one_event(spooling: Service, cluster: Postgres) -> None:
    who = payloads.new_applicant()
    body = payloads.idngo(who, answer="GREEN")
    raw, trace_id = json.dumps(body).encode(), uuid.uuid4().hex
    with stopped(cluster, ""):
        traced = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        first = accepted(spooling.request("POST", "/webhooks/idngo", raw, signing.idngo(raw) | traced), 0)
        again = deliver(spooling, "idngo", raw)
    # The process that imports it is another than the one that spooled it, or another thread.
    settled = spooling.settled(first)
    assert (settled["status"], settled["trace_id"]) == ("applied", trace_id)
    eventually(lambda: spooling.get(f"/v1/events/{first}").json["deliveries"] == 2, "the redelivery to be counted")
    # The id that was given for the redelivery names the event, too.
    assert spooling.get(f"/v1/events/{again}").json == spooling.get(f"/v1/events/{first}").json
    assert len(spooling.history("idngo", who)) == 1


def test_what_cannot_be_spooled_either_is_refused(cluster: Postgres, redis_url: str, tmp_path: Path) -> None:
    with (
        cluster.database() as url,
        Service(tmp_path, settings(url, redis_url, tmp_path, SPOOL_BYTES_MAX="12000"), worker=False) as service,
    ):
        with stopped(cluster, url):
            kept = deliver(service, "idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
            answers = [service.deliver("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN")).status for _ in range(12)]
            assert answers[-1] == 503
            eventually(lambda: service.request("GET", "/readyz").status == 503, "a refusal")
        eventually(lambda: service.get(f"/v1/events/{kept}").status == 200, "what was spooled to be in the database")


def counts_and_measures(pid: int) -> bool:
    """Whether a web process has made both of its files of metrics."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    return "/counter_" in mapped and "/histogram_" in mapped


def test_a_full_disk_refuses_and_loses_nothing_that_was_acknowledged(spooling: Service, cluster: Postgres) -> None:
    limit = (20_000, resource.RLIM_INFINITY)  # Of the spool; the log is far smaller.
    with stopped(cluster, ""):
        kept = deliver(spooling, "idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        processes = eventually(lambda: len(found := children(spooling.web.pid)) == 2 and found, "both web processes")
        # One that is still starting would find no room for its counts.
        eventually(lambda: all(map(counts_and_measures, processes)), "both to count and to measure")
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
        large = {"more": "x" * 15_000}
        answers = [spooling.deliver("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN") | large) for _ in range(3)]
        assert answers[-1].status == 503
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        again = deliver(spooling, "idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    for event_id in [kept, again, *(answer.json["event_id"] for answer in answers if answer.status == 200)]:
        assert spooling.settled(event_id)["status"] == "applied"


@pytest.mark.parametrize("point", ["spooled", "unspooled"])
def test_a_process_killed_over_the_spool_loses_and_doubles_nothing(
    spooling: Service, cluster: Postgres, tmp_path: Path, point: str
) -> None:
    whose = [payloads.new_applicant() for _ in range(3)]
    with stopped(cluster, ""):
        kept = [deliver(spooling, "idngo", payloads.idngo(who, answer="GREEN")) for who in whose]
        (tmp_path / "faults" / point).write_text("kill")
        if point == "spooled":
            with pytest.raises((OSError, Exception)):
                spooling.deliver("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
            with (tmp_path / "spool" / "appended").open("ab") as file:
                file.write(b"89abcdef " + json.dumps({"id": kept[0]}).encode()[:20])
            kept.append(deliver(spooling, "idngo", payloads.idngo(whose[0], answer="RED", reject="FINAL", at=after(minutes=1))))
    eventually(lambda: not (tmp_path / "faults" / point).exists(), "the process to be killed")
    events = [spooling.settled(event_id) for event_id in kept]
    assert [(event["status"], event["deliveries"]) for event in events] == [("applied", 1)] * len(kept)
