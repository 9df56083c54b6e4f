"""The dispatcher: the processes beside a worker that notify subscribers of changes. No change waits for them.

The warning that an approval fell has its own thread, database connection and loop, so that no endpoint delays it. All endpoints share
one loop and one thread that sends. Each function of the owner has a loop and a few threads. Functions run in a process of their own,
because a function that hangs takes its process down, which is then replaced.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from handlers import config
from handlers.notify import endpoints, resubmission, subscribers
from handlers.notify.dispatch_loop import Dispatcher, Hands, Requests, Threads
from handlers.notify.subscribers import AT_ONCE, Log, Subscriber
from store import database
from store.outbox import outcomes
from store.system import clock, processes
from store.system.logs import describe_error

log = structlog.get_logger()

#: Where processors are short, handling events goes first: it is what there is to tell of.
NICE = 5

#: How long what is done is remembered, and how often is looked for what can be forgotten.
REMEMBERED, FORGET_SECONDS = timedelta(days=30), 3600.0

#: A thread's stack. All of it counts against the limit of memory that is inherited from the worker.
STACK_BYTES = 1024 * 1024

#: Subscribers that share a dispatcher, and how their reactions are carried out.
Group = tuple[Sequence[Subscriber], Callable[[], Hands]]


class Reactor:
    """Notifies some subscribers until it is asked to end; started reactions are finished."""

    def __init__(self, groups: Sequence[Group], *, holder: str) -> None:
        """Take back the claims of a crashed process of the same name."""
        self._told = [one for group, _ in groups for one in group]
        self._dispatchers = [Dispatcher(group, make(), holder=holder) for group, make in groups if group]
        self._stopping = threading.Event()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        threads = [threading.Thread(target=self._serve, args=(one,), daemon=True) for one in self._dispatchers]
        for thread in threads:
            thread.start()
        while not self._stopping.wait(FORGET_SECONDS):
            self._forget()
        for thread in threads:
            thread.join(config.settings().reaction_seconds_max)
        os._exit(0)  # A pool's threads are not waited for.

    def _serve(self, one: Dispatcher) -> None:
        """Run one loop. A loop that fails ends the process, which is replaced."""
        try:
            one.run(self._stopping, self._told)
        except BaseException as error:
            log.critical("a dispatcher failed", error=describe_error(error))
            os._exit(1)

    def _forget(self) -> None:
        try:
            with database.begin() as connection:
                outcomes.forget_done(connection, before=clock.now() - REMEMBERED)
        except database.Failure as error:
            log.warning("what was done long ago is not forgotten yet", error=describe_error(error))


#: The subscribers of each of the processes beside a worker.
PARTS: dict[str, Callable[[], Sequence[Group]]] = {
    "endpoints": lambda: [
        ([Log()], lambda: Threads(1)),
        (endpoints.endpoints(), Requests),
        (resubmission.subscribers(), lambda: Threads(AT_ONCE)),
    ],
    "functions": lambda: [([one], lambda: Threads(AT_ONCE)) for one in subscribers.functions()],
}


def main(part: str, holder: str, parent: str) -> None:
    """Notify one part of the subscribers, as long as the parent runs."""
    processes.begin()
    processes.live_with_parent(parent)
    os.nice(NICE)
    threading.stack_size(STACK_BYTES)
    config.settings()
    Reactor(PARTS[part](), holder=holder).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
