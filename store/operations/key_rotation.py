"""Key rotation: data keys are wrapped with the newest master key, and bodies of the old form get data keys, while the service runs.

Both wait for no lock and go part by part, so that a rotation delays no other process, and can be interrupted anywhere and started again."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Row, exists, func, literal_column, select, update

from store import database
from store.access import audit
from store.database import bulk
from store.database.privacy_tables import BodyKey
from store.database.tables import EventRow
from store.inbox.sealing import body_keys
from store.inbox.sealing.encryption import NO_MASTER_KEY, Unopenable, WrappedKey, keyring
from store.operations import health
from store.system import fault_points

log = structlog.get_logger()

#: Keys that one transaction wraps again, and bodies of the old form that one transaction converts.
WRAPPED_AT_ONCE, CONVERTED_AT_ONCE = 1000, 200

#: Live traffic goes first: a rotation pauses while the oldest pending event has waited so long.
LIVE_SECONDS_MAX, PAUSE_SECONDS = 1.0, 0.2

#: Written out, not bound: a database uses a partial index only where it can see that its condition holds.
HAS_OLD_FORM: ColumnElement[bool] = EventRow.key_id != literal_column(f"'{NO_MASTER_KEY}'")

#: Called after each part with the number of bodies.
OnWrapped = Callable[[int], None]


def newest_key() -> str:
    """Return the id of the key that wraps."""
    return keyring().newest


def in_use() -> dict[str, int]:
    """Return how many bodies each master key protects, by its id, the configured keys first and in their order. Reads every key."""
    configured = dict.fromkeys(keyring().ids, 0)
    return configured | dict(sorted(database.read(bodies_by_key).items()))


def bodies_by_key(connection: Connection) -> dict[str, int]:
    """Return how many bodies each master key protects, in either form."""
    queries = (
        select(BodyKey.key_id, func.count()).group_by(BodyKey.key_id),
        select(EventRow.key_id, func.count()).where(HAS_OLD_FORM).group_by(EventRow.key_id),
    )
    count: Counter[str] = Counter()
    for query in queries:
        count.update(dict(connection.execute(query).all()))
    return dict(count)


def waiting(connection: Connection) -> int:
    """Return how many bodies need another master key than the newest, or are of the old form."""
    wrapped = select(func.count()).where(BodyKey.key_id != newest_key())
    return sum(connection.execute(query).scalar_one() for query in (wrapped, select(func.count()).where(HAS_OLD_FORM)))


def protects(connection: Connection, key_id: str) -> bool:
    """Return whether a body needs a master key, in either form."""
    queries = (exists().where(BodyKey.key_id == key_id), exists().where(EventRow.key_id == key_id, HAS_OLD_FORM))
    return any(connection.execute(select(query)).scalar_one() for query in queries)


def rotate(*, on_wrapped: OnWrapped) -> int:
    """Make every body depend on the newest master key alone; return how many depended on another.

    Commits part by part. Raises Unopenable in the end if a key that is needed is not configured, or something was changed."""
    done = wrap_again(on_wrapped=on_wrapped)
    if done:
        with database.begin() as connection:
            audit.record(connection, action="rotate keys", subject=f"key {newest_key()}", touched=done)
    if left := set(database.read(bodies_by_key)) - {newest_key()}:
        raise Unopenable(_why(left))
    return done


def wrap_again(*, on_wrapped: OnWrapped = lambda _: None, seconds: float = math.inf) -> int:
    """Make every body depend on the newest master key alone, as far as its key is configured; return how many depended on another.

    Begins no further part after so many seconds."""
    with database.begin() as connection:
        body_keys.record_use(connection, [newest_key()])
    deadline = time.monotonic() + seconds
    wrapped = _in_parts(_keys_after, _wrap, first="", deadline=deadline, on_wrapped=on_wrapped)
    return wrapped + _in_parts(_old_form_after, _convert, first=0, deadline=deadline, on_wrapped=on_wrapped)


def _why(left: set[str]) -> str:
    unknown = sorted(left - set(keyring().ids))
    return f"no configured key has the id {unknown[0]}" if unknown else "some bodies cannot be opened, and keep their key (see the log)"


def _in_parts(
    after: Callable[..., list[Any]],
    work: Callable[[Connection, list[Any]], int],
    *,
    first: Any,
    deadline: float,
    on_wrapped: OnWrapped,
) -> int:
    """Do parts, until one pass does nothing; return how many rows were done. Rows that others lock are passed over, and are found by the
    next pass."""
    total = before = 0
    last = first
    while _pause(deadline):
        # Found before the transaction that writes: on SQLite no other process can write during that one.
        found = database.read(partial(after, last=last))
        if not found and total == before:
            break
        if not found:
            before, last = total, first
            continue
        with database.begin() as connection:
            done = work(connection, found)
        fault_points.reach("wrapped")
        total, last = total + done, found[-1]
        on_wrapped(done)
    return total


def _pause(deadline: float) -> bool:
    """Wait while live traffic waits; return whether there is time left."""
    while (is_time := time.monotonic() < deadline) and health.oldest_due_seconds() > LIVE_SECONDS_MAX:
        time.sleep(PAUSE_SECONDS)
    return is_time


def _keys_after(connection: Connection, *, last: str) -> list[str]:
    """Return the next events whose keys are to be wrapped again."""
    old = keyring().ids[1:]
    query = select(BodyKey.event_id).where(BodyKey.key_id.in_(old)).order_by(BodyKey.event_id).limit(WRAPPED_AT_ONCE)
    return list(connection.execute(query.where(BodyKey.event_id > last) if last else query).scalars()) if old else []


def _wrap(connection: Connection, event_ids: list[str]) -> int:
    """Wrap keys again. No body is read or written."""
    query = select(BodyKey.__table__).where(BodyKey.event_id.in_(event_ids), BodyKey.key_id != newest_key())
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
    wrapped = {row.event_id: key for row in rows if (key := _rewrapped(row))}
    changed = [{"event_id": event_id, "key_id": key.key_id, "wrapped": key.wrapped} for event_id, key in wrapped.items()]
    return bulk.rewrite(connection, BodyKey, changed, key=("event_id",))


def _rewrapped(row: Row[Any]) -> WrappedKey | None:
    try:
        return keyring().rewrap(WrappedKey(row.key_id, row.wrapped), event_id=row.event_id)
    except Unopenable as error:
        log.error("the data key of an event cannot be unwrapped, and stays as it is", event_id=row.event_id, error=str(error))
        return None


def _old_form_after(connection: Connection, *, last: int) -> list[int]:
    """Return the next events whose bodies a configured key seals itself."""
    query = select(EventRow.sequence).where(EventRow.key_id.in_(keyring().ids), HAS_OLD_FORM, EventRow.sequence > last)
    return list(connection.execute(query.order_by(EventRow.sequence).limit(CONVERTED_AT_ONCE)).scalars())


def _convert(connection: Connection, sequences: list[int]) -> int:
    """Give bodies of the old form data keys."""
    query = select(EventRow.__table__).where(EventRow.sequence.in_(sequences), HAS_OLD_FORM)
    return sum(_converted(connection, row) for row in connection.execute(query.with_for_update(skip_locked=True, key_share=True)).all())


def _converted(connection: Connection, row: Row[Any]) -> bool:
    try:
        body = keyring().open(row.sealed_body, key_id=row.key_id, event_id=row.id, wrapped=None)
    except Unopenable as error:
        log.error("the body of an event cannot be opened, and stays as it is", event_id=row.id, error=str(error))
        return False
    sealed = keyring().seal(body, event_id=row.id)
    body_keys.insert(connection, {row.id: sealed.key})
    changed = update(EventRow).where(EventRow.sequence == row.sequence)
    connection.execute(changed.values(key_id=NO_MASTER_KEY, sealed_body=sealed.body))
    return True
