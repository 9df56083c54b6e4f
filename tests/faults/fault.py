"""A kind of fault: how it is brought about amid the traffic, how long it lasts, and how it is lifted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.faults.ground import Ground, until
from tests.faults.traffic import Traffic


@dataclass(frozen=True, kw_only=True)
class Amid:
    """Where a fault is brought about."""

    ground: Ground
    traffic: Traffic
    chance: random.Random
    #: The servers of the fault's own, if it has any.
    beside: Any = None


class Beside(Protocol):
    """Servers of a fault's own, and what the service needs to use them."""

    @property
    def settings(self) -> Mapping[str, str]: ...


#: Brought about on entering, lifted on leaving; a fault that lifts itself does nothing then. Raises NotInflicted.
Deed = Callable[[Amid], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of fault."""

    name: str
    description: str
    deed: Deed
    #: How long it lasts before the harness lifts it.
    seconds: float = 0.0
    #: Stands on SQLite instead of PostgreSQL.
    on_sqlite: bool = False
    #: With SPOOL_DIR set.
    spooling: bool = False
    #: The service's settings beside the usual ones.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Servers of its own, for one round.
    beside: Callable[[], AbstractContextManager[Beside]] | None = None


def once(strike: Callable[[Amid], object]) -> Deed:
    """A deed that needs no lifting: the service itself, or its supervisor, has to get over it."""

    @contextmanager
    def struck(amid: Amid) -> Iterator[None]:
        strike(amid)
        yield

    return struck


def spooled(deed: Deed) -> Deed:
    """The same deed; it must be seen that something is spooled meanwhile."""

    @contextmanager
    def seen(amid: Amid) -> Iterator[None]:
        with deed(amid):
            yield
            until(lambda: amid.ground.readiness().get("spool", {}).get("bytes"), "a delivery to be spooled", seconds=10)

    return seen


def lasts(fault: Fault, amid: Amid) -> None:
    """Let a fault last its time, with traffic all the while."""
    amid.traffic.slow_down(0.4, fault.seconds)
    time.sleep(fault.seconds)
    amid.traffic.hurry()
