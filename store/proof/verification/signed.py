"""Signed roots: each checkpoint that is kept, and the one in LOG_STATE, must be signed by its epoch's key and be a root of the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

from store import config
from store.database.log_tables import Checkpoint, Epoch
from store.proof.verification.faults import CHECKPOINT, Fault, Faults
from store.proof.verify import open_file, read_vkey

#: How LOG_STATE is named.
STATE = "LOG_STATE"


class Signed(Struct, frozen=True, kw_only=True):
    """A signed root."""

    #: How a fault names it.
    name: str
    origin: str
    size: int
    root: bytes


def read(connection: Connection, faults: Faults) -> list[Signed]:
    """Return the checkpoints that are kept and the one in LOG_STATE. One that is not signed as it must be is a fault, and left out."""
    keys = _keys(connection, faults)
    found, sizes = list[Signed](), {}
    query = select(Checkpoint.epoch, Checkpoint.size, Checkpoint.note, Epoch.origin).outerjoin(Epoch, Epoch.number == Checkpoint.epoch)
    for epoch, size, note, origin in connection.execute(query.order_by(Checkpoint.epoch, Checkpoint.size)):
        name = f"{origin or f'epoch {epoch}'} of {size} leaves"
        if one := _open(name, note, keys, faults, origin=origin, size=size):
            found.append(one)
        sizes[origin] = size
    return found + _of_state(connection, keys, faults, sizes)


def by_size(found: Sequence[Signed], *, start: int) -> dict[int, list[Signed]]:
    """Return signed roots by their sizes: those of more than `start` leaves."""
    sizes: dict[int, list[Signed]] = {}
    for one in found:
        if one.size > start:
            sizes.setdefault(one.size, []).append(one)
    return sizes


def compare(passed: Mapping[int, bytes], roots: Mapping[int, Sequence[Signed]], faults: Faults, *, right: int) -> int:
    """Compare the roots of the leaves with signed ones. `right`: up to which size they were right; return up to which they are now."""
    for size, root in sorted(passed.items()):
        wrong = [one for one in roots[size] if one.root != root]
        for one in wrong:
            faults.add(
                CHECKPOINT, one.name, f"its root is not that of the leaves: leaves {right} to {size - 1} are not those that were signed"
            )
        if len(wrong) < len(roots[size]):
            right = size
    return right


def beyond(found: Sequence[Signed], size: int) -> Iterator[Fault]:
    """Yield the checkpoints of more leaves than there are."""
    for one in found:
        if one.size > size:
            yield Fault(
                CHECKPOINT, one.name, f"it was signed for {one.size} leaves, and there are {size}: leaves {size} and later were removed"
            )


def _keys(connection: Connection, faults: Faults) -> dict[str, Any]:
    keys = dict[str, Any]()
    for number, origin, vkey in connection.execute(select(Epoch.number, Epoch.origin, Epoch.vkey).order_by(Epoch.number)):
        try:
            keys |= read_vkey(vkey)
        except (ValueError, IndexError, SystemExit):
            faults.add("epoch", number, f"the public key of {origin} is malformed")
    return keys


def _open(name: str, note: str, keys: dict[str, Any], faults: Faults, *, origin: str | None, size: int | None) -> Signed | None:
    try:
        file = open_file(name, note, keys)
    except ValueError as error:
        faults.add(CHECKPOINT, name, str(error))
        return None
    if (origin is not None and file.origin != origin) or (size is not None and file.size != size):
        faults.add(CHECKPOINT, name, f"its note is of {file.origin}, of {file.size} leaves")
        return None
    return Signed(name=name, origin=file.origin, size=file.size, root=file.root)


def _of_state(connection: Connection, keys: dict[str, Any], faults: Faults, sizes: Mapping[str, int]) -> list[Signed]:
    """Return the checkpoint of LOG_STATE. It may be missing only while nothing was signed. While an epoch has not signed anything, it is
    of the one before, which the tree need not extend."""
    try:
        note = config.settings().log.state.read_text(encoding="utf-8")
    except FileNotFoundError:
        if sizes:
            faults.add(CHECKPOINT, STATE, "the file with the last checkpoint that was signed is missing")
        return []
    except (OSError, UnicodeDecodeError):
        faults.add(CHECKPOINT, STATE, "the file with the last checkpoint that was signed cannot be read")
        return []
    found = _open(STATE, note, keys, faults, origin=None, size=None)
    newest = connection.execute(select(Epoch.origin, Epoch.old_origin).order_by(Epoch.number.desc()).limit(1)).one_or_none()
    if found is None or newest is None or (found.origin == newest.old_origin and newest.origin not in sizes):
        return []
    if found.origin != newest.origin:
        faults.add(CHECKPOINT, STATE, f"it is of {found.origin}, and the log is {newest.origin}")
    elif found.size < sizes.get(found.origin, 0):
        faults.add(CHECKPOINT, STATE, f"it has {found.size} leaves, and a checkpoint of {sizes[found.origin]} leaves was signed")
    return [found]
