"""What fails around us: the queue, the database, the rules. What was answered 200 is handled all the same."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import KEY
from tests.support import payloads, servers
from tests.support.servers import NoPostgres, Postgres, Valkey
from tests.support.service import ANSWER_SECONDS, PATIENCE_SECONDS, TOO_BUSY, Answer, Service, eventually

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with servers.valkey(tmp_path) as server:
        yield server


@pytest.fixture
def with_own_valkey(database_url: str, valkey: Valkey, tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": valkey.url, "ENCRYPTION_KEYS": KEY}) as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[Postgres]:
    try:
        with servers.throwaway_cluster() as server:
            yield server
    except NoPostgres:
        pytest.skip("no PostgreSQL")


@pytest.fixture
def on_cluster(cluster: Postgres, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, {"DATABASE_URL": cluster.url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}) as running:
        yield running


def approve(service: Service) -> tuple[str, Answer, float]:
    """Deliver an approval; give whose it is, the answer, and how long it took."""
    who, began = payloads.new_applicant(), time.monotonic()
    answer = service.deliver("idngo", payloads.idngo(who, answer="GREEN"))
    return who, answer, time.monotonic() - began


def kept(service: Service) -> tuple[str, str]:
    """Deliver an approval until it is kept; give whose it is, and the event's id."""
    who = payloads.new_applicant()
    return who, service.kept("idngo", payloads.idngo(who, answer="GREEN"))


def kept_in_time(service: Service) -> tuple[str, str]:
    """The same, and no answer takes too long. That of a busy database may be 503."""

    def send() -> tuple[str, str] | None:
        who, answer, seconds = approve(service)
        assert seconds < ANSWER_SECONDS
        assert answer.status == 200 or TOO_BUSY in answer.body, (answer.status, answer.body)
        return (who, answer.json["event_id"]) if answer.status == 200 else None

    return eventually(send, "a delivery to be kept")


def refused_in_time(answer: Answer, seconds: float) -> bool:
    retry_after = answer.headers.get("retry-after", "")
    return answer.status == 503 and retry_after.isdigit() and seconds < ANSWER_SECONDS and answer.json["status"] == 503


# the queue ----------------------------------------------------------------------------------------------------


def test_without_a_queue_deliveries_are_kept_and_handled(with_own_valkey: Service, valkey: Valkey) -> None:
    valkey.stop()
    who, event_id = kept_in_time(with_own_valkey)
    with_own_valkey.settled(event_id)
    assert with_own_valkey.applicant("idngo", who)["status"] == "approved"
    assert with_own_valkey.get("/readyz").json["queue"] == "unavailable"


def test_a_queue_that_hangs_delays_no_answer_for_long(with_own_valkey: Service, valkey: Valkey) -> None:
    valkey.signal(signal.SIGSTOP)
    for _, event_id in [kept_in_time(with_own_valkey) for _ in range(2)]:
        with_own_valkey.settled(event_id)


def test_once_the_queue_is_back_the_bell_rings_again(with_own_valkey: Service, valkey: Valkey) -> None:
    valkey.stop()
    kept(with_own_valkey)
    valkey.start()
    eventually(lambda: with_own_valkey.get("/readyz").json["status"] == "ok", "readiness without a flaw")
    _, event_id = kept(with_own_valkey)
    with_own_valkey.settled(event_id)


def test_a_queue_that_forgot_everything_loses_nothing(with_own_valkey: Service, valkey: Valkey) -> None:
    valkey.stop()
    events = [kept(with_own_valkey)[1] for _ in range(3)]
    shutil.rmtree(valkey.folder / "data")
    valkey.start()
    for event_id in events:
        with_own_valkey.settled(event_id)


# the database -------------------------------------------------------------------------------------------------


def test_a_database_that_is_down_is_told_in_time_and_nothing_is_half_kept(on_cluster: Service, cluster: Postgres) -> None:
    cluster.stop()
    who, answer, seconds = approve(on_cluster)
    assert refused_in_time(answer, seconds), (answer, seconds)
    assert on_cluster.get("/readyz").status == 503
    cluster.start()
    eventually(lambda: on_cluster.get("/readyz").status == 200, "readiness")
    assert on_cluster.get(f"/v1/applicants/idngo/{who}").status == 404
    event = on_cluster.told("idngo", payloads.idngo(who, answer="GREEN"))
    assert (event["status"], event["deliveries"]) == ("applied", 1)


def test_a_database_that_hangs_is_told_in_time_and_heals_by_itself(on_cluster: Service, cluster: Postgres) -> None:
    cluster.signal_all(signal.SIGSTOP)
    results = [approve(on_cluster) for _ in range(3)]
    assert all(refused_in_time(answer, seconds) for _, answer, seconds in results), results
    assert on_cluster.get("/readyz", token=None).status == 503
    cluster.signal_all(signal.SIGCONT)
    eventually(lambda: on_cluster.get("/readyz").status == 200, "readiness")
    who, event_id = kept(on_cluster)
    on_cluster.settled(event_id)
    assert on_cluster.applicant("idngo", who)["status"] == "approved"


def test_a_database_out_of_connections_is_told_in_time(cluster: Postgres, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, {"DATABASE_URL": cluster.url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}, worker=False) as service:
        with servers.all_connections_taken(cluster.url):
            _, answer, seconds = approve(service)
        assert refused_in_time(answer, seconds), (answer, seconds)
        eventually(lambda: approve(service)[1].status == 200, "a delivery to be kept")


def test_a_read_only_database_is_told_in_time(on_cluster: Service, cluster: Postgres) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'")
    _, answer, seconds = approve(on_cluster)
    assert refused_in_time(answer, seconds), (answer, seconds)


def test_an_sqlite_that_another_holds_is_told_in_time(redis_url: str, migrated_sqlite: Path, tmp_path: Path) -> None:
    path = tmp_path / "held.sqlite3"
    shutil.copy(migrated_sqlite, path)
    with Service(tmp_path, {"DATABASE_URL": f"sqlite:///{path}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}) as service:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        _, answer, seconds = approve(service)
        holder.execute("ROLLBACK")
        holder.close()
        assert refused_in_time(answer, seconds), (answer, seconds)
        eventually(lambda: approve(service)[1].status == 200, "a delivery to be kept")


def test_a_web_process_that_starts_without_its_database_keeps_deliveries_once_it_is_there(
    cluster: Postgres, redis_url: str, tmp_path: Path
) -> None:
    cluster.stop()
    with Service(tmp_path, {"DATABASE_URL": cluster.url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}) as service:
        _, answer, seconds = approve(service)
        assert refused_in_time(answer, seconds), (answer, seconds)
        cluster.start()
        who, answer, _ = eventually(lambda: (kept := approve(service))[1].status == 200 and kept, "a delivery to be kept")
        service.settled(answer.json["event_id"])
        assert service.applicant("idngo", who)["status"] == "approved"


# the rules ----------------------------------------------------------------------------------------------------


def test_broken_rules_stop_no_delivery_from_being_kept(database_url: str, redis_url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for package in ("receiver", "handlers", "store"):
        shutil.copytree(ROOT / package, copy / package)
    rules = copy / "handlers" / "__init__.py"
    rules.write_text("def broken(:")
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "PYTHONPATH": str(copy)}
    with Service(tmp_path, settings, worker=False, cwd=copy) as service:
        assert service.standing("--help").returncode == 0
        broken = service.standing("events", "list")
        assert broken.returncode == 1
        assert "The command events is missing" in broken.stderr
        assert "SyntaxError" in broken.stderr
        assert "wrong handlers: cannot be loaded (SyntaxError" in service.standing("doctor").stdout
        who, event_id = kept(service)
        assert service.start_worker().wait(PATIENCE_SECONDS) != 0
        rules.write_text("")
        service.start_worker()
        service.settled(event_id)
        assert service.applicant("idngo", who)["status"] == "approved"


def test_a_killed_worker_takes_no_event_with_it(service: Service) -> None:
    worker = service.processes[-1]
    worker.kill()
    worker.wait()
    _, event_id = kept(service)
    service.start_worker()
    service.settled(event_id)


def test_a_worker_that_is_asked_to_end_finishes_what_is_in_hand(service: Service) -> None:
    eventually(lambda: service.get("/readyz").json["workers"], "the worker to be up")
    events = [kept(service)[1] for _ in range(20)]
    worker = service.processes[-1]
    worker.terminate()
    assert worker.wait(PATIENCE_SECONDS) == 0
    # Nothing is left claimed: another process can take up all that was not handled.
    service.standing("process-pending")
    assert all(service.get(f"/v1/events/{event_id}").json["status"] == "applied" for event_id in events)
