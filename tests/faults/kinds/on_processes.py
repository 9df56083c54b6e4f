"""Faults of processes: killed, stopped, or killed exactly between two steps."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults import processes
from tests.faults.fault import Amid, Deed, Fault, once
from tests.faults.ground import Ground, NotInflicted, until
from tests.support.network.dripping import Dripping, mixed

#: Under gunicorn's own patience with a process that says nothing, which is 30 s.
STOPPED_SECONDS = 20.0

#: Strangers who send slowly, and what a delivery may take meanwhile: what the contract allows, and room for noise.
STRANGERS, ANSWER_SECONDS_MAX = 600, 4.0


def one_web_process(amid: Amid) -> None:
    processes.kill(amid.chance.choice(processes.children(amid.ground.web())))


def one_that_works(amid: Amid) -> None:
    """The worker's child, where it has one."""
    worker = amid.ground.worker()
    processes.kill(amid.chance.choice(processes.children(worker) or [worker]))


def stopped(group: Callable[[Ground], list[int]]) -> Deed:
    @contextmanager
    def stop(amid: Amid) -> Iterator[None]:
        pids = group(amid.ground)
        processes.tell(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            processes.tell(pids, signal.SIGCONT)

    return stop


@contextmanager
def stopped_postgres(amid: Amid) -> Iterator[None]:
    amid.ground.server.signal_all(signal.SIGSTOP)
    try:
        yield
    finally:
        amid.ground.server.signal_all(signal.SIGCONT)


def killed_at(point: str) -> Deed:
    """Whoever comes to this point first is killed there."""

    @contextmanager
    def kill(amid: Amid) -> Iterator[None]:
        amid.ground.arm(point, "kill")
        try:
            until(lambda: not amid.ground.is_armed(point), f"a process to come to the point '{point}'", seconds=20)
            yield
        finally:
            amid.ground.disarm(point)

    return kill


@contextmanager
def slow_senders(amid: Amid) -> Iterator[None]:
    """Strangers hold connections, and no delivery is refused or late for them."""
    strangers = Dripping(amid.ground.port, STRANGERS, mixed, b"x")
    strangers.start()
    before = amid.traffic.ledger.answers["503"]
    try:
        yield
    finally:
        strangers.end()
    if not strangers.let_go:
        raise NotInflicted("no stranger was ever let go")
    refused = amid.traffic.ledger.answers["503"] - before
    assert not refused, f"{refused} deliveries were refused"
    assert amid.traffic.ledger.slowest_seconds < ANSWER_SECONDS_MAX, f"a delivery took {amid.traffic.ledger.slowest_seconds:.1f} s"


FAULTS = (
    Fault(name="slow-senders", description="600 strangers who send slowly", deed=slow_senders, seconds=15),
    Fault(name="web-killed", description="SIGKILL of a web process", deed=once(one_web_process)),
    Fault(
        name="web-parent-killed", description="SIGKILL of gunicorn's parent only", deed=once(lambda amid: processes.kill(amid.ground.web()))
    ),
    Fault(name="worker-killed", description="SIGKILL of the process that works", deed=once(one_that_works)),
    Fault(
        name="worker-parent-killed",
        description="SIGKILL of the worker's parent only",
        deed=once(lambda amid: processes.kill(amid.ground.worker())),
    ),
    Fault(
        name="worker-family-killed",
        description="SIGKILL of the worker and its parent at once",
        deed=once(lambda amid: processes.kill(*processes.family(amid.ground.worker()))),
    ),
    Fault(
        name="web-stopped",
        description="SIGSTOP of all web processes",
        deed=stopped(lambda ground: processes.family(ground.web())),
        seconds=STOPPED_SECONDS,
    ),
    Fault(
        name="worker-stopped",
        description="SIGSTOP of the worker's processes",
        deed=stopped(lambda ground: processes.family(ground.worker())),
        seconds=STOPPED_SECONDS,
    ),
    Fault(name="valkey-stopped", description="SIGSTOP of Valkey", deed=stopped(lambda ground: [ground.valkey()]), seconds=STOPPED_SECONDS),
    Fault(name="postgres-stopped", description="SIGSTOP of PostgreSQL", deed=stopped_postgres, seconds=STOPPED_SECONDS),
    Fault(name="at-inserted", description="killed with an event inserted, not committed", deed=killed_at("inserted")),
    Fault(name="at-committed", description="killed with an event committed, not answered", deed=killed_at("committed")),
    Fault(name="at-claimed", description="killed with a batch claimed, not read", deed=killed_at("claimed")),
    Fault(name="at-interpret", description="killed while an event is read", deed=killed_at("interpret")),
    Fault(name="at-written", description="killed with applicants written, events not settled", deed=killed_at("written")),
    Fault(name="at-settled", description="killed with events settled, not committed", deed=killed_at("settled")),
    Fault(name="at-handled", description="killed with a batch committed, nobody told", deed=killed_at("handled")),
)
