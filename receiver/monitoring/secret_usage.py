"""Secret usage: which signing secrets still match, by fingerprint, so that a rotation can be finished."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from receiver import config
from receiver.vendors.base import SigningKey
from store.operations import delivery_counts
from store.operations.delivery_counts import Sighting
from store.system import clock

#: A secret beside a newer one that has matched nothing for so long may be taken away, once the vendor's retries have ended.
REST = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class SecretSight:
    """A configured secret, and when it last matched a delivery."""

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


def _look(connection: Connection) -> list[SecretSight]:
    uses = delivery_counts.secret_uses(connection)
    found = []
    for vendor, sender in config.settings().senders.items():
        for world in ("live", "sandbox"):
            keys = [key for key in sender.keys if key.environment == world]
            for key in keys:
                use = _use(uses, vendor, key)
                newest = key is keys[0]
                sight = SecretSight(
                    vendor=vendor,
                    environment=world,
                    fingerprint=key.fingerprint or "",
                    newest=newest,
                    last_at=use.last_at if use else None,
                    matches=use.count if use else 0,
                    says=_says(newest, use.last_at if use else None),
                )
                found.append(sight)
    return found


def _use(uses: dict[tuple[str, str], Sighting], vendor: str, key: SigningKey) -> Sighting | None:
    """Return the uses under any of the secret's names: a rotation of ENCRYPTION_KEYS gives it another name, and loses no count."""
    found = [use for name in key.fingerprints if (use := uses.get((vendor, name)))]
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
