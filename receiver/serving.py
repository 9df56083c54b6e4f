"""How gunicorn serves `receiver`: its configuration, named on the command line as `python:receiver.serving`."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from receiver import config as web_config
from store import logs

_settings = web_config.settings()

wsgi_app = "receiver:create_app()"
bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.processes
worker_class = "gthread"
threads = _settings.threads
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = 200_000
max_requests_jitter = 20_000
control_socket_disable = True
# Both headers and the request line are small; a vendor's body is not.
limit_request_line = 8190

SILENCE_SECONDS_MAX = 5

# Each process counts for itself; the counts are added up from files, which a new start begins anew.
_metrics = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix="standing-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines among ours, from the first."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure()


logger_class = JsonLogger


def on_starting(_server: Any) -> None:
    shutil.rmtree(_metrics, ignore_errors=True)
    Path(_metrics).mkdir(parents=True, exist_ok=True)


def when_ready(server: Any) -> None:
    # Connections inherit it: who sends nothing for so long is let go, and holds no thread.
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENCE_SECONDS_MAX, 0))


def child_exit(_server: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    shutil.rmtree(_metrics, ignore_errors=True)
