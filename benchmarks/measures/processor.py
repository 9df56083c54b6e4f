"""Processor time, user and system, of whole process trees, by kind of process: web, worker, dispatcher, PostgreSQL and so on.

It comes from the operating system's accounts in /proc, which count to a hundredth of a second. A process that ended meanwhile is in its
parent's account, once the parent has waited for it. So the sum of a tree never loses time, as long as its root runs.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MILLION = 1_000_000

#: What the command line of a process says about its kind. The first that is found counts; without any it is of its parent's kind.
KINDS = {
    "postgres: ": "PostgreSQL", "standing console": "console", "standing relay": "relay", "standing worker": "worker", "standing up": "up",
    "-m handlers.notify.dispatcher": "dispatcher", "-m handlers.worker.sequencer": "sequencer", "-m handlers.": "companions",
    "valkey-server": "Valkey", "redis-server": "Valkey", "gunicorn": "web",
}  # fmt: skip

#: The kinds that hardly take part in an event.
OTHERS = ("companions", "relay", "console", "up")

#: The order in which kinds are shown; others follow.
ORDER = ("web", "worker", "dispatcher", "sequencer", *OTHERS, "RQ", "PostgreSQL", "Valkey")

#: The measuring process itself. It is no part of a sum.
SENDER = "sender"

#: By kind, in microseconds.
Spent = Counter[str]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the system says of one process: its parent, and the ticks that it and those of its children used that were waited for."""

    parent: int
    ticks: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A process in a tree: its kind, its parent, and the ticks that it and its ended children have used so far."""

    kind: str
    parent: int
    ticks: int


class Meter:
    """Measures what the trees of some processes spend between a start and a stop.

    `roots` names them, with a kind for those whose command line has none. `besides` are processes within that are left out, such as the
    server's backend for a reader that only measures; they must run until the stop."""

    def __init__(self, roots: Mapping[int, str | None], *, besides: Collection[int] = ()) -> None:
        self._roots, self._besides = dict(roots), set(besides)

    def start(self) -> Meter:
        self._before, self._sent, self._began = self._look(), time.process_time(), time.monotonic()
        return self

    def stop(self) -> Spent:
        """Return the microseconds since the start, by kind. Raises ProcessLookupError if a root has ended."""
        self.seconds = time.monotonic() - self._began
        spent = Spent({SENDER: round((time.process_time() - self._sent) * MILLION)})
        after = self._look()
        for seen in after.values():
            spent[seen.kind] += seen.ticks * MILLION // TICKS
        for pid, seen in self._before.items():
            spent[self._account_of(pid, after)] -= seen.ticks * MILLION // TICKS
        return spent

    def _look(self) -> dict[int, Seen]:
        found = _tree(self._roots)
        return {pid: seen if pid not in self._besides else Seen(kind=seen.kind, parent=seen.parent, ticks=0) for pid, seen in found.items()}

    def _account_of(self, pid: int, after: Mapping[int, Seen]) -> str:
        """Return the kind whose account holds the time of a process: its own, or, once it has ended, that of its nearest ancestor."""
        while pid not in after:
            pid = self._before[pid].parent
        return after[pid].kind


def in_order(spent: Spent) -> dict[str, int]:
    """Return the kinds in the order in which they are shown, without the sender."""
    kinds = [*ORDER, *sorted(spent.keys() - {*ORDER, SENDER})]
    return {kind: spent[kind] for kind in kinds if kind in spent}


def together(spent: Spent) -> int:
    """Return the sum of all kinds but the sender."""
    return sum(microseconds for kind, microseconds in spent.items() if kind != SENDER)


def each(prefix: str, spent: Spent, events: int) -> dict[str, float]:
    """Return what each kind spent an event, and the sender apart."""
    whole = in_order(spent) | {SENDER: spent[SENDER]}
    return {f"{prefix}{kind}, µs": microseconds / events for kind, microseconds in whole.items()}


def _tree(roots: Mapping[int, str | None]) -> dict[int, Seen]:
    """Return the roots and all that descends from them.

    The time of a process that ends meanwhile may be seen neither with it nor with its parent. Then all is looked at again."""
    while True:
        accounts = {int(path.name): account for path in Path("/proc").iterdir() if path.name.isdigit() and (account := _account(path))}
        found = dict(_descend(roots, accounts))
        if all(Path(f"/proc/{pid}").exists() for pid in found):
            return found


def _descend(roots: Mapping[int, str | None], accounts: Mapping[int, Account]) -> Iterator[tuple[int, Seen]]:
    children: dict[int, list[int]] = {}
    for pid, account in accounts.items():
        children.setdefault(account.parent, []).append(pid)
    waiting = list(roots.items())
    while waiting:
        pid, inherited = waiting.pop()
        if pid not in accounts:
            raise ProcessLookupError(f"process {pid} has ended, and its time with it")
        kind = _kind(pid) or inherited or "other"
        yield pid, Seen(kind=kind, parent=accounts[pid].parent, ticks=accounts[pid].ticks)
        waiting.extend((child, kind) for child in children.get(pid, ()) if child not in roots)


def _account(path: Path) -> Account | None:
    with suppress(FileNotFoundError, ProcessLookupError):
        # The name, in parentheses, may hold spaces.
        fields = (path / "stat").read_text().rpartition(")")[2].split()
        return Account(parent=int(fields[1]), ticks=sum(map(int, fields[11:15])))
    return None


def _kind(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return next((kind for mark, kind in KINDS.items() if mark in words), None)
