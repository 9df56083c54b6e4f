"""The state of the log, as the API shows it: how far it is signed, published and verified."""

from __future__ import annotations

from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from store.proof import publications
from store.proof.shown.health import LogHealth
from store.system import clock

#: What is shown of the state of the log besides its times.
FIELDS = ("origin", "size", "signed_size", "unlogged", "stopped_because", "stopped_for_good", "verified_size", "faults")

TIMES = ("last_at", "signed_at", "verified_at")


def describe(connection: Connection, log: LogHealth) -> dict[str, Any]:
    """Return the state of the log as it is shown."""
    found = structs.asdict(log)
    told = {name: found[name] for name in FIELDS} | {name: clock.rfc3339(found[name]) for name in TIMES}
    return told | {"publications": [_describe_place(place) for place in publications.of(connection)]}


def _describe_place(one: publications.Published) -> dict[str, Any]:
    moments = {name: clock.rfc3339(getattr(one, name)) for name in ("published_at", "failed_at")}
    return {"place": one.place, "epoch": one.epoch, "size": one.size, **moments, "error": one.error}
