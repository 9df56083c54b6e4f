"""Faults with a spool: the database is away, and deliveries are acknowledged all the same, or honestly refused."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.faults import processes
from tests.faults.fault import Amid, Deed, Fault, spooled
from tests.faults.ground import until
from tests.faults.kinds import on_postgres
from tests.faults.kinds.on_processes import STOPPED_SECONDS, stopped_postgres

#: How long the database is away.
AWAY_SECONDS = 6.0

#: A letter is longer than this: the first that is written stops half-way.
FILE_BYTES_MAX = 512

#: Room for a few dozen letters.
LITTLE_ROOM: Mapping[str, str] = {"SPOOL_BYTES_MAX": "60000"}
USUAL: Mapping[str, str] = {}


@contextmanager
def web_killed(amid: Amid) -> Iterator[None]:
    """Every process that appends to the spool is killed while the database is away."""
    with on_postgres.killed(amid):
        yield
        processes.kill(*processes.children(amid.ground.web()))


def killed_at(point: str) -> Deed:
    """Whoever comes to this point first is killed there; it takes a database that was away for a while to come there."""

    @contextmanager
    def kill(amid: Amid) -> Iterator[None]:
        amid.ground.arm(point, "kill")
        try:
            with on_postgres.killed(amid):
                yield
            until(lambda: not amid.ground.is_armed(point), f"a process to come to the point '{point}'", seconds=20)
        finally:
            amid.ground.disarm(point)

    return kill


@contextmanager
def disk_full(amid: Amid) -> Iterator[None]:
    """No file of the web processes may grow: what cannot be spooled is not acknowledged."""
    pids = processes.family(amid.ground.web())
    _limit_files(pids, FILE_BYTES_MAX)
    try:
        with on_postgres.killed(amid):
            yield
    finally:
        _limit_files(pids, resource.RLIM_INFINITY)


def _limit_files(pids: list[int], bytes_max: int) -> None:
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))


def _fault(name: str, description: str, deed: Deed, seconds: float = AWAY_SECONDS, settings: Mapping[str, str] = USUAL) -> Fault:
    return Fault(name=name, description=description, deed=deed, seconds=seconds, spooling=True, settings=settings)


FAULTS = (
    _fault("spooling-newer-tables", "tables newer than the code, with a spool", spooled(on_postgres.newer_tables)),
    _fault("spooling-killed", "PostgreSQL killed, with a spool", spooled(on_postgres.killed)),
    _fault("spooling-stopped", "SIGSTOP of PostgreSQL, with a spool", spooled(stopped_postgres), STOPPED_SECONDS),
    _fault("spooling-read-only", "PostgreSQL read-only, with a spool", spooled(on_postgres.read_only)),
    _fault("spooling-out-of-connections", "PostgreSQL out of connections, with a spool", spooled(on_postgres.out_of_connections)),
    _fault("spooling-web-killed", "SIGKILL of all that spool, PostgreSQL away", spooled(web_killed)),
    _fault("at-spooled", "killed with a delivery spooled, not answered; PostgreSQL away", killed_at("spooled")),
    _fault("at-unspooled", "killed with the spool taken over, not removed; PostgreSQL was away", killed_at("unspooled")),
    _fault("spool-disk-full", "disk full for the spool (RLIMIT_FSIZE), PostgreSQL away", disk_full),
    _fault("spool-full", "the spool full (SPOOL_BYTES_MAX), PostgreSQL away", spooled(on_postgres.killed), settings=LITTLE_ROOM),
)
