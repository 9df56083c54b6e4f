"""The supervisor: the worker's parent. It has one child that works, and replaces it when it crashed, is frozen, or an event hangs.

The parent never touches the database, so it cannot hang there. The child is forked: it starts at once, and shares the loaded modules.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import NamedTuple

import structlog

from handlers.worker.pulse import IDLE, pulse
from store.system import processes, service_manager
from store.system.logs import describe_error
from store.system.processes import LifeSign

log = structlog.get_logger()

LOOK_SECONDS = 0.25

#: A child that dies soon after its start is replaced after a pause.
SOON_SECONDS, PAUSE_SECONDS = 5.0, 1.0


class Predecessor(NamedTuple):
    """A child that ended: the name under which it held its claims, and its process id."""

    name: str
    pid: int


#: The work of a child. Arguments: the name under which it holds its claims, the child that it replaces, and what it calls once it looks
#: for events: from then on it shows life.
Work = Callable[[str, Predecessor | None, Callable[[], None]], None]


class Supervisor:
    """Keeps one child at work until it is asked to end, then waits until the child has finished its claimed events."""

    def __init__(self, work: Work, *, event_seconds_max: int, bytes_max: int) -> None:
        self._work, self._bytes_max = work, bytes_max
        self._looks_max = event_seconds_max / LOOK_SECONDS
        self._child = 0
        self._ending = False

    def run(self) -> None:
        service_manager.exists()  # Its variables are taken out of the environment before a child is given them.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        dead: Predecessor | None = None
        while not self._ending:
            name, began = os.urandom(16).hex(), time.monotonic()
            self._child, life = self._start(name, dead)
            if self._ending:  # Asked to before there was a child to tell.
                os.kill(self._child, signal.SIGTERM)
            status = self._watch_child(LifeSign(life))
            os.close(life)
            dead, self._child = Predecessor(name, self._child), 0
            if not self._ending:
                log.error("the working process ended; it is replaced", status=status)
                time.sleep(PAUSE_SECONDS if time.monotonic() - began < SOON_SECONDS else 0)

    def _start(self, name: str, dead: Predecessor | None) -> tuple[int, int]:
        """Start a child; return its process id, and where it shows life."""
        parent, (reader, writer) = os.getpid(), os.pipe()
        pulse.stop()
        child = os.fork()
        if child:
            os.close(writer)
            return child, reader
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)  # Until the work has its own: the parent's would end a brother.
            os.close(reader)
            processes.end_with_parent(parent)
            resource.setrlimit(resource.RLIMIT_DATA, (self._bytes_max, resource.RLIM_INFINITY))
            self._work(name, dead, partial(processes.show_life, writer))
            os._exit(0)
        except Exception as error:
            log.critical("the working process failed", error=describe_error(error))
        finally:  # Whatever happened, a child does not go on as its parent.
            os._exit(1)

    def _watch_child(self, life: LifeSign) -> int:
        """Return the exit status of the child. Time is counted in looks, so that a suspended parent sees nothing hang."""
        last = pulse.steps()
        looks = [0] * len(last)
        while True:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(LOOK_SECONDS)
            steps = pulse.steps()
            looks = [seen + 1 if step == before != IDLE else 0 for seen, step, before in zip(looks, steps, last, strict=True)]
            last = steps
            if max(looks) > self._looks_max:
                log.error("an event hangs; the process that handles it is killed")
                os.kill(self._child, signal.SIGKILL)
            elif life.is_missing(look_seconds=LOOK_SECONDS):
                log.error("the working process is frozen; it is killed")
                os.kill(self._child, signal.SIGKILL)
            self._report(life)

    def _report(self, life: LifeSign) -> None:
        """Report to the service manager; feed the watchdog while the child shows life."""
        if self._ending:
            service_manager.stopping("Claimed events are finished.")
        elif life.was_shown_lately(look_seconds=LOOK_SECONDS):
            service_manager.ready("Events are handled.")
            service_manager.feed_watchdog()
        else:
            service_manager.troubled("The working process shows no life.")

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending = True
        if self._child:
            os.kill(self._child, signal.SIGTERM)
