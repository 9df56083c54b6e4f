"""Key rotation: bodies that an old key encrypted are encrypted again with the newest, while the service runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import func, select, update

from store import config, database
from store.access import audit
from store.database.tables import EventRow
from store.inbox import claims
from store.inbox.encryption import key_id, keyring
from store.operations import health

SEALED_AT_ONCE = 200

#: Live traffic goes first: a rotation pauses while the oldest pending event has waited so long.
LIVE_SECONDS_MAX, PAUSE_SECONDS = 1.0, 0.2


def newest_key() -> str:
    """Return the id of the key that encrypts."""
    return key_id(config.settings().encryption_keys[0])


def in_use() -> dict[str, int]:
    """Return how many bodies each key encrypts, by its id, the configured keys first and in their order. Reads every event."""
    configured = dict.fromkeys((key_id(key) for key in config.settings().encryption_keys), 0)
    with database.reading() as connection:
        rows = connection.execute(
            select(EventRow.key_id, func.count().label("bodies")).group_by(EventRow.key_id).order_by(EventRow.key_id)
        ).all()
    return configured | {row.key_id: row.bodies for row in rows}


def rotate(*, on_sealed: Callable[[int], None]) -> int:
    """Encrypt with the newest key what another key encrypts; return how many bodies.

    Commits part by part, so that it can be interrupted and started again. Raises Unopenable if a needed key is not configured."""
    last, sealed = 0, 0
    while part := _part(last):
        while health.oldest_due_seconds() > LIVE_SECONDS_MAX:
            time.sleep(PAUSE_SECONDS)
        last = part[-1]
        count = _seal(part)
        sealed += count
        on_sealed(count)
    if sealed:
        with database.begin() as connection:
            audit.record(connection, action="rotate keys", subject=f"key {newest_key()}", touched=sealed)
    return sealed


def _part(last: int) -> list[int]:
    wanted = select(EventRow.sequence).where(EventRow.sequence > last, EventRow.key_id != newest_key()).order_by(EventRow.sequence)
    with database.reading() as connection:
        return list(connection.execute(wanted.limit(SEALED_AT_ONCE)).scalars())


def _seal(sequences: list[int]) -> int:
    ring = keyring()
    with database.begin() as connection:
        query = select(EventRow.sequence, EventRow.id, EventRow.key_id, EventRow.sealed_body).where(EventRow.sequence.in_(sequences))
        for row in connection.execute(query.order_by(*claims.LOCK_ORDER).with_for_update(key_share=True)).all():
            used, sealed = ring.seal(ring.open(row.sealed_body, key_id=row.key_id, event_id=row.id), event_id=row.id)
            connection.execute(update(EventRow).where(EventRow.sequence == row.sequence).values(key_id=used, sealed_body=sealed))
    return len(sequences)
