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
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
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

#: How often is looked for what is due; how soon after something was, so that what comes meanwhile is taken together; and how long is
#: waited after the database failed.
LOOK_SECONDS, BREATH_SECONDS, PAUSE_SECONDS = 0.2, 0.03, 1.0

#: Changes that are followed in one transaction, and such transactions before something is done again.
FOLLOWED_AT_ONCE, ROUNDS_MAX = 500, 20

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
        with ThreadPoolExecutor(subscribers.AT_ONCE, thread_name_prefix=one.name) as hands:
            while not self._stopping.is_set():
                try:
                    if not ready:
                        self._get_ready(one)
                        ready = True
                    rest = self._round(one, hands)
                except Exception as error:  # The database is away, as a rule: what is due waits.
                    log.warning("reactions wait", reaction=one.name, error=describe_error(error))
                    self._stopping.wait(PAUSE_SECONDS)
                else:
                    self._stopping.wait(rest)

    def _get_ready(self, one: Subscriber) -> None:
        with database.begin() as connection:
            outbox.subscribe(connection, one.name)
            outbox.release(connection, one.name, holder=self._holder)

    def _round(self, one: Subscriber, hands: ThreadPoolExecutor) -> float:
        """Write down what is to do, and do some of it; return after how many seconds is to be looked again."""
        if not database.read(lambda connection: outbox.is_waited_for(connection, one.name)):
            return LOOK_SECONDS
        for _ in range(ROUNDS_MAX):
            with database.begin() as connection:
                followed = outbox.follow(connection, one.name, one.wants, most=FOLLOWED_AT_ONCE)
            if followed < FOLLOWED_AT_ONCE:
                break
        faults.reach("followed")
        with database.begin() as connection:
            due = outbox.claim(connection, one.name, holder=self._holder, most=one.at_once)
        faults.reach("reaction claimed")
        self._do_all(one, due, hands)
        return 0.0 if len(due) == one.at_once else BREATH_SECONDS

    def _do_all(self, one: Subscriber, due: list[Due], hands: ThreadPoolExecutor) -> None:
        """Do some reactions at a time; those that end at the same moment are noted together."""
        seconds = config.settings().reaction_seconds_max
        deadline = time.monotonic() + seconds
        doing: dict[Future[str], Due] = {hands.submit(one.tell, reaction.change): reaction for reaction in due}
        while doing:
            ended, _ = wait(doing, timeout=max(0.0, deadline - time.monotonic()), return_when=FIRST_COMPLETED)
            if not ended:
                break
            self._note(one, [(doing.pop(future), future) for future in ended])
        if doing:
            for hanging in doing.values():
                self._note_failure(one, hanging, NotNow(f"took longer than {seconds} s"))
            log.error("a reaction hangs; the process that does it ends", reaction=one.name)
            os._exit(1)

    def _note(self, one: Subscriber, ended: list[tuple[Due, Future[str]]]) -> None:
        answered = [(due, future.result()) for due, future in ended if future.exception() is None]
        if answered:
            faults.reach("told")
            with database.begin() as connection:
                outbox.succeeded(connection, answered, subscriber=one.name, holder=self._holder)
        for due, future in ended:
            if isinstance(error := future.exception(), Gone):
                self._note_stop(one, due, error)
            elif error is not None:  # Whatever it is, it is tried again.
                self._note_failure(one, due, error)

    def _note_stop(self, one: Subscriber, due: Due, gone: Gone) -> None:
        log.warning("a subscriber wants nothing more", reaction=one.name)
        with database.begin() as connection:
            outbox.stopped(connection, due, subscriber=one.name, holder=self._holder, answer=str(gone))

    def _note_failure(self, one: Subscriber, due: Due, error: BaseException) -> None:
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
