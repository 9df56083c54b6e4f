"""What logging costs a leaf, and what verifying the log costs, in processor time: of events, each with a change of its applicant.

python -m benchmarks.log --events 10000 --more 290000 [--database postgresql://…/an-empty-one]

Events are handled by the worker's code; as many more are written straight into the tables, as if they had been.
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import structs
from sqlalchemy import Connection

from benchmarks.erasures import keep, own_database, review
from handlers.replay import rebuild, refold
from store import database
from store.applicants import feed
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.database import bulk
from store.database.tables import EventRow
from store.inbox import deliveries
from store.inbox.sealing import body_keys
from store.proof import sequencer
from store.proof.sequencer import Horizon
from store.proof.verification import run
from store.system import clock
from store.text.states import Outcome, Status

MILLION = 1_000_000

HANDLED_AT_ONCE, WRITTEN_AT_ONCE = 5_000, 1_000


def handle(events: int) -> None:
    """Keep and handle events, each about an applicant of its own."""
    for start in range(0, events, HANDLED_AT_ONCE):
        keep([review(f"handled-{number:07}") for number in range(start, min(start + HANDLED_AT_ONCE, events))])


def write_more(events: int) -> None:
    """Write events, applicants and changes as handling them would leave them, but for what the rules remember."""
    for start in range(0, events, WRITTEN_AT_ONCE):
        numbers = range(start, min(start + WRITTEN_AT_ONCE, events))
        database.write(partial(_write, references=[f"written-{number:07}" for number in numbers]))


def _write(connection: Connection, references: list[str]) -> None:
    now, events, after = clock.now(), [], []
    keys: dict[str, Any] = {}
    for reference in references:
        arrival = deliveries.seal(review(reference))
        keys[arrival.id] = arrival.data_key
        settled = {"status": Outcome.APPLIED, "reason": "GREEN: approved", "settled_at": now, "reference": reference}
        events.append(arrival.row | settled | {"repeat": False, "seen_before": False})
        after.append(_approved(reference, arrival.id, now))
    bulk.insert(connection, EventRow, events)
    body_keys.insert(connection, keys)
    applicants.save(connection, after)
    changed = [(structs.replace(one, version=0), one) for one in after]
    feed.append(connection, [feed.transition(before, one, ["status"], None, event_id=one.last_event_id) for before, one in changed])


def _approved(reference: str, event_id: str, now: datetime) -> Applicant:
    return Applicant(
        vendor="idngo", environment="live", reference=reference, external_user_id=f"user of {reference}", status=Status.APPROVED,
        final=True, vendor_status="GREEN", ever_approved=True, as_of=now, updated_at=now, version=1, last_event_id=event_id,
        last_verdict={"status": "approved", "level": None, "as_of": clock.rfc3339(now)},
    )  # fmt: skip


def log_all() -> int:
    """Log all that waits; return how many leaves that were."""
    horizon, leaves = Horizon(), 0
    database.write(lambda connection: sequencer.take_lease(connection, "benchmark"))
    while some := database.write(partial(sequencer.log_some, runner="benchmark", horizon=horizon)):
        leaves += some
    return leaves


def verify() -> tuple[int, float, int, float]:
    """Verify all; return the leaves and what they and their rows took, and the applicants and what these took."""
    marks = [time.process_time()]
    found = run.verify_all(patience=timedelta(), on_applicants=lambda _: marks.append(time.process_time()) if len(marks) == 1 else None)
    assert found.count == 0, found.faults[:5]
    leaves, together = marks[1] - marks[0], time.process_time() - marks[0]
    return found.size, leaves, found.applicants, together - leaves


def fold() -> None:
    """Compare registers with what the events make of them."""
    faults = list(refold.faults(rebuild.find_renamed(lambda _: None)))
    assert not faults, faults[:5]


def tell(what: str, count: int, seconds: float) -> None:
    """Print what something takes of this process, which on SQLite is the database, too."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    each = seconds / count * MILLION
    print(f"  {what} ({count:,}): {each:.1f} µs each, {each:.0f} s of processor time for a million; {peak} MiB at most so far", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--more", type=int, default=90_000)
    parser.add_argument("--database")
    options = parser.parse_args()
    with own_database(options.database):
        handle(options.events)
        began = time.process_time()
        fold()
        tell("comparing registers with their events, an event", options.events, time.process_time() - began)
        write_more(options.more)
        began = time.process_time()
        tell("logging, a leaf", log_all(), time.process_time() - began)
        leaves, took, compared, more = verify()
        tell("verifying leaves and their rows, a leaf", leaves, took)
        tell("comparing applicants with their changes, an applicant", compared, more)


if __name__ == "__main__":
    main()
