"""The worker: it drains when the bell rings, and runs nothing but the drain, whoever can write to Redis."""

from __future__ import annotations

import hashlib
import pickle
import signal
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rq
from redis import Redis
from rq.job import Callback, Job
from rq.serializers import JSONSerializer
from rq.utils import import_attribute
from rq.webhook import Webhook
from rq.worker import SimpleWorker

from handlers.worker import drain, rq_worker
from store import database
from store.inbox import deliveries, events, wakeup
from store.inbox import record as inbox
from tests.support.telling import idngo

#: What an intruder's functions did. Nothing may ever stand here but by the tests of the tests.
MARKS: list[str] = []

HERE = "tests.handlers.worker.test_worker"


def intrude(*_arguments: object, **_options: object) -> None:
    """What an intruder would run: any function that can be imported."""
    MARKS.append("intruded")


class Bait:
    """What an intruder would pickle: to read it is to run it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return intrude, ()


@pytest.fixture(autouse=True)
def _no_marks() -> None:
    MARKS.clear()


@pytest.fixture
def redis(kept: str, redis_url: str) -> Iterator[Redis]:
    """An empty Valkey, which this process's settings name."""
    with Redis.from_url(redis_url) as connection:
        connection.flushdb()
        yield connection


@pytest.fixture
def queue(redis: Redis) -> rq.Queue:
    """Our queue, as anybody sees it who can write to Redis: a plain one."""
    return rq.Queue(wakeup.QUEUE, connection=redis, serializer=JSONSerializer)


@pytest.fixture
def _signals() -> Iterator[None]:
    """An RQ worker takes the process's signals over; give them back."""
    taken = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in taken.items():
        signal.signal(number, handler)


pytestmark = pytest.mark.usefixtures("_signals")

#: Where the database plays no part, one kind of it is enough.
sqlite_alone = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def work() -> None:
    """Our worker works until the queue is empty."""
    rq_worker._worker().work(burst=True, logging_level="CRITICAL")


def status_of(job: Job, redis: Redis) -> str:
    return Job.fetch(job.id, connection=redis, serializer=JSONSerializer).get_status().value


def keep() -> str:
    delivery = idngo(answer="GREEN")
    identity = hashlib.sha256(delivery.body).digest()
    return inbox.record(
        deliveries.Delivery(vendor="idngo", environment="live", headers=delivery.headers, body=delivery.body, identity=identity)
    ).event_id


def outcome(event_id: str) -> str:
    with database.reading() as connection:
        found = events.find(connection, event_id)
    assert found is not None
    return str(found["status"])


# the wake-up --------------------------------------------------------------------------------------------------


def test_the_name_that_the_bell_puts_on_the_queue_is_the_drain() -> None:
    assert import_attribute(wakeup.DRAIN) is drain.drain
    assert frozenset({wakeup.DRAIN, "handlers.drain.drain"}) == wakeup.ALLOWED


def test_a_job_that_was_queued_by_the_release_before_is_the_drain(queue: rq.Queue) -> None:
    event_id = keep()
    queue.enqueue("handlers.drain.drain")
    work()
    assert outcome(event_id) == "applied"


def test_a_ring_wakes_the_worker_and_the_event_is_handled(redis: Redis) -> None:
    event_id = keep()
    assert wakeup.notify()
    work()
    assert outcome(event_id) == "applied"


@sqlite_alone
def test_many_rings_are_one_job_until_one_is_answered(redis: Redis, queue: rq.Queue) -> None:
    assert [wakeup.notify() for _ in range(5)] == [True] * 5
    assert len(queue) == 1
    work()
    assert wakeup.notify()
    assert len(queue) == 1


@sqlite_alone
def test_a_ring_puts_nothing_of_an_event_on_the_queue(redis: Redis, queue: rq.Queue) -> None:
    keep()
    assert wakeup.notify()
    [job] = queue.jobs
    assert (job.func_name, list(job.args), job.kwargs, job.meta) == (wakeup.DRAIN, [], {}, {})


def test_a_wake_up_that_was_answered_leaves_nothing_in_redis(redis: Redis) -> None:
    event_id = keep()
    assert wakeup.notify()
    work()
    assert outcome(event_id) == "applied"
    assert [key for key in redis.scan_iter() if b"wake-up" in key or key == wakeup.NOTIFIED.encode()] == []
    assert redis.keys("rq:wip:*") + redis.keys("rq:finished:*") + redis.keys("rq:results:*") == []


def test_a_worker_of_the_release_before_runs_a_wake_up_as_a_job(redis: Redis) -> None:
    event_id = keep()
    assert wakeup.notify()
    before = SimpleWorker([wakeup.queue(redis)], connection=redis, serializer=JSONSerializer, job_class=wakeup.OwnJob, default_result_ttl=0)
    assert before.work(burst=True, logging_level="CRITICAL")
    assert (outcome(event_id), redis.keys("rq:job:*"), redis.exists(wakeup.NOTIFIED)) == ("applied", [], 0)


@sqlite_alone
def test_a_wake_up_whose_job_is_gone_is_answered_all_the_same(redis: Redis, queue: rq.Queue) -> None:
    event_id = keep()
    assert wakeup.notify()
    [job] = queue.jobs
    redis.delete(job.key)
    work()
    assert outcome(event_id) == "applied"


# what others put there ------------------------------------------------------------------------------------------


@sqlite_alone
def test_a_job_that_names_the_systems_shell_is_refused_and_nothing_ran(redis: Redis, queue: rq.Queue, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    job = queue.enqueue("os.system", f"touch {mark}")
    work()
    assert not mark.exists()
    assert status_of(job, redis) == "failed"


#: Some of it could be imported, some could not; none of it is the drain.
NAMES = [
    f"{HERE}.intrude", "builtins.exec", "handlers.process.handle", "handlers.worker.drain.drain.__call__", "handlers.worker.rq_worker.run",
    "store.database.forget", " handlers.worker.drain.drain", "handlers/drain.drain", "",
]  # fmt: skip


@sqlite_alone
def test_a_job_that_names_anything_but_the_drain_is_refused(redis: Redis, queue: rq.Queue) -> None:
    event_id = keep()
    jobs = [queue.enqueue(name) for name in NAMES]
    work()
    assert {job.func_name: status_of(job, redis) for job in jobs} == dict.fromkeys(NAMES, "failed")
    assert (MARKS, outcome(event_id)) == ([], "pending")


@sqlite_alone
def test_a_job_under_the_name_of_a_wake_up_drains_and_is_not_read(redis: Redis, queue: rq.Queue) -> None:
    event_id = keep()
    queue.enqueue(f"{HERE}.intrude", job_id=f"{wakeup.WAKE_UP}intruder", on_success=Callback(f"{HERE}.intrude"))
    work()
    assert (MARKS, outcome(event_id), redis.keys("rq:job:*")) == ([], "applied", [])


@sqlite_alone
def test_a_job_that_names_a_method_of_what_it_carries_is_refused(redis: Redis, queue: rq.Queue) -> None:
    jobs = [queue.enqueue(wakeup.DRAIN) for _ in range(2)]
    for job, method in zip(jobs, ("upper", wakeup.DRAIN), strict=True):
        redis.hset(job.key, "data", JSONSerializer.dumps([method, "a text that the job carries", [], {}]))
    event_id = keep()
    work()
    assert ([status_of(job, redis) for job in jobs], outcome(event_id)) == (["failed", "failed"], "pending")


@sqlite_alone
def test_a_job_makes_the_worker_call_no_address(redis: Redis, queue: rq.Queue) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        queue.enqueue("os.getcwd", webhooks=[Webhook(address, "failed"), Webhook(address, "finished")])
        work()
        with pytest.raises(TimeoutError):
            listener.accept()


@sqlite_alone
def test_a_callback_is_never_run(redis: Redis, queue: rq.Queue) -> None:
    callback = Callback(f"{HERE}.intrude")
    jobs = [
        queue.enqueue(wakeup.DRAIN, result_ttl=60, on_success=callback),
        queue.enqueue(wakeup.DRAIN, result_ttl=60, on_failure=callback),
        queue.enqueue(wakeup.DRAIN, "not a number of seconds", on_failure=callback),
        queue.enqueue("os.getcwd", on_success=callback),
        queue.enqueue("os.getcwd", on_failure=callback),
    ]
    work()
    assert [status_of(job, redis) for job in jobs] == ["failed", "finished", "failed", "failed", "failed"]
    assert MARKS == []


@sqlite_alone
def test_a_callback_of_a_stopped_job_is_refused_too(redis: Redis, queue: rq.Queue) -> None:
    job = queue.enqueue(wakeup.DRAIN, on_stopped=Callback(f"{HERE}.intrude"))
    ours = wakeup.queue(redis).fetch_job(job.id)
    assert isinstance(ours, wakeup.OwnJob)
    with pytest.raises(PermissionError):
        _ = ours.stopped_callback


@sqlite_alone
def test_pickle_is_not_read(redis: Redis, queue: rq.Queue) -> None:
    bait = pickle.dumps((wakeup.DRAIN, None, (Bait(),), {}))
    jobs = [queue.enqueue(wakeup.DRAIN) for _ in range(2)]
    for job, data in zip(jobs, (bait, zlib.compress(bait)), strict=True):
        redis.hset(job.key, "data", data)
    work()
    assert (MARKS, [status_of(job, redis) for job in jobs]) == ([], ["failed", "failed"])


def test_after_a_refused_job_the_worker_goes_on(redis: Redis, queue: rq.Queue) -> None:
    event_id = keep()
    queue.enqueue("os.getcwd")
    queue.enqueue(f"{HERE}.intrude", on_failure=Callback(f"{HERE}.intrude"))
    broken = queue.enqueue(wakeup.DRAIN)
    redis.hset(broken.key, "data", b"\x80\x04 no JSON")
    wakeup.notify()
    work()
    assert (MARKS, len(queue), outcome(event_id)) == ([], 0, "applied")


@sqlite_alone
def test_a_plain_worker_would_have_run_it(redis: Redis, queue: rq.Queue) -> None:
    """What the refusals above are worth: the same jobs, and RQ's own worker."""
    queue.enqueue(f"{HERE}.intrude", on_success=Callback(f"{HERE}.intrude"))
    SimpleWorker([queue], connection=redis, serializer=JSONSerializer).work(burst=True, logging_level="CRITICAL")
    assert MARKS == ["intruded", "intruded"]
    assert pickle.loads(pickle.dumps(Bait())) is None
    assert len(MARKS) == 3
