"""The reactor: does what must happen after changes, beside the worker and in a process of its own. No change ever waits for it.

Each subscriber has a thread that writes down its reactions and claims those that are due, and a few that do them. To claim is to try:
what dies on the way has used an attempt up, and is tried again when its lease has run out. A reaction that hangs takes this
process along, which is replaced; the owner's functions have a process that is not the endpoints'.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

import structlog

from handlers import config, notifying, resubmission, subscribers
from handlers.subscribers import Gone, Log, NotNow, Subscriber
from store import clock, database, faults, logs, outbox, processes
from store.logs import describe_error
from store.outbox import Due

log = structlog.get_logger()

#: Where processors are short, handling events goes first: it is what there is to tell of.
NICE = 5

#: How often is looked for what is due, and how long is waited after the database failed.
LOOK_SECONDS, PAUSE_SECONDS = 0.2, 1.0

#: Changes that are followed in one transaction, and such transactions before something is done again.
FOLLOWED_AT_ONCE, ROUNDS_MAX = 500, 20

#: Reactions of one subscriber, to changes of different applicants, that are done at a time.
DONE_AT_ONCE = 8

RETRY_BASE, RETRY_LIMIT = timedelta(seconds=5), timedelta(hours=6)

#: How long what is done is remembered, and how often is looked for what can be forgotten.
REMEMBERED, FORGET_SECONDS = timedelta(days=30), 3600.0


class Reactor:
    """Tells some subscribers of changes until it is asked to end; what is in hand is finished."""

    def __init__(self, told: Sequence[Subscriber], *, holder: str) -> None:
        """What another of the same name had in hand when it died is taken back."""
        self._told, self._holder = told, holder
        self._stopping = threading.Event()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        threads = [threading.Thread(target=self._serve, args=(one,), name=one.name, daemon=True) for one in self._told]
        for thread in threads:
            thread.start()
        while not self._stopping.wait(FORGET_SECONDS):
            self._forget()
        for thread in threads:
            thread.join(config.settings().reaction_seconds_max)

    def _serve(self, one: Subscriber) -> None:
        ready = False
        with ThreadPoolExecutor(DONE_AT_ONCE, thread_name_prefix=one.name) as hands:
            while not self._stopping.is_set():
                try:
                    if not ready:
                        self._get_ready(one)
                        ready = True
                    busy = self._round(one, hands)
                except Exception as error:  # The database is away, as a rule: what is due waits.
                    log.warning("reactions wait", reaction=one.name, error=describe_error(error))
                    self._stopping.wait(PAUSE_SECONDS)
                else:
                    self._stopping.wait(0 if busy else LOOK_SECONDS)

    def _get_ready(self, one: Subscriber) -> None:
        with database.begin() as connection:
            outbox.subscribe(connection, one.name)
            outbox.release(connection, one.name, holder=self._holder)

    def _round(self, one: Subscriber, hands: ThreadPoolExecutor) -> bool:
        """Write down what is to do, and do some of it; return whether there was anything."""
        if not database.read(lambda connection: outbox.is_waited_for(connection, one.name)):
            return False
        for _ in range(ROUNDS_MAX):
            with database.begin() as connection:
                followed = outbox.follow(connection, one.name, one.wants, most=FOLLOWED_AT_ONCE)
            if followed < FOLLOWED_AT_ONCE:
                break
        faults.reach("followed")
        with database.begin() as connection:
            due = outbox.claim(connection, one.name, holder=self._holder, most=DONE_AT_ONCE)
        faults.reach("reaction claimed")
        self._do_all(one, due, hands)
        return bool(followed or due)

    def _do_all(self, one: Subscriber, due: list[Due], hands: ThreadPoolExecutor) -> None:
        seconds = config.settings().reaction_seconds_max
        doing: dict[Future[None], Due] = {hands.submit(self._do, one, reaction): reaction for reaction in due}
        done, hanging = wait(doing, timeout=seconds)
        for future in done:
            future.result()
        if hanging:
            for future in hanging:
                self._note_failure(one, doing[future], NotNow(f"took longer than {seconds} s"))
            log.error("a reaction hangs; the process that does it ends", reaction=one.name)
            os._exit(1)

    def _do(self, one: Subscriber, due: Due) -> None:
        try:
            answer = one.tell(due.change)
        except Gone as gone:
            log.warning("a subscriber wants nothing more", reaction=one.name)
            with database.begin() as connection:
                outbox.stopped(connection, due, subscriber=one.name, holder=self._holder, answer=str(gone))
        except Exception as error:  # Whatever it is, it is tried again.
            self._note_failure(one, due, error)
        else:
            faults.reach("told")
            with database.begin() as connection:
                outbox.succeeded(connection, due, subscriber=one.name, holder=self._holder, answer=answer)

    def _note_failure(self, one: Subscriber, due: Due, error: Exception) -> None:
        said = str(error) if isinstance(error, NotNow | subscribers.Refused) else describe_error(error)
        again = due.attempts < config.settings().reaction_attempts_max
        log.warning("a reaction failed", reaction=one.name, id=due.id, count=due.attempts, again=again)
        pause = min(RETRY_BASE * 2 ** min(due.attempts - 1, 30), RETRY_LIMIT) * random.uniform(1, 1.25)  # noqa: S311
        rest = error.rest if isinstance(error, NotNow) else None
        retry_at = clock.now() + max(pause, rest or timedelta()) if again else None
        with database.begin() as connection:
            outbox.failed(connection, due, subscriber=one.name, holder=self._holder, answer=said, retry_at=retry_at, rest=rest)

    def _forget(self) -> None:
        try:
            with database.begin() as connection:
                outbox.forget_done(connection, before=clock.now() - REMEMBERED)
        except database.Failure as error:
            log.warning("what was done long ago is not forgotten yet", error=describe_error(error))


#: Who is told by which of the processes beside a worker.
PARTS: dict[str, Callable[[], Sequence[Subscriber]]] = {
    "endpoints": lambda: [Log(), *notifying.endpoints(), *resubmission.subscribers()],
    "functions": subscribers.functions,
}


def main(part: str, holder: str, parent: int) -> None:
    """Tell one part of the subscribers, as long as the parent lives."""
    logs.configure()
    processes.end_with_parent(parent)
    os.nice(NICE)
    config.settings()
    Reactor(PARTS[part](), holder=holder).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
