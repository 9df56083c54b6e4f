"""gunicorn's parent process, and what it reports to the service manager: that its workers answer, that it reloads, that it ends.

gunicorn itself reports readiness before a worker listens, and feeds no watchdog.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from store.system import service_manager
from store.text.counts import counted

#: A worker that serves requests shows life every second. One that has shown none for so long does not count.
SILENT_SECONDS = 5.0


def begin(server: Any) -> None:
    """Have gunicorn's parent report from now on. For `on_starting`: gunicorn then finds no socket for its own report."""
    if not service_manager.exists():
        return
    # The parent's loop looks for workers that hang once a second, and after each signal.
    server.murder_workers = _after(server.murder_workers, partial(_look, server))
    server.reload = _before(server.reload, service_manager.reloading)
    server.stop = _before(server.stop, partial(service_manager.stopping, "Requests under way are answered."))


def _look(server: Any) -> None:
    """Feed the watchdog while at least one worker answers. One that hangs is replaced by gunicorn after its `timeout`."""
    answering = sum(_answers(worker) for worker in server.WORKERS.values())
    if not answering:
        service_manager.troubled("No process answers.")
        return
    service_manager.ready(f"{counted(answering, 'process answers', 'processes answer')}.")
    service_manager.feed_watchdog()


def _answers(worker: Any) -> bool:
    """Return whether a worker showed life lately. Until it does so for the first time, its file has the time of day."""
    try:
        return bool(0 <= time.monotonic() - worker.tmp.last_update() <= SILENT_SECONDS)
    except (OSError, ValueError):  # It ends, and its file is closed.
        return False


def _after(act: Callable[..., None], then: Callable[[], None]) -> Callable[..., None]:
    def both(*arguments: Any, **options: Any) -> None:
        act(*arguments, **options)
        then()

    return both


def _before(act: Callable[..., None], first: Callable[[], None]) -> Callable[..., None]:
    def both(*arguments: Any, **options: Any) -> None:
        first()
        act(*arguments, **options)

    return both
