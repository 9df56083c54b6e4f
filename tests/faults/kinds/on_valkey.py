"""Faults of Valkey, the doorbell. Nothing is in it that could be lost; what is missed must be found by the sweep."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults import processes
from tests.faults.fault import Amid, Fault, once
from tests.faults.ground import until
from tests.support.outages import sentinels

SECONDS = 10.0


def flushed(amid: Amid) -> None:
    with amid.ground.redis() as redis:
        redis.flushall()


def emptied(amid: Amid) -> None:
    """Kill it, and take its files away before it is started again."""
    data = amid.ground.var_dir / "valkey"
    processes.kill(amid.ground.valkey())
    for path in data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def told(amid: Amid, why: str) -> None:
    """Wait until `/readyz` says that no worker can be woken, and why."""
    until(lambda: any(why in words for words in amid.ground.readiness().get("attention", ())), f"{why!r} to be told", seconds=10)


@contextmanager
def full(amid: Amid) -> Iterator[None]:
    """It answers, and takes nothing more: the service must say so, and why."""
    with amid.ground.redis() as redis:
        redis.config_set("maxmemory", 1)
    yield
    told(amid, "out of memory")
    with amid.ground.redis() as redis:
        redis.config_set("maxmemory", 0)


@contextmanager
def read_only(amid: Amid) -> Iterator[None]:
    """A replica of a server that does not exist, as after a failover gone wrong."""
    with amid.ground.redis() as redis:
        redis.replicaof("127.0.0.1", "1")
    yield
    told(amid, "read-only replica")
    with amid.ground.redis() as redis:
        redis.replicaof("NO", "ONE")


def fails_over(amid: Amid) -> None:
    """Kill the primary, and wait until Sentinels have put its replica in its place."""
    amid.beside.fail_over()


FAULTS = (
    Fault(name="valkey-killed", description="SIGKILL of Valkey", deed=once(lambda amid: processes.kill(amid.ground.valkey()))),
    Fault(name="valkey-flushed", description="Valkey flushed", deed=once(flushed)),
    Fault(name="valkey-emptied", description="Valkey killed, and restarted empty", deed=once(emptied)),
    Fault(name="valkey-full", description="a full Redis (maxmemory)", deed=full, seconds=SECONDS),
    Fault(name="valkey-read-only", description="Valkey read-only", deed=read_only, seconds=SECONDS),
    Fault(name="valkey-fails-over", description="Valkey failed over by Sentinels", deed=once(fails_over), beside=sentinels.watched),
)
