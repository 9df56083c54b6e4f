"""The log's process beside a worker: gives new rows their leaves, signs the tree, publishes checkpoints, and verifies what is new.

Of all hosts one process does so at a time. Another takes over once it has said nothing for a while."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from datetime import timedelta

import structlog

from handlers import config
from handlers.notify import checkpoints as publishing
from store import database
from store.privacy.restoring import gate
from store.proof import checkpoints, sequencer
from store.proof.sequencer import Horizon, LeaseLost
from store.proof.verification import run as verification
from store.system import fault_points, processes
from store.system.logs import describe_error

log = structlog.get_logger()

#: Handling events goes first: they are what there is to log.
NICE = 5

#: How often is looked for what is new: while there is some, and while all is logged.
LOOK_SECONDS, IDLE_SECONDS = 0.5, 1.0

#: How often the lease is renewed, and the pause after a failure, or while another process logs.
LEASE_SECONDS, PAUSE_SECONDS = 4.0, 2.0

#: How often is looked whether a checkpoint is to be published.
PUBLISH_SECONDS = 5.0

#: How often is looked whether what is new is to be compared with the log, how often it is, and the pause after each part.
VERIFY_LOOK_SECONDS, VERIFY_EVERY, REST_SECONDS = 60.0, timedelta(days=1), 0.1


class Sequencer:
    """Logs as long as it has the lease, until it is asked to end."""

    def __init__(self, name: str, stopping: threading.Event) -> None:
        self._name, self._stopping, self._horizon = name, stopping, Horizon()
        self._renewed_at = float("-inf")
        #: More waits than a pass takes.
        self._is_behind = True
        #: What there was when a pass found nothing to log, and nothing could show itself late.
        self._done_to: tuple[int | None, ...] | None = None

    def run(self) -> None:
        """Log, pass after pass. What fails is tried again."""
        for beside in (self._publish, self._verify):
            threading.Thread(target=beside, daemon=True).start()
        while not self._stopping.is_set():
            try:
                self._stopping.wait(self._pass())
            except (LeaseLost, *database.Failure) as error:
                log.warning("nothing is logged for a moment", error=describe_error(error))
                self._renewed_at = float("-inf")
                self._stopping.wait(PAUSE_SECONDS)
        self._give_back()

    def _pass(self) -> float:
        """Log what is new and sign it; return the seconds until the next look."""
        gate.require_open()
        if time.monotonic() - self._renewed_at > LEASE_SECONDS:
            if not database.write(lambda connection: sequencer.take_lease(connection, self._name)):
                return PAUSE_SECONDS
            self._renewed_at, self._done_to = time.monotonic(), None
        newest = database.read(sequencer.newest)
        if newest == self._done_to:
            return IDLE_SECONDS
        logged = database.write(lambda connection: sequencer.log_some(connection, self._name, self._horizon))
        fault_points.reach("log appended")
        self._is_behind = logged >= sequencer.AT_ONCE
        if self._is_behind:
            return 0.0
        checkpoints.sign()
        if not logged and self._horizon.is_at_end:
            self._done_to = newest
        return LOOK_SECONDS

    def _publish(self) -> None:
        """Publish what is due, in a thread of its own: no place that hangs delays the log."""
        while not self._stopping.wait(PUBLISH_SECONDS):
            if not self._has_lease():
                continue
            try:
                publishing.publish_due()
            except Exception as error:  # Usually the database is unavailable; the thread outlives whatever it is.
                log.warning("no checkpoint is published for a moment", error=describe_error(error))

    def _verify(self) -> None:
        """Compare what is new with its leaves, once a day, in a thread of its own and slowly."""
        while not self._stopping.wait(VERIFY_LOOK_SECONDS):
            if self._is_behind or not self._has_lease():
                continue
            try:
                if database.read(lambda connection: verification.is_due(connection, every=VERIFY_EVERY)):
                    found = verification.verify_new(rest=lambda: self._stopping.wait(REST_SECONDS))
                    (log.error if found.count else log.info)("what is new was compared with the log", count=found.count, size=found.size)
            except Exception as error:  # As above.
                log.warning("nothing is compared with the log for a moment", error=describe_error(error))

    def _has_lease(self) -> bool:
        return time.monotonic() - self._renewed_at < 2 * LEASE_SECONDS

    def _give_back(self) -> None:
        try:
            database.write(lambda connection: sequencer.give_back(connection, self._name))
        except database.Failure:
            return  # On purpose: the lease expires.


def main(name: str, parent: str) -> None:
    """Log as long as the parent runs."""
    processes.begin()
    processes.live_with_parent(parent)
    os.nice(NICE)
    config.settings()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    Sequencer(f"{socket.gethostname()}:{name}", stopping).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
