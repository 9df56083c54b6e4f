"""The spool: deliveries on this host's disk, synced before the answer, until they are in the database. In order, and complete.

A record is one line: a checksum and JSON. A record that a power failure cut off has a wrong checksum; it was never acknowledged. An
append holds a lock of all processes of the host. Records that are to be imported are set aside first, so that appending continues.
The last few are imported under the lock; then the spool is empty.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path

import structlog

from store import config
from store.system import durable_files, fault_points
from store.system.file_locks import HostLock

log = structlog.get_logger()

#: What an ordinary delivery takes at most.
ORDINARY_BYTES = 8 * 1024

#: What is less is brought in while who appends waits.
LAST_BYTES = 64 * 1024

#: Who appends waits so long for the others who do, or for the last to be brought in.
LOCK_SECONDS = 0.5

#: Imports records into the database, durably. The second argument: whether others wait for it.
TakeIn = Callable[[list[bytes], bool], None]


class SpoolUnavailable(Exception):
    """The spool cannot keep a record: it is full, or its disk is."""


class Spool:
    """One host's spool, in a folder that all its processes share."""

    def __init__(self, folder: Path, *, bytes_max: int) -> None:
        self._folder, self._bytes_max = folder, bytes_max
        self._appended, self._apart = folder / "appended", folder / "apart"
        self._appending, self._emptying = HostLock(folder / "lock"), HostLock(folder / "empty.lock")

    def waits(self) -> bool:
        """Return whether anything is spooled."""
        return self._appended.exists() or self._apart.exists()

    def bytes_spooled(self) -> int:
        return _size(self._appended) + _size(self._apart)

    def append(self, record: bytes, *, only_if_waiting: bool = False) -> bool:
        """Write a record to disk before returning; return whether it was written. With `only_if_waiting` an empty spool takes nothing.
        Raises SpoolUnavailable."""
        if only_if_waiting and not self.waits():
            return False
        line = b"%08x %s\n" % (zlib.crc32(record), record)
        try:
            with self._alone():
                if only_if_waiting and not self.waits():
                    return False
                file = self._write(line)
            try:
                fault_points.reach("spooled")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise SpoolUnavailable(error.strerror) from error
        return True

    def prove_writable(self) -> None:
        """Raise SpoolUnavailable if a record could not be kept."""
        try:
            if self.bytes_spooled() + ORDINARY_BYTES > self._bytes_max:
                raise SpoolUnavailable("it is full")
            with self._alone(), (self._folder / "probe").open("wb") as probe:
                probe.write(b"probe")
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise SpoolUnavailable(error.strerror) from error

    def empty(self, take_in: TakeIn, *, most: int) -> int:
        """Hand over all records in order, in batches, and remove them; return how many. One process does so at a time.

        Raises what the receiving function raises. Records that were taken in but not removed yet are handed over again."""
        self._make_folder()
        with self._emptying.held(seconds=0) as mine:
            if not mine:
                return 0
            count = 0
            while self.waits():
                with self._alone():
                    last = not self._apart.exists() and _size(self._appended) <= LAST_BYTES
                    if last:
                        return count + _hand_over(self._appended, take_in, most, is_last=True)
                    if not self._apart.exists():
                        self._appended.rename(self._apart)
                count += _hand_over(self._apart, take_in, most, is_last=False)
            return count

    def _write(self, line: bytes) -> int:
        """Write a line at the end, whole or not at all; return the file, to be synced and closed."""
        if self.bytes_spooled() + len(line) > self._bytes_max:
            raise SpoolUnavailable("it is full")
        is_new = not self._appended.exists()
        file = os.open(self._appended, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if is_new:
                durable_files.sync(self._folder)
            end = os.fstat(file).st_size
            if end and os.pread(file, 1, end - 1) != b"\n":  # Somebody was killed over writing a line.
                line = b"\n" + line
            try:
                if os.write(file, line) < len(line):
                    raise SpoolUnavailable("its disk is full")
            except BaseException:
                os.ftruncate(file, end)
                raise
        except BaseException:
            os.close(file)
            raise
        return file

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other process of the host from appending. Raises SpoolUnavailable if the lock is not free in time."""
        self._make_folder()
        with self._appending.held(seconds=LOCK_SECONDS) as mine:
            if not mine:
                raise SpoolUnavailable("others hold it")
            yield

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _hand_over(path: Path, take_in: TakeIn, most: int, *, is_last: bool) -> int:
    """Hand over the records of a file, and remove it. The last few are handed over in one batch, because appends wait for them."""
    count = 0
    with path.open("rb") as file:
        whole = _records(file)
        while some := list(islice(whole, None if is_last else most)):
            take_in(some, is_last)
            count += len(some)
    fault_points.reach("unspooled")
    path.unlink()
    return count


def _records(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        checksum, _, record = line.rstrip(b"\n").partition(b" ")
        if checksum == b"%08x" % zlib.crc32(record):
            yield record
        elif line.strip():
            log.warning("a torn record was passed over; it was never acknowledged", count=len(line))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@cache
def host_spool() -> Spool | None:
    """Return this host's spool; None if there is none."""
    settings = config.settings()
    return Spool(settings.spool_dir, bytes_max=settings.spool_bytes_max) if settings.spool_dir else None
