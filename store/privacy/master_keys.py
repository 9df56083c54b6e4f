"""Master keys: since when each is in use, when it must be gone, and the replacement and destruction of Standing's own.

A backup holds data keys wrapped by the master key that was the newest when it was taken. It can be opened as long as that master key
exists anywhere. A master key is used for KEY_DAYS, so its backups are taken at any time from its first use on, for KEY_DAYS. The oldest
of them may be opened for BACKUP_DAYS: the master key is destroyed BACKUP_DAYS after its *first* use. So the youngest can be opened for at
least BACKUP_DAYS less KEY_DAYS. Before that everything in the database is wrapped by a newer key, so that nothing is lost.

Standing replaces and destroys the keys that it generated, in its own file. A key that the operator gives is destroyed by the operator,
who records it: nothing here can know what copies there are."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, Row, and_, or_, select, update

from store import config, database
from store.access import audit
from store.database.privacy_tables import MasterKey
from store.inbox.sealing import body_keys
from store.inbox.sealing.encryption import KEY_BYTES, key_id, keyring
from store.inbox.spool.spool import host_spool
from store.operations import health, key_rotation
from store.privacy.errors import NotPossible, UnknownToUs
from store.system import fault_points, key_file

#: Who replaces and destroys Standing's own keys, in the audit log.
STANDING = "standing"

#: How long every process has had to learn of a newer key, at least, before the older one is destroyed.
LEARNED = timedelta(minutes=10)

#: So long one call wraps keys; the next call goes on.
WRAP_SECONDS = 20.0

#: The lock of a process that changes the file.
KEYS_LOCK = b"KEYS"


class KeyState(Struct, frozen=True, kw_only=True):
    """A master key, and what is known of it."""

    key_id: str
    first_used_at: datetime
    replaced_at: datetime | None
    #: When it must be destroyed, so that no backup can be opened for longer than BACKUP_DAYS.
    destroy_by: datetime
    destroyed_at: datetime | None
    destroyed_by: str | None
    #: Whether it wraps the keys of new events.
    is_newest: bool


def states(connection: Connection) -> list[KeyState]:
    """Return every master key that was ever in use, the newest first."""
    rows = connection.execute(select(MasterKey.__table__).order_by(MasterKey.first_used_at.desc(), MasterKey.key_id)).all()
    return [_state(row) for row in rows]


def covered_by(connection: Connection, erased_at: datetime) -> datetime | None:
    """Return since when no backup from before an erasure can be opened; None while a key exists that was in use before it."""
    used = select(MasterKey.destroyed_at).where(MasterKey.first_used_at <= erased_at)
    ends = connection.execute(used).scalars().all()
    known = [end for end in ends if end is not None]
    return max(erased_at, *known) if known and len(known) == len(ends) else None


def expected_by(connection: Connection, erased_at: datetime) -> datetime | None:
    """Return when the last key must be destroyed that was in use before an erasure; None if there is none."""
    used = select(MasterKey.first_used_at).where(MasterKey.first_used_at <= erased_at, MasterKey.destroyed_at.is_(None))
    latest = max(connection.execute(used).scalars(), default=None)
    return latest and latest + config.settings().privacy.backup_life


def record_destroyed(connection: Connection, key: str, *, by: str, at: datetime) -> None:
    """Record that an operator destroyed a key that Standing did not generate. Raises UnknownToUs, NotPossible."""
    row = connection.execute(select(MasterKey.__table__).where(MasterKey.key_id == key)).one_or_none()
    if row is None:
        raise UnknownToUs(f"no key with the id {key} was ever in use (standing keys list)")
    if row.destroyed_at:
        raise NotPossible(f"the key {key} was destroyed before: {row.destroyed_by} recorded it")
    if key in keyring().ids:
        raise NotPossible(f"the key {key} is still configured: take it away from ENCRYPTION_KEYS on every host first")
    if key_rotation.protects(connection, key):
        raise NotPossible(f"bodies still need the key {key}: give it in ENCRYPTION_KEYS after the newest, and run standing keys rotate")
    if _spool_waits():
        raise NotPossible("deliveries wait in this host's spool, and may need it: record it once they are in the database")
    mine = update(MasterKey).where(MasterKey.key_id == key)
    connection.execute(mine.values(destroyed_at=at, destroyed_by=by, replaced_at=row.replaced_at or at))


# Standing's own ------------------------------------------------------------------------------------------------


def upkeep(now: datetime) -> str | None:
    """Do what is due for the master keys: note which one is the newest; of Standing's own, replace one that is KEY_DAYS old, and destroy
    one that was first used BACKUP_DAYS ago. Return what was done, or what hinders it; None if nothing was due.

    Can be called at any time, by several workers at once, and goes on after a kill between two steps."""
    keyring().read_again()
    file = config.generated_keys()
    done = [_replace(file, now)] if file else []
    note_use(now, wrap=bool(file))
    if file:
        done += [_destroy(file, key, now) for key in _to_destroy(now)]
    return "; ".join(filter(None, done)) or None


def note_use(now: datetime, *, wrap: bool = False) -> None:
    """Record the newest key, and which keys nothing in the database needs any more. `wrap`: wrap by the newest key first."""
    with database.begin() as connection:
        newest = keyring().newest
        body_keys.record_use(connection, [newest], since=now)
        connection.execute(update(MasterKey).where(MasterKey.key_id == newest, MasterKey.replaced_at.is_not(None)).values(replaced_at=None))
        older = list(connection.execute(select(MasterKey.key_id).where(*_IN_USE, MasterKey.key_id != newest)).scalars())
    if older and wrap:
        key_rotation.wrap_again(seconds=WRAP_SECONDS)
    for key in older:
        _note_replaced(key, now)


_IN_USE = (MasterKey.replaced_at.is_(None), MasterKey.destroyed_at.is_(None))


def _note_replaced(key: str, now: datetime) -> None:
    if not database.read(lambda connection: key_rotation.protects(connection, key)):
        with database.begin() as connection:
            connection.execute(update(MasterKey).where(MasterKey.key_id == key, *_IN_USE).values(replaced_at=now))


def _replace(file: Path, now: datetime) -> str | None:
    """Put a new key first, if the newest is old enough. The file has it, for every process to find, before anything is wrapped with it."""
    life = config.settings().privacy
    with database.begin() as connection:
        database.take_lock(connection, KEYS_LOCK)
        keyring().read_again()
        body_keys.record_use(connection, [keyring().newest], since=now)
        used_at = connection.execute(select(MasterKey.first_used_at).where(MasterKey.key_id == keyring().newest)).scalar_one()
        if now < used_at + min(life.key_life, life.backup_life):
            return None
        if others := health.other_hosts(connection):
            return f"the master key is not replaced: {', '.join(others)} may not see {file}. Give all hosts ENCRYPTION_KEYS from outside"
        return _put_first(connection, file, now)


def _put_first(connection: Connection, file: Path, now: datetime) -> str:
    key = os.urandom(KEY_BYTES)
    body_keys.record_use(connection, [key_id(key)], since=now)
    key_file.put_first(file, base64.b64encode(key).decode())
    fault_points.reach("key_made")
    audit.write(connection, actor=STANDING, action="replace key", subject=f"key {key_id(key)}")
    keyring().read_again()
    return f"the master key {key_id(key)} is used from now on"


def _to_destroy(now: datetime) -> list[str]:
    """Return the keys whose backups must not be opened any more, and those whose destruction was interrupted."""
    first_used = MasterKey.first_used_at <= now - config.settings().privacy.backup_life
    is_due = and_(first_used, MasterKey.replaced_at <= now - LEARNED, MasterKey.key_id.in_(keyring().ids[1:]))
    query = select(MasterKey.key_id).where(or_(is_due, MasterKey.destroyed_by == STANDING), MasterKey.destroyed_at.is_(None))
    return database.read(lambda connection: list(connection.execute(query).scalars()))


def _destroy(file: Path, key: str, now: datetime) -> str:
    """Take a key out of the file, and overwrite it. The database records it before and after, so that it is resumed after a kill."""
    if _spool_waits():
        return f"the master key {key} is not destroyed yet: deliveries wait in the spool"
    key_rotation.wrap_again(seconds=WRAP_SECONDS)
    mine = update(MasterKey).where(MasterKey.key_id == key, MasterKey.destroyed_at.is_(None))
    with database.begin() as connection:
        database.take_lock(connection, KEYS_LOCK)
        if key_rotation.protects(connection, key):
            return f"the master key {key} is not destroyed yet: bodies still need it"
        if others := health.other_hosts(connection):
            return f"the master key {key} is not destroyed yet: {', '.join(others)} may still use it"
        connection.execute(mine.values(destroyed_by=STANDING))
    fault_points.reach("key_condemned")
    with database.begin() as connection:
        database.take_lock(connection, KEYS_LOCK)
        key_file.take_away(file, lambda entry: key_id(base64.b64decode(entry)) != key)
        fault_points.reach("key_destroyed")
        if connection.execute(mine.values(destroyed_at=now)).rowcount:
            audit.write(connection, actor=STANDING, action="destroy key", subject=f"key {key}")
    keyring().read_again()
    return f"the master key {key} is destroyed: no backup that needs it can be opened"


def _spool_waits() -> bool:
    spool = host_spool()
    return spool is not None and spool.waits()


def _state(row: Row[tuple[object, ...]]) -> KeyState:
    destroy_by = row.first_used_at + config.settings().privacy.backup_life
    return KeyState(**row._mapping, destroy_by=destroy_by, is_newest=row.key_id == keyring().newest)
