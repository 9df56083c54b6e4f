"""Secret usage: which signing secrets still match, by fingerprint, so that a rotation can be finished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row

from receiver import config
from store import database
from store.operations import delivery_counts
from store.operations.delivery_counts import Sighting
from store.system import clock

#: A secret beside a newer one that has matched nothing for so long may be taken away, once the vendor's retries have ended.
REST = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class SecretSight:
    """A configured secret, as a web process recorded it, and when it last matched a delivery."""

    vendor: str
    environment: str
    fingerprint: str
    #: Whether it is the first of its list: the newest.
    newest: bool
    last_at: datetime | None
    matches: int
    says: str


def look(connection: Connection, *, environment: str | None = None, since: datetime | None = None) -> list[SecretSight]:
    """Return each configured secret, in the order of the settings, and what its use means: all, or those of an environment, and those
    that last matched at a time or later."""
    found = _look(connection)
    found = [one for one in found if environment in (None, one.environment)]
    return [one for one in found if since is None or (one.last_at is not None and one.last_at >= since)]


def describe(one: SecretSight) -> dict[str, Any]:
    """Return a secret as it is shown."""
    return vars(one) | {"last_at": clock.rfc3339(one.last_at)}


def record() -> None:
    """Record the secrets that this process is configured with, so that every process says the same of them. Commits.

    A process without any takes no delivery, and records nothing."""
    rows = list(_configured())
    if rows:
        database.write(lambda connection: delivery_counts.configure_secrets(connection, rows))


def _configured() -> Iterator[dict[str, Any]]:
    position = count()
    for vendor, sender in config.settings().senders.items():
        for world in ("live", "sandbox"):
            keys = [key for key in sender.keys if key.environment == world and key.fingerprint]
            for key in keys:
                told = {"fingerprint": key.fingerprint, "vendor": vendor, "environment": world, "position": next(position)}
                yield told | {"newest": key is keys[0], "names": list(key.fingerprints)}


def _look(connection: Connection) -> list[SecretSight]:
    uses = delivery_counts.secret_uses(connection)
    return [_sight(row, _use(uses, row)) for row in delivery_counts.configured_secrets(connection)]


def _sight(row: Row[Any], use: Sighting | None) -> SecretSight:
    last_at = use.last_at if use else None
    return SecretSight(
        vendor=row.vendor,
        environment=row.environment,
        fingerprint=row.fingerprint,
        newest=row.newest,
        last_at=last_at,
        matches=use.count if use else 0,
        says=_says(row.newest, last_at),
    )


def _use(uses: dict[tuple[str, str], Sighting], row: Row[Any]) -> Sighting | None:
    """Return the uses under any of the secret's names: a rotation of ENCRYPTION_KEYS gives it another name, and loses no count."""
    found = [use for name in row.names if (use := uses.get((row.vendor, name)))]
    if not found:
        return None
    return Sighting(sum(use.count for use in found), max(use.last_at for use in found))


def _says(newest: bool, last_at: datetime | None) -> str:
    if newest:
        return "in use" if last_at else "has matched nothing yet"
    if last_at is None:
        return "old, and has matched nothing yet"
    if clock.now() - last_at < REST:
        return "old, and still matches: the vendor still signs with it"
    return f"old, and has matched nothing for {REST.days} days: may be taken away"
