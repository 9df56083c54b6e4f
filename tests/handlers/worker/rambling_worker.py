"""A worker for tests, in a process of its own: batches of any size, retries that back off, replays in between.

    python -m tests.handlers.worker.rambling_worker SEED

It ends once everything is settled, and has been for a moment.
"""

from __future__ import annotations

import random
import sys
import time
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import func, select

from handlers import process
from store import database
from store.database.tables import EventRow
from store.inbox import claims, settling
from store.system import clock
from store.text.states import Outcome

QUIET_SECONDS = 1.0


def main(seed: int) -> None:
    chance, holder, quiet_since = random.Random(seed), claims.new_holder(), time.monotonic()
    while time.monotonic() - quiet_since < QUIET_SECONDS:
        try:
            if ramble(chance, holder) or pending():
                quiet_since = time.monotonic()
            else:
                time.sleep(0.05)
        except database.Failure:  # On a busy machine it may be busy for too long. A worker gives back what it had, and goes on.
            quiet_since = time.monotonic()
            give_back(holder)


def ramble(chance: random.Random, holder: str) -> bool:
    """Claim some events; give a few back, handle the others, and have one handled again now and then. Gives whether there were some."""
    batch = claims.claim_oldest(holder, most=chance.randint(1, 40))
    postponed = [event for event in batch if chance.random() < 0.05]
    for event in postponed:
        settling.postpone(
            event.sequence, holder=holder, retry_at=clock.now() + timedelta(seconds=chance.random() / 10), error="a test backs off"
        )
    process.handle(holder, [event for event in batch if event not in postponed])
    if batch and chance.random() < 0.3:
        replay_one(chance)
    return bool(batch)


def give_back(holder: str) -> None:
    while True:
        with suppress(*database.Failure):
            settling.release(holder)
            return


def replay_one(chance: random.Random) -> None:
    """Have some settled event handled again."""
    with database.begin() as connection:
        last = connection.execute(select(func.max(EventRow.sequence))).scalar_one()
        some = (
            select(EventRow.id)
            .where(EventRow.sequence >= chance.randint(1, last), EventRow.status != Outcome.PENDING)
            .order_by(EventRow.sequence)
        )
        event_id = connection.execute(some.limit(1)).scalar_one_or_none()
        if event_id:
            settling.reopen(connection, event_id)


def pending() -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).where(EventRow.status == Outcome.PENDING)).scalar_one()


if __name__ == "__main__":
    main(int(sys.argv[1]))
