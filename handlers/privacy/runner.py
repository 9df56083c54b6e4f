"""The erasure runner: a worker carries out the erasures that are ahead, one at a time, in a process beside its own.

However many workers there are, one process of all hosts does so at a time (`store/privacy/erasing/lease.py`)."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

import structlog

from handlers import config
from handlers.privacy import erase, redo, upkeep
from handlers.privacy.pace import Pace, Stopped
from store import database
from store.database import bulk
from store.privacy.erasing import erasures, lease, leftovers, waiting
from store.privacy.erasing.waiting import Waiting
from store.privacy.restoring import gate, ledger
from store.system import processes
from store.system.logs import describe_error
from store.system.processes import ChildProcess

log = structlog.get_logger()

#: How often the process writes its heartbeat, and how long it may take to end.
ALIVE_SECONDS, END_SECONDS = 5.0, 10.0

#: When the upkeep runs first, after a worker's start, how often, and when again if another process was at it.
FIRST_SECONDS, UPKEEP_SECONDS, BUSY_SECONDS = 20.0, 3600.0, 60.0

#: When the same erasures are tried again, after a run that left them, and after one that failed, or found another process at it.
LEFT_SECONDS, AGAIN_SECONDS = 600.0, 2.0

#: The exit status of a process that found another one at it.
BUSY = 3


class ErasureRunner:
    """Looks for erasures that are ahead, and for what is to be kept up, and runs them in a process."""

    def __init__(self) -> None:
        self._child = ChildProcess()
        # A restarted process keeps its predecessor's name, so that it need not wait for the lease.
        self._name = f"{socket.gethostname()}:{os.urandom(8).hex()}"
        self._tried: Waiting | None = None
        self._keeps_up = False
        self._next_at, self._upkeep_at = 0.0, time.monotonic() + FIRST_SECONDS

    def look(self, *, look_seconds: float) -> None:
        """Start the process if there is something to do, unless it runs. A frozen one is killed first."""
        if self._child.kill_if_frozen(look_seconds=look_seconds):
            log.error("the process that erases is frozen; it is killed")
        if self._child.runs():
            return
        if (status := self._child.take_exit()) is not None:
            self._next_at = time.monotonic() + (AGAIN_SECONDS if status else LEFT_SECONDS)
            if status == BUSY and self._keeps_up:
                self._upkeep_at = time.monotonic() + BUSY_SECONDS
        found = database.read(waiting.find)
        self._keeps_up = time.monotonic() > self._upkeep_at
        if self._keeps_up or (found.is_any and (found != self._tried or time.monotonic() > self._next_at)):
            self._tried = found
            self._upkeep_at = time.monotonic() + UPKEEP_SECONDS if self._keeps_up else self._upkeep_at
            self._child.start_module("handlers.privacy.runner", self._name, "upkeep" if self._keeps_up else "erasures")

    def end(self) -> None:
        """Leave what is under way to another worker."""
        self._child.end(END_SECONDS)


def run(name: str, pace: Pace, *, keeps_up: bool) -> int:
    """Carry out what is ahead, unless another process does; return the exit status."""
    if not database.write(lambda connection: lease.take(connection, name)):
        return BUSY
    ended = threading.Event()
    threading.Thread(target=_say_alive, args=(name, ended), daemon=True).start()
    try:
        return _work(pace, keeps_up=keeps_up)
    except Stopped:
        return BUSY
    except ledger.Unusable as unusable:
        log.error("nothing is erased", error=str(unusable))
    except database.Failure as error:
        log.warning("erasures wait", error=describe_error(error))
    finally:
        ended.set()
        _give_back(name)
    return 1


def _work(pace: Pace, *, keeps_up: bool) -> int:
    """Erase again what the database lacks, then what is ahead, and what comes meanwhile; return the exit status."""
    redo.redo_all()
    if keeps_up:
        upkeep.run(pace)
    tried: set[str] = set()
    failed = 0
    while ahead := [erasure_id for erasure_id in database.write(erasures.ahead) if erasure_id not in tried]:
        for some in bulk.parts(ahead, erase.AT_ONCE):
            pace.give_way()
            failed += erase.attempt(some, on_events=lambda _: pace.give_way())[1]
        tried.update(ahead)
    database.write(gate.catch_up)
    leftovers.truncate_log()
    return int(failed > 0)


def _give_back(name: str) -> None:
    try:
        database.write(lambda connection: lease.give_back(connection, name))
    except database.Failure:
        return  # On purpose: the lease expires.


def _say_alive(name: str, ended: threading.Event) -> None:
    while not ended.wait(ALIVE_SECONDS):
        try:
            mine = database.write(lambda connection: lease.take(connection, name))
        except Exception as error:  # Whatever it is, a process that says nothing is taken over.
            log.warning("the process that erases could not write its heartbeat", error=describe_error(error))
            continue
        if not mine and not ended.is_set():
            log.warning("another process took the erasures over")
            os._exit(BUSY)


def main(name: str, what: str, parent: str) -> None:
    """Carry out erasures as long as the parent runs."""
    processes.begin()
    processes.live_with_parent(parent)
    config.settings()
    pace = Pace()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pace.stop())
    sys.exit(run(name, pace, keeps_up=what == "upkeep"))


if __name__ == "__main__":
    main(*sys.argv[1:])
