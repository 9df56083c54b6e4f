"""Checkpoints: the tree, signed. Nothing is signed that does not extend what was signed before.

The last checkpoint that was signed is kept outside the database as well (LOG_STATE). So a database that lost rows, by a restore or a
failover, cannot sign a second history over the first: signing stops until somebody begins a new epoch."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, select, update

from store import config, database
from store.database.log_tables import Checkpoint, Epoch, LogState
from store.proof import notes, signed_state, tree
from store.proof.merkle import Tree
from store.proof.signed_state import Head, Unreadable
from store.system import clock, fault_points

log = structlog.get_logger()


class CannotSign(Exception):
    """The key is another one, or what was signed before is not known here. The message says what."""


class DoesNotExtend(CannotSign):
    """The tree does not extend what was signed before: the database lost rows, or is another one."""


class Stop(Struct, frozen=True):
    """Why nothing is signed; None: it is signed. `for_good`: until somebody begins a new epoch."""

    because: str | None
    for_good: bool


class Ready(Struct, frozen=True):
    """What is to be signed."""

    epoch: int
    origin: str
    size: int
    root: bytes


def sign() -> bool:
    """Sign the tree as it is committed, if it grew; return whether it did. Without LOG_SIGNING_KEY nothing is signed. Where the tree does
    not extend what was signed before, that is recorded, and nothing is signed from then on."""
    settings = config.settings().log
    if settings.signing_key is None:
        return False
    stop, epoch = database.read(lambda connection: (stopped(connection), _newest_epoch(connection)))
    if stop.for_good:
        return False
    try:
        signed = _last_signed()
        if epoch is None:
            database.write(partial(_begin_first, signed=signed))
            return False  # The leaf of the epoch comes first.
        ready = database.read(partial(_prepare, epoch=epoch, signed=signed))
        note = _sign_outside(ready, settings.signing_key) if ready else ""
    except CannotSign as error:
        if str(error) != stop.because:
            log.error("the log is not signed any more", error=str(error))
            database.write(partial(_stop, stop=Stop(str(error), isinstance(error, DoesNotExtend))))
        return False
    if stop.because:
        database.write(partial(_stop, stop=Stop(None, for_good=False)))
        log.info("the log is signed again")
    if ready is None:
        return False
    database.write(lambda connection: _save(connection, ready, note))
    return True


def begin_epoch(connection: Connection) -> str:
    """Begin a new epoch with LOG_SIGNING_KEY under LOG_ORIGIN, and return its origin. It takes over the leaves that are there, and names
    what was signed last. A file beside LOG_STATE allows it. Raises CannotSign."""
    try:
        signed = signed_state.read()
    except Unreadable:
        signed = None
    if signed is None and (saved := newest(connection)) is not None:
        with suppress(CannotSign):
            signed = _head_of(saved)
    known = connection.execute(select(func.coalesce(func.max(Epoch.number), 0))).scalar_one()
    # An epoch that a restored database does not know of keeps its number.
    number = max(known, _number_in(signed.origin) if signed else 0) + 1
    origin = _begin(connection, number, signed)
    try:
        signed_state.permit(origin)
    except OSError as error:
        raise CannotSign(f"the file beside LOG_STATE cannot be written ({type(error).__name__})") from error
    _stop(connection, Stop(None, for_good=False))
    return origin


def stopped(connection: Connection) -> Stop:
    """Return why nothing is signed."""
    row = connection.execute(select(LogState.stopped_because, LogState.stopped_for_good)).one()
    return Stop(row.stopped_because, row.stopped_for_good)


def newest(connection: Connection, origin: str | None = None) -> Row[Any] | None:
    """Return the newest checkpoint, or the newest of one origin, with `epoch`, `origin`, `size`, `at`, `note`; None if there is none."""
    query = select(Checkpoint.__table__, Epoch.origin).join(Epoch, Epoch.number == Checkpoint.epoch)
    if origin is not None:
        query = query.where(Epoch.origin == origin)
    return connection.execute(query.order_by(Checkpoint.epoch.desc(), Checkpoint.size.desc()).limit(1)).one_or_none()


def vkeys(connection: Connection) -> list[str]:
    """Return the public keys of all epochs, the newest first."""
    return list(connection.execute(select(Epoch.vkey).order_by(Epoch.number.desc())).scalars())


# signing ------------------------------------------------------------------------------------------------------


def _sign_outside(ready: Ready, key: bytes) -> str:
    """Return a signed checkpoint, which LOG_STATE has then. Raises CannotSign."""
    note = notes.sign(ready.origin, ready.size, ready.root, key)
    fault_points.reach("log signed")
    try:
        signed_state.write(note)
    except OSError as error:
        raise CannotSign(f"LOG_STATE cannot be written ({type(error).__name__})") from error
    fault_points.reach("log state written")
    return note


def _last_signed() -> Head | None:
    try:
        return signed_state.read()
    except Unreadable as error:
        raise CannotSign(str(error)) from error


def _is_permitted(origin: str) -> bool:
    try:
        return signed_state.is_permitted(origin)
    except Unreadable as error:
        raise CannotSign(str(error)) from error


def _head_of(saved: Row[Any]) -> Head:
    try:
        return signed_state.head_of(saved.note)
    except ValueError as error:
        raise CannotSign(f"the newest checkpoint in the database, of {saved.size} leaves, is none") from error


def _newest_epoch(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(Epoch.__table__).order_by(Epoch.number.desc()).limit(1)).one_or_none()


def _prepare(connection: Connection, epoch: Row[Any], signed: Head | None) -> Ready | None:
    """Compare the tree with what was signed; return what is to be signed, None if nothing is new. Raises CannotSign."""
    if epoch.vkey != _own_vkey(epoch.origin):
        raise CannotSign("LOG_SIGNING_KEY is not the key of this epoch")
    whole, saved = tree.tree(connection), newest(connection)
    _check_extends(whole, saved, epoch, signed)
    if whole.size == 0 or (saved is not None and (saved.epoch, saved.size) == (epoch.number, whole.size)):
        return None
    return Ready(epoch.number, epoch.origin, whole.size, whole.root())


def _check_extends(whole: Tree, saved: Row[Any] | None, epoch: Row[Any], signed: Head | None) -> None:
    """Check that the tree begins with what was signed last, by LOG_STATE and by the database. Raises CannotSign."""
    if signed is None and saved is None:
        return
    if signed is None and saved is not None and saved.epoch == epoch.number:
        raise CannotSign("LOG_STATE is missing, and this log was signed before")
    if signed is None or signed.origin != epoch.origin:
        # An epoch of which nothing is signed yet.
        names_the_last = signed is None or (signed.origin, signed.size, signed.root) == (epoch.old_origin, epoch.old_size, epoch.old_root)
        if not names_the_last or not _is_permitted(epoch.origin):
            last = f"LOG_STATE has a checkpoint of {signed.origin}" if signed else "LOG_STATE is missing"
            raise DoesNotExtend(f"{last}, and this database has the log {epoch.origin}, which `standing log new-epoch` did not begin")
        return
    in_database = [_head_of(saved)] if saved is not None and saved.epoch == epoch.number else []
    for one in (signed, *in_database):
        if whole.size < one.size:
            raise DoesNotExtend(f"the log has {whole.size} leaves, and {one.size} were signed: the database lost rows")
        if whole.root(one.size) != one.root:
            raise DoesNotExtend(f"the first {one.size} leaves are not those that were signed")


def _save(connection: Connection, ready: Ready, note: str) -> None:
    """Keep a checkpoint; of those before it only what was published."""
    connection.execute(delete(Checkpoint).where(Checkpoint.epoch == ready.epoch, Checkpoint.published.is_(False)))
    values = {"epoch": ready.epoch, "size": ready.size, "at": clock.now(), "note": note, "published": False}
    connection.execute(database.insert(Checkpoint).values(**values).on_conflict_do_nothing())


def _stop(connection: Connection, stop: Stop) -> None:
    connection.execute(update(LogState).values(stopped_because=stop.because, stopped_for_good=stop.for_good))


# epochs -------------------------------------------------------------------------------------------------------


def _begin_first(connection: Connection, signed: Head | None) -> None:
    if signed is not None:
        raise DoesNotExtend(f"LOG_STATE has a checkpoint of {signed.origin}, and this database has no log")
    _begin(connection, 1, None)


def _begin(connection: Connection, number: int, before: Head | None) -> str:
    origin = f"{config.settings().log.origin}/{number}"
    old = {"old_origin": before.origin, "old_size": before.size, "old_root": before.root} if before else {}
    values: dict[str, Any] = {"number": number, "origin": origin, "vkey": _own_vkey(origin), "began_at": clock.now()}
    connection.execute(database.insert(Epoch).values(**values, **old))
    return origin


def _own_vkey(origin: str) -> str:
    key = config.settings().log.signing_key
    if key is None:
        raise CannotSign("LOG_SIGNING_KEY is missing")
    vkey: str = notes.vkey(origin, notes.public_key(key))
    return vkey


def _number_in(origin: str) -> int:
    number = origin.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
