"""gunicorn's configuration, named on the command line as `python:receiver.gunicorn_config`.

Each connection has a greenlet, and each process one thread. A connection that waits (for the database, or for a body) costs next to
nothing, and no thread waits for Python's lock. Measured against threads: 50 % more deliveries a second. Only here does gevent replace
the standard library's blocking calls.
"""

from __future__ import annotations

from gevent import monkey

# Before anything of ours is loaded: a lock that is made earlier would stop a whole process, and not only who waits for it.
monkey.patch_all()

# ruff: noqa: E402
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import structlog
from gevent.hub import Hub
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

import receiver
from receiver import config as web_config
from receiver.api.feed.change_watcher import ChangeWatcher
from receiver.connections import header_policy, limits, paced_parser
from receiver.web.server import reports
from receiver.web.server.defaults import (  # noqa: F401 - gunicorn reads them here.
    control_socket_disable,
    forwarded_allow_ips,
    forwarder_headers,
    header_map,
    limit_request_line,
    logger_class,
    secure_scheme_headers,
    umask,
)
from store import config as store_config
from store import database
from store.database import start_check
from store.privacy.restoring import index_key
from store.system import logs, processes
from store.system.environment import Environment, Misconfigured, withhold

withhold("LOG_SIGNING_KEY")
processes.begin()
log = structlog.get_logger()
# A greenlet's exception is logged as any other: gevent itself prints its message.
Hub.print_exception = lambda _hub, _context, kind, error, trace: logs.last_words(kind, error, trace)
header_policy.install()

_settings = web_config.settings()

wsgi_app = "receiver:create_app()"
bind = _settings.address
workers = _settings.processes
worker_connections = paced_parser.install(_settings.connections)
timeout = 30
graceful_timeout = 20
keepalive = _settings.keepalive_seconds
max_requests = 200_000
max_requests_jitter = 20_000
http_parser = "python"

#: How long connections that are kept may bring a further request when the process ends: it is answered, and the proxy told to close.
FAREWELL_SECONDS = 2.0

# Each process counts for itself; the counts are added up from files, which each start resets. Where there is a file system in memory
# they are there, so that a process can start while the disk is full.
_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None  # noqa: S108
worker_tmp_dir = _memory
_metrics = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix="standing-metrics-", dir=_memory)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics


#: The last workers that ended. The next one signs them off, because one that was killed could not.
_ended: deque[int] = deque(maxlen=16)


class Worker(GeventWorker):  # type: ignore[misc]
    """Gives each connection its deadlines. gunicorn's own worker waits for a slow sender without limit, and at its end for long polling."""

    def init_process(self) -> None:
        """Serve until the end. A failure is logged here, because gunicorn prints its message."""
        _look_up_once(self.cfg)
        try:
            super().init_process()
        except Exception as error:
            log.critical("the web process failed", error=logs.describe_error(error))
            sys.exit(-1 if self.booted else Arbiter.WORKER_BOOT_ERROR)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        with limits.opened(client):
            AsyncWorker.handle(self, listener, client, addr)

    def timeout_ctx(self) -> AbstractContextManager[None]:
        return nullcontext()  # The parser has deadlines of its own, for the wait between requests and for each head.

    def notify(self) -> None:
        super().notify()
        if not self.alive:
            self.ending_since = getattr(self, "ending_since", time.monotonic())
            if time.monotonic() - self.ending_since >= FAREWELL_SECONDS:
                limits.close_idle()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer, count and log a refusal before there was a request."""
        from receiver.connections import refusals  # Loaded in the worker alone, once it is said where to count.

        refusals.answer(client, peer=addr[0] if addr else "", error=exc)

    def handle_exit(self, sig: Any, frame: Any) -> None:
        ChangeWatcher.closing = True
        super().handle_exit(sig, frame)


def _look_up_once(settings: Any) -> None:
    """Keep gunicorn's settings where Python finds them first: each request needs about thirty, which no longer change."""
    vars(settings).update({name: setting.get() for name, setting in settings.settings.items()})


worker_class = Worker


def on_starting(server: Any) -> None:
    """Refuse a database that can never be used, before the process listens for deliveries that it could not keep."""
    start_check.tell_who_may_read()
    # A connection to SQLite must not be inherited: each child would take the parent's locks for its own. There the children look.
    if not database.is_sqlite():
        try:
            start_check.look()
            index_key.look()
        except Misconfigured as error:
            sys.exit(str(error))
    shutil.rmtree(_metrics, ignore_errors=True)
    Path(_metrics).mkdir(parents=True, exist_ok=True)
    # Here, once it is said where to count: the processes share what is loaded before they are forked.
    receiver.load()
    processes.share_what_is_loaded()
    reports.begin(server)


def on_reload(_server: Any) -> None:
    """Take again what files hold: secrets, tokens, keys, addresses. Where they are wrong, everything stays as it was."""
    environment = Environment()
    store_config.read(environment)
    web_config.read(environment)
    if environment.problems:
        log.error("settings are wrong: nothing was taken from them", error="; ".join(environment.problems))
        return
    database.forget()
    web_config.settings.cache_clear()
    web_config.settings()


def post_fork(server: Any, worker: Any) -> None:
    worker.predecessors = [pid for pid in _ended if pid not in server.WORKERS]


def post_worker_init(worker: Any) -> None:
    if database.is_sqlite():
        _refuse_another_index_key()
    from receiver.monitoring import delivery_counts  # Loaded in the worker alone, once it is said where to count.

    delivery_counts.ended.extend(worker.predecessors)
    processes.collect_seldom()


def _refuse_another_index_key() -> None:
    """End the process, and with it its parent, where INDEX_KEY is not the database's."""
    try:
        index_key.look()
    except Misconfigured as error:
        log.critical("the web process cannot start", error=str(error))
        sys.exit(Arbiter.WORKER_BOOT_ERROR)


def worker_exit(_server: Any, _worker: Any) -> None:
    from receiver.monitoring import delivery_counts  # Loaded in the worker alone, once it is said where to count.

    delivery_counts.end()


def child_exit(_server: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
    _ended.append(worker.pid)


def on_exit(_server: Any) -> None:
    shutil.rmtree(_metrics, ignore_errors=True)
