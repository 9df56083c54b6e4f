"""The ledger of erasures: a file outside the database, so that a restored backup is erased again. It holds keyed digests only.

One line for each erasure, written and synced before the first deletion. All hosts share one file."""

from __future__ import annotations

import fcntl
import os
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from store import config
from store.access import digests
from store.operations import health
from store.privacy.erasing.erasures import Begun
from store.system import clock, durable_files


class Unusable(Exception):
    """The ledger cannot be read or written, or lacks lines. The message says what it is, for an operator."""


class Line(Struct, frozen=True, kw_only=True):
    """One erasure."""

    #: Its place in the ledger, from 1.
    number: int
    erasure_id: str
    at: str
    environment: str
    #: The digests of the applicants and, if all of a user was erased, of the user.
    applicants: list[str]
    user: str | None
    #: Shows which INDEX_KEY they were made with.
    key: str


@dataclass
class _Seen:
    """What this process has read of the file: only what was appended since is read again."""

    inode: int = 0
    #: Where each line begins, and the last whole one ends.
    starts: array[int] = field(default_factory=lambda: array("Q", [0]))
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.starts[-1]


_seen, _reading = _Seen(), threading.Lock()


def append(begun: Sequence[Begun], *, known: int) -> dict[str, int]:
    """Write erasures down, unless they are; return the number of each, by its id. They are on the disk when this returns.

    `known`: how many lines the database knows. Raises Unusable; the erasures must not go on then."""
    return append_lines([_line(one) for one in begun], known=known)


def append_lines(lines: Sequence[Line], *, known: int) -> dict[str, int]:
    """Write down those of the lines that the ledger lacks; return the number of each, by the id of its erasure."""
    if known and count() is None:
        raise Unusable(f"the ledger {path()} is missing, and the database knows of {known} lines in it")
    with _usable(), _held() as file:
        numbers = _read(file)
        if len(numbers) < known:
            raise Unusable(f"the ledger {path()} has {len(numbers)} lines, and the database knows of {known}")
        # A line that is cut, because the machine stopped while it was written, is no line: nothing was deleted for it yet.
        file.truncate(_seen.end)
        missing = [line for line in lines if line.erasure_id not in numbers]
        numbered = [msgspec.structs.replace(line, number=len(numbers) + place) for place, line in enumerate(missing, start=1)]
        file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in numbered))
        file.flush()
        os.fsync(file.fileno())
        numbers = _read(file)
        return {line.erasure_id: numbers[line.erasure_id] for line in lines}


def without(erasure_ids: Iterable[str]) -> list[str]:
    """Return those of the erasures that the ledger has no line of; none if it cannot be read."""
    try:
        count()
    except Unusable:
        return []
    return [one for one in erasure_ids if one not in _seen.numbers]


def line_of(erasure_id: str, environment: str, applicants: Sequence[bytes], user: bytes | None) -> Line:
    """Return an erasure as the ledger holds it, without its number. Raises NoIndexKey."""
    return Line(
        number=0,
        erasure_id=erasure_id,
        at=str(clock.rfc3339(clock.now())),
        environment=environment,
        applicants=[digest.hex() for digest in applicants],
        user=user.hex() if user else None,
        key=key_shown(),
    )


def key_shown() -> str:
    """Return what shows with which key digests of a line were made. Raises NoIndexKey."""
    return digests.check().hex()[:16]


def count() -> int | None:
    """Return how many lines the ledger has; None if there is no file. Raises Unusable."""
    with _usable():
        try:
            found = path().stat()
        except FileNotFoundError:
            _seen.inode = 0
            return None
        if (found.st_ino, found.st_size) == (_seen.inode, _seen.end):
            return len(_seen.numbers)
        with path().open("rb") as file:
            return len(_read(file))


def lines(*, after: int = 0) -> list[Line]:
    """Return the lines after a number; nothing if there is no file. Raises Unusable."""
    with _usable():
        try:
            with path().open("rb") as file:
                known = len(_read(file))
                file.seek(_seen.starts[min(after, known)])
                return _parsed(file.read(), after=min(after, known))
        except FileNotFoundError:
            return []


def require_shared(connection: Connection) -> None:
    """Raise Unusable where other hosts run, and each has a ledger of its own."""
    if not config.settings().privacy.ledger_is_given and (others := health.other_hosts(connection)):
        raise Unusable(f"other hosts run ({', '.join(others)}): set ERASURE_LEDGER on all to one file that each can write")


def set_aside() -> Path | None:
    """Rename a ledger that cannot be used, so that another begins; return its name, if there was one."""
    with _usable(), suppress(FileNotFoundError):
        aside = path().with_name(f"{path().name}.set-aside-{clock.now():%Y%m%dT%H%M%S.%fZ}")
        path().rename(aside)
        durable_files.sync(path().parent)
        return aside
    return None


def is_writable() -> bool:
    """Return whether this process could write the ledger. Changes nothing."""
    return durable_files.is_writable(path())


def path() -> Path:
    return config.settings().privacy.ledger


def _line(begun: Begun) -> Line:
    user = digests.of_user(begun.environment, begun.user) if begun.user else None
    return line_of(begun.id, begun.environment, [digests.of_applicant(key) for key in begun.keys], user)


@contextmanager
def _usable() -> Iterator[None]:
    """Raise Unusable for what the file system or the file's form raises."""
    try:
        yield
    except OSError as error:
        raise Unusable(f"the ledger {path()} cannot be used ({error.strerror})") from error


@contextmanager
def _held() -> Iterator[BinaryIO]:
    """Yield the file, locked. What is written goes to its end."""
    is_new = not path().is_file()
    path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if is_new:
            _own_as_folder(file)
            durable_files.sync(path().parent)
        yield file


def _own_as_folder(file: BinaryIO) -> None:
    """Give a new ledger to the account that the service runs as, if root begins it at a terminal."""
    if os.getuid() == 0:
        folder = path().parent.stat()
        os.fchown(file.fileno(), folder.st_uid, folder.st_gid)


def _read(file: BinaryIO) -> dict[str, int]:
    """Read what was appended to the file; return the number of each erasure. Raises Unusable."""
    with _reading:
        now = os.fstat(file.fileno())
        if now.st_ino != _seen.inode or now.st_size < _seen.end:
            _seen.inode, _seen.starts, _seen.numbers = now.st_ino, array("Q", [0]), {}
        file.seek(_seen.end)
        text = file.read()
        for line, raw in zip(_parsed(text, after=len(_seen.numbers)), _whole(text).split(b"\n"), strict=False):
            _seen.numbers[line.erasure_id] = line.number
            _seen.starts.append(_seen.end + len(raw) + 1)
        return _seen.numbers


def _whole(text: bytes) -> bytes:
    return text[: text.rfind(b"\n") + 1]


def _parsed(text: bytes, *, after: int = 0) -> list[Line]:
    """Return the whole lines. Raises Unusable."""
    try:
        found = [msgspec.json.decode(line, type=Line) for line in _whole(text).split(b"\n")[:-1]]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unusable(f"the ledger {path()} is broken: a line is not of its form") from error
    if [line.number for line in found] != list(range(after + 1, after + len(found) + 1)):
        raise Unusable(f"the ledger {path()} is broken: its lines are not numbered one after the other")
    return found
