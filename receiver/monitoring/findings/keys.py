"""When each master key must be destroyed, so that no backup can be opened for longer than BACKUP_DAYS."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from receiver.monitoring.findings.sentence import Finding, Sentence
from store import config
from store.privacy import master_keys
from store.system import clock

KEYS_LIST = "standing keys list"

OWN = Sentence("key {key}", "ok", "is Standing's own, and destroyed automatically by {day}")
OWN_OVERDUE = Sentence("key {key}", "look", "is Standing's own, and should have been destroyed by {day}: no worker did it", KEYS_LIST)
NEWEST = Sentence("key {key}", "ok", "to be replaced, and destroyed by {day}")
OLDER = Sentence("key {key}", "ok", "replaced; to be destroyed by {day}, and recorded: standing keys destroyed {key}")
OVERDUE = Sentence("key {key}", "look", "should have been destroyed by {day}: certificates of erasure are pending", KEYS_LIST)


def master(connection: Connection) -> Iterator[Finding]:
    """Yield when each master key that exists must be destroyed, and whether a worker or the operator does it."""
    own, now = config.generated_keys() is not None, clock.now()
    for state in master_keys.states(connection):
        if state.destroyed_at is None:
            due = state.destroy_by < now
            says = (OWN_OVERDUE if due else OWN) if own else OVERDUE if due else NEWEST if state.is_newest else OLDER
            yield says(key=state.key_id, day=state.destroy_by.date())
