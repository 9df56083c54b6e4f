"""The worker: an RQ worker that drains after each wake-up, and beside it a sweep that needs none."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
from redis import Redis, RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from rq.utils import as_text
from rq.worker import WorkerStatus

import store.config
from handlers import config
from handlers.worker import drain, sweep
from handlers.worker.supervisor import Predecessor, Supervisor
from store.inbox import wakeup
from store.inbox.wakeup import OwnJob
from store.system import processes, queue_client
from store.system.logs import describe_error

log = structlog.get_logger()


class WakeUps(Queue):
    """The queue as a worker takes from it. A wake-up is answered where it is taken, without what a job costs: fields, registries, results.

    Any other id is of a job, which RQ runs."""

    #: Whether this process answers a wake-up. It has one worker.
    answering = False

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> tuple[str, Any] | None:
        """Return the next job's id, once there is one. A wake-up that is lost with its worker is made up for by the sweep."""
        until = time.monotonic() + (timeout or 0)
        while True:
            taken = cls.lpop([queue_key], timeout, connection=connection)
            if taken is None or not as_text(taken[1]).startswith(wakeup.WAKE_UP):
                return taken  # type: ignore[no-any-return]
            cls._answer(as_text(taken[1]))
            if drain.stopping.is_set():
                raise StopRequested
            if timeout and time.monotonic() > until:
                raise DequeueTimeout(timeout, queue_key)  # RQ has its heartbeat, and asks for the next.

    @classmethod
    def _answer(cls, wake_up: str) -> None:
        cls.answering = True
        try:
            with UnixSignalDeathPenalty(wakeup.JOB_SECONDS, JobTimeoutException, job_id=wake_up):  # type: ignore[no-untyped-call]
                drain.drain(wake_up=wake_up)
        except Exception as error:
            log.error("a wake-up failed", error=describe_error(error))
        finally:
            cls.answering = False


class DrainWorker(SimpleWorker):
    """Runs the drain in its own process. The leases of claims recover from a crash, so no fork per wake-up is needed."""

    queue_class = WakeUps

    # A worker that dies is missed, and Redis is tried again, within seconds.
    max_connection_wait_time = 3.0

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        drain.stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def get_state(self) -> str:
        """Return the state. A worker that answers a wake-up is busy: a signal does not interrupt it."""
        return WorkerStatus.BUSY if WakeUps.answering else super().get_state()

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log what failed. RQ's own line would quote the exception."""
        log.error("a wake-up failed", error=describe_error(exc_info[1]))

    def handle_job_failure(self, job: Job, queue: Queue, started_job_registry: Any = None, exc_string: str = "") -> None:
        """Note in Redis that a wake-up failed, without the exception, whose message may hold personal data."""
        super().handle_job_failure(job, queue, started_job_registry)


def run() -> None:
    """Work until SIGTERM or SIGINT; claimed events are finished. A child does the work, because it may hang or crash over an event."""
    settings = config.settings()
    Supervisor(work, event_seconds_max=settings.event_seconds_max, bytes_max=settings.worker_bytes_max).run()


def work(name: str, dead: Predecessor | None, begun: Callable[[], None]) -> None:
    """Work until SIGTERM or SIGINT. Claims are held under `name`; the claims of the crashed worker `dead` are taken back.

    Calls `begun` once it looks for events."""
    drain.hold_claims_as(name, dead.name if dead else None)
    processes.collect_seldom()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: drain.stopping.set())
    sweeper = threading.Thread(target=sweep.run, args=(dead.pid if dead else None,), name="sweep")
    sweeper.start()
    begun()
    log.info("the worker is up")
    while not drain.stopping.is_set():
        try:
            _worker().work(with_scheduler=False, logging_level="WARNING")
        except RedisError as error:
            log.warning("the queue cannot be reached; the sweep works without it", error=describe_error(error))
            drain.stopping.wait(sweep.SWEEP_SECONDS)
    drain.stopping.set()
    sweeper.join()
    log.info("the worker ends")


def _worker() -> DrainWorker:
    connection = queue_client.connect(store.config.settings().redis_url)
    return DrainWorker(
        [wakeup.queue(connection, WakeUps)],
        connection=connection,
        serializer=JSONSerializer,
        job_class=OwnJob,
        worker_ttl=30,
        maintenance_interval=30,
        job_monitoring_interval=10,
        log_job_description=False,
        default_result_ttl=0,
    )
