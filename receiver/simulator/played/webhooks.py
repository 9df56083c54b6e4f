"""Webhooks: played vendors review what was submitted, and send the results, signed, to a running service."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver.simulator import payloads
from receiver.simulator.client import Letter, Service
from receiver.simulator.payloads import Step
from receiver.simulator.played import results
from receiver.simulator.played.control import Judge
from receiver.simulator.played.records import Event, Played
from receiver.simulator.scenarios import Signer

#: How long a review takes, unless the play says otherwise.
REVIEW_SECONDS = 1.0

#: A webhook that is not answered 200 is sent again so often, so many seconds later.
ATTEMPTS_MAX, AGAIN_SECONDS = 120, 0.5


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the webhooks go, and how they are signed."""

    base: str
    environment: str
    #: Vendors without a signer send nothing.
    signers: Mapping[str, Signer]
    review_seconds: float = REVIEW_SECONDS


@dataclass(order=True)
class _Task:
    due: float
    number: int
    act: Callable[[], None] = field(compare=False)


class Webhooks:
    """Reviews and sends in a thread of its own, from `start` to `stop`."""

    def __init__(self, target: Target, vendors: Mapping[str, Judge], played: Mapping[str, Played], changing: threading.Lock) -> None:
        """`changing` guards what is played."""
        self._target, self._vendors, self._played, self._changing = target, vendors, played, changing
        self._service = Service(target.base, token="", environment=target.environment)
        self._tasks: list[_Task] = []
        self._numbers = itertools.count()
        self._waking = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._waking.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._service.close()

    def wake(self) -> None:
        """Something happened at a vendor."""
        self._waking.set()

    def _run(self) -> None:
        while not self._stopping:
            left = self._tasks[0].due - time.monotonic() if self._tasks else None
            self._waking.wait(left if left is None else max(left, 0))
            self._waking.clear()
            self._take_events()
            while self._tasks and self._tasks[0].due <= time.monotonic() and not self._stopping:
                heapq.heappop(self._tasks).act()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._tasks, _Task(time.monotonic() + seconds, next(self._numbers), act))

    # reviewing --------------------------------------------------------------------------------------------

    def _take_events(self) -> None:
        for name, played in self._played.items():
            with self._changing:
                events, known = list(played.events), set(played.table)
                played.events.clear()
            for event in events:
                if event.reference in known:
                    self._begin(name, event)

    def _begin(self, name: str, event: Event) -> None:
        """Send what is reported at once, and come to a verdict later."""
        self._send_all(name, event)
        if event.what == "submitted" and name in self._target.signers:
            self._later(self._target.review_seconds, lambda: self._decide(name, event.reference))

    def _decide(self, name: str, reference: str) -> None:
        """Give a verdict to an applicant who is still in review, and send it."""
        played = self._played[name]
        with self._changing:
            before = played.table.get(reference)
            if before is None or before.status != results.IN_REVIEW[name]:
                return
            word = played.verdicts.take(reference, before.user) or results.APPROVALS[name]
            played.move(reference, word, labels=results.LABELS.get(word, ()))
            self._vendors[name].judge(played, reference)
            standing = played.table[reference]
        self._send_all(name, Event(reference=reference, what="submitted", standing=standing))

    # sending ----------------------------------------------------------------------------------------------

    def _send_all(self, name: str, event: Event) -> None:
        for step in results.report(name, event):
            self._prepare(name, event, step)

    def _prepare(self, name: str, event: Event, step: Step) -> None:
        signer = self._target.signers.get(name)
        if signer is None:
            return
        about = results.applicant(name, event, environment=self._target.environment)
        body = payloads.body(about, step)
        entry = {"reference": event.reference, "type": step.event_type, "status": None, "attempts": 0}
        self._played[name].webhooks.append(entry)
        self._send(Letter(vendor=name, body=body, sign=lambda: signer.sign(body, step.event_type)), entry)

    def _send(self, letter: Letter, entry: dict[str, Any]) -> None:
        """Send a webhook, and again later if it is not answered 200."""
        answer = self._service.deliver(letter)
        entry |= {"status": answer.status, "attempts": entry["attempts"] + 1}
        if answer.status != 200 and entry["attempts"] < ATTEMPTS_MAX:
            self._later(AGAIN_SECONDS, lambda: self._send(letter, entry))
