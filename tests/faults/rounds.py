"""One round: a fresh service, traffic, one fault amid it at a random moment, and the verdict once it is over."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import ground as grounds
from tests.faults import verdict as verdicts
from tests.faults.fault import Amid, Fault, lasts
from tests.faults.ground import Ground, NotInflicted
from tests.faults.reader import Reader
from tests.faults.traffic import Traffic, traffic
from tests.faults.verdict import Unreadable, Verdict
from tests.support.servers import Postgres

#: Everything heals without help, in so many seconds after the fault is lifted.
HEALED_SECONDS_MAX = 60.0

#: The fault comes when so much of the traffic, at least and at most, was sent.
EARLIEST, LATEST = 0.15, 0.35

STUCK_SECONDS = 300.0

#: Told what goes on.
Show = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Round:
    """How a fault was borne."""

    fault: Fault
    events: int = 0
    sent: int = 0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    in_doubt: int = 0
    #: Answers, by HTTP status; `none` where none came.
    answers: dict[str, int] = field(default_factory=dict)
    slowest_seconds: float = 0.0
    #: From the lifting of the fault until all was handled; None: not in time.
    healed_seconds: float | None = None
    took_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.wrong


def play(fault: Fault, *, cluster: Postgres | None, events: int, seed: int, show: Show) -> Round:
    """Play a round. What it finds wrong is told, never raised."""
    began, named = time.monotonic(), f"{seed} {fault.name}"
    show("starting")
    with tempfile.TemporaryDirectory(prefix="standing-fault-", ignore_cleanup_errors=True) as folder:
        try:
            with ExitStack() as stack:
                beside = stack.enter_context(fault.beside()) if fault.beside else None
                spool = {"SPOOL_DIR": f"{folder}/spool"} if fault.spooling else {}
                settings = {**fault.settings, **spool, **(beside.settings if beside else {})}
                ground = stack.enter_context(grounds.ground(Path(folder), None if fault.on_sqlite else cluster, settings))
                sending = traffic(ground.base, ground.var_dir, ground.token("READ"), events=events, seed=named)
                stack.enter_context(closing(sending))
                return _play(fault, Amid(ground=ground, traffic=sending, chance=random.Random(named), beside=beside), began, show)
        except Exception as error:  # A round that cannot be played takes no other along.
            return Round(fault=fault, wrong=[f"not played: {type(error).__name__}: {error}"], took_seconds=time.monotonic() - began)


def _play(fault: Fault, amid: Amid, began: float, show: Show) -> Round:
    sending, reader = amid.traffic, Reader(amid.traffic.service)
    reader.start()
    sending.start()
    _wait_for(sending, amid.chance.uniform(EARLIEST, LATEST), show)
    show("broken")
    wrong = _break(fault, amid)
    lifted_at = time.monotonic()
    show("healing")
    if not sending.finish(HEALED_SECONDS_MAX):
        wrong.append(f"not all was acknowledged within {HEALED_SECONDS_MAX:g} s")
    healed_seconds = _healed(amid.ground, sending, lifted_at)
    if healed_seconds is None:
        wrong.append(f"not healed within {HEALED_SECONDS_MAX:g} s: /readyz says {amid.ground.readiness()}")
    show("judging")
    found = _judged(amid, reader)
    return Round(
        fault=fault,
        events=found.events,
        sent=sending.ledger.sent,
        acknowledged=len(sending.ledger.acknowledged),
        lost=found.lost,
        twice=found.twice,
        in_doubt=found.in_doubt,
        answers=dict(sending.ledger.answers),
        slowest_seconds=sending.ledger.slowest_seconds,
        healed_seconds=healed_seconds,
        took_seconds=time.monotonic() - began,
        wrong=wrong + found.wrong,
    )


def _break(fault: Fault, amid: Amid) -> list[str]:
    """Bring the fault about, and lift it; what kept it from being brought about."""
    try:
        with fault.deed(amid):
            lasts(fault, amid)
    except NotInflicted as error:
        return [f"not inflicted: {error}"]
    finally:
        amid.traffic.hurry()
    return []


def _judged(amid: Amid, reader: Reader) -> Verdict:
    try:
        return verdicts.judge(amid.ground, amid.traffic, reader)
    except Unreadable as error:
        return Verdict(lost=0, twice=0, in_doubt=0, events=0, wrong=[f"cannot be read: {error}"])


def _wait_for(sending: Traffic, share: float, show: Show) -> None:
    """Wait until so much of the traffic was sent. Raises NotInflicted if it never is."""
    deadline = time.monotonic() + STUCK_SECONDS
    while sending.done < share * sending.total:
        if time.monotonic() > deadline:
            raise NotInflicted("the traffic is stuck before anything is broken")
        show(f"sending ({sending.done / sending.total:.0%})")
        time.sleep(0.01)


def _healed(ground: Ground, sending: Traffic, lifted_at: float) -> float | None:
    """After how many seconds all was well; None if it was not in time."""
    while (seconds := time.monotonic() - lifted_at) < HEALED_SECONDS_MAX:
        if verdicts.is_healed(ground, sending):
            return seconds
        time.sleep(0.2)
    return None
