"""The traffic: the simulator's stories, told by vendors who send again what is not acknowledged, and a ledger of what was."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from receiver import config
from receiver.simulator import scenarios
from receiver.simulator.client import LANES, Delivery, Letter, Pace, Service, SimulatorResponse, send
from receiver.simulator.scenarios import Plot, Scene, Signer
from store.system import clock
from store.system.environment import Environment

#: How long a vendor waits for an answer, and before it sends again.
PATIENCE_SECONDS, PAUSE_SECONDS = 5.0, 0.1

LEVEL = "basic-kyc-level"

#: On average, how many deliveries the simulator makes of a story.
DELIVERIES_PER_STORY = 2.4


@dataclass
class Ledger:
    """What was sent and how it was answered, letter by letter."""

    #: The ids under which a letter was acknowledged.
    acknowledged: dict[Letter, set[str]] = field(default_factory=lambda: defaultdict(set))
    #: Letters of which a copy went out that was never answered: it may still be on its way.
    unsure: set[Letter] = field(default_factory=set)
    #: Letters found kept under another id than was answered: a spooled copy of what was kept before.
    under_another_id: set[Letter] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, delivery: Delivery, answer: SimulatorResponse) -> None:
        with self._lock:
            self.answers[str(answer.status or "none")] += 1
            if answer.status is None:
                self.unsure.add(delivery.letter)
            else:
                self.slowest_seconds = max(self.slowest_seconds, answer.seconds)
            if answer.status == 200:
                self.acknowledged[delivery.letter].add(str(answer.content.get("event_id")))

    @property
    def sent(self) -> int:
        return self.answers.total()


class Traffic:
    """A plot that is being sent, until all of it is acknowledged."""

    def __init__(self, service: Service, plot: Plot) -> None:
        self.service, self.plot, self.ledger = service, plot, Ledger()
        self.lanes = [[delivery for chapter in plot.chapters for delivery in chapter[lane]] for lane in range(LANES)]
        self.total = sum(map(len, self.lanes))
        self.done = 0
        #: The applicants who were erased meanwhile, as vendor and reference.
        self.erased: set[tuple[str, str]] = set()
        self._pace = Pace(0)
        self._aside: list[Delivery] = []
        self._given_up = threading.Event()
        self._thread = ThreadPoolExecutor(1)

    def start(self) -> None:
        self._sending: Future[None] = self._thread.submit(self._send)

    def slow_down(self, share: float, seconds: float) -> None:
        """Send this share of all in so many seconds, if as many can be."""
        self._pace.rate = max(1.0, share * self.total / seconds) if seconds else 0

    def hurry(self) -> None:
        """Send as fast as it goes."""
        self._pace.rate = 0

    def finish(self, seconds: float) -> bool:
        """Wait until all of it is acknowledged; whether it was in so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._sending.done() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._given_up.set()
        self._sending.result()
        return len(self.ledger.acknowledged) == len(self.letters())

    def close(self) -> None:
        """Send no more."""
        self._given_up.set()
        self._thread.shutdown()
        self.service.close()

    def letters(self) -> set[Letter]:
        """What the vendors sent, not the strangers."""
        return {delivery.letter for lane in self.lanes for delivery in lane if delivery.kind != "forged"}

    def ahead(self, chance: random.Random) -> Delivery:
        """One that is sent soon, for the first time."""
        lane = chance.choice([lane for lane in self.lanes if lane])
        place = int(len(lane) * (self.done / self.total + 0.05)) + 3
        return next(delivery for delivery in lane[place:] if delivery.kind == "first" and delivery.letter not in self.ledger.acknowledged)

    def _send(self) -> None:
        send(self.lanes, self._pace, deliver=self._insist, on_sent=self._count)
        aside = [self._aside[lane::LANES] for lane in range(LANES)]
        send(aside, Pace(0), deliver=lambda delivery: self._insist(delivery, last=True), on_sent=lambda: None)

    def _count(self) -> None:
        self.done += 1

    def _insist(self, delivery: Delivery, *, last: bool = False) -> SimulatorResponse:
        """Send until it is acknowledged. What is refused as stale is sent at the end: its vendor's events carry their time."""
        while not self._given_up.is_set():
            answer = self.service.deliver(delivery.letter)
            self.ledger.note(delivery, answer)
            if answer.status == 200 or (delivery.kind == "forged" and answer.status == 401):
                return answer
            if answer.status == 401 and not last:
                self._aside.append(delivery)
                return answer
            self._given_up.wait(PAUSE_SECONDS)
        return SimulatorResponse(status=None, content={"trouble": "given up"}, seconds=0.0)


def traffic(base: str, var_dir: Path, token: str, *, events: int, seed: str) -> Traffic:
    """About so many events for a service that keeps what it made in a folder."""
    chance = random.Random(seed)
    scene = Scene(run=secrets.token_hex(4), environment="sandbox", level=LEVEL, signers=_signers(var_dir), now=clock.now())
    count = max(len(scenarios.VENDORS), round(events / DELIVERIES_PER_STORY))
    plot = scenarios.plot(scene, count=count, seed=chance.randrange(2**32), duplicates=0.05, reordered=0.1, forgeries=0.01)
    return Traffic(Service(base, token=token, environment="sandbox", patience_seconds=PATIENCE_SECONDS), plot)


def _signers(var_dir: Path) -> dict[str, Signer]:
    senders = config.read(Environment({"VAR_DIR": str(var_dir)})).senders
    keys = {vendor: next(key for key in sender.keys if key.environment == "sandbox") for vendor, sender in senders.items()}
    return {vendor: Signer(scheme=senders[vendor].scheme, secret=key.secret) for vendor, key in keys.items()}
