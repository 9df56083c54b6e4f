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
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

import structlog

from handlers import config
from handlers.notify import endpoints, resubmission, subscribers
from handlers.notify.dispatch_loop import DispatchLoop, Executor, HttpExecutor, ThreadExecutor
from handlers.notify.subscribers import AT_ONCE, Log, Subscriber
from store import database
from store.outbox import dispatch, outcomes
from store.system import clock, processes
from store.system.logs import describe_error

log = structlog.get_logger()

#: Where processors are short, handling events goes first: it is what there is to tell of.
NICE = 5

#: How long what is done is remembered, how often is looked for what can be forgotten, and the pause after the database failed.
REMEMBERED, UPKEEP_SECONDS, PAUSE_SECONDS = timedelta(days=30), 3600.0, 2.0

#: A thread's stack. All of it counts against the limit of memory that is inherited from the worker.
STACK_BYTES = 1024 * 1024

#: Subscribers that share a dispatch loop, and how their reactions are carried out.
Group = tuple[Sequence[Subscriber], Callable[[], Executor]]


class Dispatcher:
    """Notifies some subscribers until it is asked to end; started reactions are finished."""

    def __init__(self, groups: Sequence[Group], *, holder: str, configured: Collection[str] | None = None) -> None:
        """Take back the claims of a crashed process of the same name. The dispatcher that is given `configured`, the keys of all
        subscribers, retires all others."""
        self._configured = configured
        self._subscribers = [one for group, _ in groups for one in group]
        self._loops = [DispatchLoop(group, make(), holder=holder) for group, make in groups if group]
        self._stopping = threading.Event()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        threads = [threading.Thread(target=self._serve, args=(loop,), daemon=True) for loop in self._loops]
        for thread in threads:
            thread.start()
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = UPKEEP_SECONDS if self._keep_up() else PAUSE_SECONDS
        for thread in threads:
            thread.join(config.settings().reaction_seconds_max)
        os._exit(0)  # A pool's threads are not waited for.

    def _serve(self, loop: DispatchLoop) -> None:
        """Run one loop. A loop that fails ends the process, which is replaced."""
        try:
            loop.run(self._stopping, self._subscribers)
        except BaseException as error:
            log.critical("a dispatcher failed", error=describe_error(error))
            os._exit(1)

    def _keep_up(self) -> bool:
        """Forget what was done long ago, and retire what is configured no more; return whether the database allowed it."""
        try:
            with database.begin() as connection:
                outcomes.forget_done(connection, before=clock.now() - REMEMBERED)
                retired = [] if self._configured is None else dispatch.retire(connection, self._configured)
        except database.Failure as error:
            log.warning("what was done long ago is not forgotten yet", error=describe_error(error))
            return False
        for title in retired:
            log.warning("a subscriber is configured no more; what is pending for it waits", subscriber=title)
        return True


#: The subscribers of each of the processes beside a worker.
PARTS: dict[str, Callable[[], Sequence[Group]]] = {
    "endpoints": lambda: [
        ([Log()], lambda: ThreadExecutor(1)),
        (endpoints.endpoints(), HttpExecutor),
        (resubmission.subscribers(), lambda: ThreadExecutor(AT_ONCE)),
    ],
    "functions": lambda: [([one], lambda: ThreadExecutor(AT_ONCE)) for one in subscribers.functions()],
}


def configured() -> list[str]:
    """Return the keys of all subscribers of this configuration. Loads no function."""
    known: list[Subscriber] = [Log(), *endpoints.endpoints(), *resubmission.subscribers()]
    return [*(one.name for one in known), *subscribers.function_names()]


def main(part: str, holder: str, parent: str) -> None:
    """Notify one part of the subscribers, as long as the parent runs."""
    processes.begin()
    processes.live_with_parent(parent)
    os.nice(NICE)
    threading.stack_size(STACK_BYTES)
    config.settings()
    Dispatcher(PARTS[part](), holder=holder, configured=configured() if part == "endpoints" else None).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
