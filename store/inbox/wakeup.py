"""The wake-up: notifies a worker that there may be work. It carries no event, and nothing depends on it.

Wake-ups are coalesced: while one is not acknowledged, and for a few seconds at most, no further ones are sent.
"""

from __future__ import annotations

import threading
import time
import uuid
from functools import cache
from typing import Any

import rq
from redis import Redis, RedisError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import import_attribute

from store import config
from store.system import queue_client
from store.text import queue_errors

#: The one queue. A worker that listens to several would lose what it has taken when it dies.
QUEUE = "standing"

#: What a job may run, by name: `handlers` is not imported here, so that a broken mapping stops no delivery.
DRAIN = "handlers.worker.drain.drain"

#: The job's name of the release before: wake-ups that were queued during a deployment are heard.
DRAIN_BEFORE = "handlers.drain.drain"
ALLOWED = frozenset({DRAIN, DRAIN_BEFORE})

#: How the ids of our wake-ups begin. A worker that takes such an id drains, and never reads the job. Any other id is a job of RQ's.
WAKE_UP = "wake-up-"

NOTIFIED = "standing:rung"
NOTIFIED_SECONDS = 5
JOB_SECONDS = 120

#: What stands in Redis for a moment when somebody asks whether a worker can be woken.
PROBE = "standing:probe"

#: Pause after a failed wake-up: a hung server costs one delivery a moment, not each.
PAUSE_SECONDS = 2.0
_paused_until = 0.0

#: The least time between two wake-ups.
NOTIFY_SECONDS_MIN = 0.01
_asking = threading.Lock()
_asked = threading.Event()
_notifiers: list[threading.Thread] = []


class OwnJob(Job):
    """A job that runs only what this project enqueues. Whoever can write to Redis must not be able to run anything else."""

    @property
    def func(self) -> Any:
        self._refuse_others(self.func_name)
        self._refuse_others(self.instance and f"a method of {type(self.instance).__name__}")
        return import_attribute(DRAIN)

    @property
    def success_callback(self) -> Any:
        return self._refuse_others(self._success_callback_name)

    @property
    def failure_callback(self) -> Any:
        return self._refuse_others(self._failure_callback_name)

    @property
    def stopped_callback(self) -> Any:
        return self._refuse_others(self._stopped_callback_name)

    def send_webhooks(self, *_args: object, **_options: object) -> None:
        """Send nothing: data in Redis must not make this process call addresses."""

    def _refuse_others(self, name: str | None) -> None:
        if name is not None and name not in ALLOWED:
            raise PermissionError("a job names a function that is not this project's")


def notify() -> bool:
    """Wake a worker; return whether Redis took the wake-up."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return False
    try:
        if _redis().set(NOTIFIED, 1, nx=True, ex=NOTIFIED_SECONDS):
            _enqueue()
        return True
    except RedisError:
        # On purpose: the event is kept, and the sweep finds it.
        _paused_until = time.monotonic() + PAUSE_SECONDS
        return False


def _enqueue() -> None:
    """Put a wake-up on the queue, as RQ would put a job: a worker of the release before runs it as one."""
    wake_up, (key, fields) = WAKE_UP + uuid.uuid4().hex, _as_job()
    with _redis().pipeline(transaction=True) as writes:
        writes.hset(Job.key_for(wake_up), mapping=fields)
        writes.sadd(rq.Queue.redis_queues_keys, key)
        writes.rpush(key, wake_up)
        writes.execute()


@cache
def _as_job() -> tuple[str, dict[Any, Any]]:
    """Return the queue's key, and the fields of a wake-up's job. They are the same in each."""
    jobs = queue(_redis())
    job = jobs.create_job(DRAIN, timeout=JOB_SECONDS, result_ttl=0, failure_ttl=24 * 60 * 60, status=JobStatus.QUEUED)
    return jobs.key, job.to_dict()


def notify_soon() -> None:
    """Wake a worker without waiting for Redis. At most a hundred wake-ups a second are sent, however many callers ask."""
    with _asking:
        _asked.set()
        if not _notifiers:
            _notifiers.append(threading.Thread(target=_notify_when_asked, name="bell", daemon=True))
            _notifiers[0].start()


def _notify_when_asked() -> None:
    while True:
        _asked.wait()
        _asked.clear()
        notify()
        time.sleep(NOTIFY_SECONDS_MIN)


def acknowledge(wake_up: str | None = None) -> None:
    """Allow the next wake-up, and remove the one that was taken. Call it before claiming, so that no later event is missed."""
    try:
        _redis().delete(NOTIFIED, *([Job.key_for(wake_up)] if wake_up else []))
    except RedisError:
        return  # On purpose: the key expires after a few seconds.


def outage(client: Redis | None = None) -> str | None:
    """Return why no worker can be woken, in words; None if one can.

    Writes what `notify` writes, in one transaction that leaves nothing in the queue. A server that answers may still refuse writes."""
    try:
        _write_as_a_wake_up(client or _redis())
        return None
    except (RedisError, OSError, ValueError) as error:
        return queue_errors.of_redis(error)


def _write_as_a_wake_up(client: Redis) -> None:
    job, jobs = Job.key_for(PROBE), queue(client)
    with client.pipeline(transaction=True) as writes:
        writes.set(PROBE, 1, ex=NOTIFIED_SECONDS)
        writes.hset(job, "status", "probe")
        writes.expire(job, NOTIFIED_SECONDS)
        writes.sadd(jobs.redis_queues_keys, jobs.key)
        # No worker sees it in between: the transaction is one step.
        writes.rpush(jobs.key, PROBE)
        writes.lrem(jobs.key, -1, PROBE)
        writes.execute()


def queue(connection: Redis, kind: type[rq.Queue] = rq.Queue) -> rq.Queue:
    return kind(QUEUE, connection=connection, serializer=JSONSerializer, job_class=OwnJob)


@cache
def _redis() -> Redis:
    return queue_client.connect(config.settings().redis_url, socket_timeout=0.5, socket_connect_timeout=0.3, health_check_interval=0)
