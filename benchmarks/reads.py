"""How long every list and read of the API takes with many events kept: each call many times, in a database of its own.

python -m benchmarks.reads [--events 1000000] [--times 30] [--database postgresql] [--only TEXT] [--url URL]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, text

from benchmarks import copies, stage
from benchmarks.stage import POSTGRESQL, SQLITE, STANDING, Stage
from tests.support.service import Service, children

#: What lists and single reads are to keep to, at any size.
LIST_MS_MAX, READ_MS_MAX = 20.0, 10.0

#: What is computed at most once in so many seconds, however often it is asked for: these calls wait longer, and are fewer.
REMEMBERED = {"/metrics": 1.1, "/readyz": 1.1, "/v1/status": 5.1, "/v1/vendors": 5.1, "/v1/overview": 5.1, "/v1/overview?days=366": 5.1}
REMEMBERED_TIMES = 5

OFFICER = "protect-me-if-you-may"
READER, OPERATOR = "read-me-if-you-may", "operate-me-if-you-may"

HITS = ("blacklist", "sanctions", "pep", "adverse_media", "criminal", "aml")
FLAGS = (
    "DEACTIVATED", "DOCUMENT_EXPIRED", "DOCUMENT_EXPIRING", "MONITORING_ALERT", "ARCHIVED", "REPEATED_BODY", "TIME_UNKNOWN",
    "NOT_UNDERSTOOD",
)  # fmt: skip
STATUSES = (
    "created", "in_review", "on_hold", "awaiting_applicant", "needs_review", "approved", "resubmission_requested", "rejected",
    "session_expired", "document_expired", "cancelled", "deactivated", "deleted",
)  # fmt: skip
OUTCOMES = ("pending", "applied", "unchanged", "superseded", "ignored", "unreadable", "failed")
REVERSALS = ("adverse", "re_review", "lapsed", "offboarded", "reinstated")
VENDORS = ("ifcgate", "idngo", "idenfy")
ORDERS = ("oldest", "newest")


@dataclass(frozen=True)
class Somebody:
    """An applicant that is kept, and an event that named it."""

    vendor: str
    reference: str
    external_user_id: str
    event_id: str
    updated_at: datetime
    received_at: datetime


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.reads", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--events", type=int, default=1_000_000, help="how many events are kept (default: %(default)s)")
    options.add_argument("--times", type=int, default=30, help="how often each call is made (default: %(default)s)")
    options.add_argument("--database", choices=(POSTGRESQL, SQLITE), default=POSTGRESQL, help="default: %(default)s")
    options.add_argument("--only", default="", help="the calls whose address holds this")
    options.add_argument("--url", help="measure what is kept in this database, which this run does not fill")
    asked = options.parse_args()
    with stage.stage() as on, _kept(on, asked) as engine, on.service(engine, web=STANDING) as service:
        slow = list(_told(service, engine, [call for call in calls(engine) if asked.only in call[0]], asked.times))
    print(f"{len(slow)} over their limit: {', '.join(slow) or 'none'}")


@contextmanager
def _kept(on: Stage, asked: argparse.Namespace) -> Iterator[Engine]:
    """A database that holds so many events, handled long ago."""
    if asked.url:
        yield stage.connect(asked.url)
        return
    with on.database(asked.database) as engine:
        _, handled = copies.templates(on, asked.database)
        began = time.monotonic()
        copies.multiply(handled, engine, -(-asked.events // handled.events))
        print(f"{stage.number(engine, 'SELECT count(*) FROM events'):,} events kept after {time.monotonic() - began:.0f} s", flush=True)
        yield engine


def calls(engine: Engine) -> list[tuple[str, str]]:
    """Every list with each of its filters in both orders, and every read: the address, and the token."""
    known = _somebody(engine)
    found = [(path, READER) for path in [*_singles(known), *_applicants(known), *_events(known), *_other_lists(known)]]
    return found + [(path, OPERATOR) for path in _of_operators(known)] + [(path, OFFICER) for path in _of_officers(known)]


def _somebody(engine: Engine) -> Somebody:
    """An applicant in the middle of those that are kept, with an id of yours, and its last event."""
    with engine.connect() as connection:
        where = "environment = 'live' AND external_user_id IS NOT NULL AND last_event_id IS NOT NULL"
        middle = connection.execute(text(f"SELECT count(*) FROM applicants WHERE {where}")).scalar_one() // 2
        columns = "vendor, reference, external_user_id, last_event_id, updated_at"
        query = f"SELECT {columns} FROM applicants WHERE {where} ORDER BY vendor, reference LIMIT 1 OFFSET {middle}"
        vendor, reference, user, event_id, updated_at = connection.execute(text(query)).one()
        received_at = connection.execute(text("SELECT max(received_at) FROM events")).scalar_one()
    return Somebody(vendor, reference, user, _dashed(str(event_id)), _moment(updated_at), _moment(received_at))


def _dashed(event_id: str) -> str:
    digits = event_id.replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _moment(found: datetime | str) -> datetime:
    moment = datetime.fromisoformat(found) if isinstance(found, str) else found
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _singles(known: Somebody) -> Iterator[str]:
    one = f"/v1/applicants/{known.vendor}/{quote(known.reference, safe='')}"
    earlier = quote((known.updated_at - timedelta(microseconds=1)).isoformat())
    yield from (one, f"{one}?at={earlier}", f"{one}/history", f"{one}/explanation", f"{one}/explanation?at={earlier}")
    yield from (f"/v1/users/{quote(known.external_user_id, safe='')}", f"/v1/events/{known.event_id}")
    yield from (f"/v1/events/{known.event_id}/applicants", f"/v1/events/{known.event_id}/masked")
    yield from ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/status", "/v1/vendors", "/v1/overview", "/v1/overview?days=366")


def _in_both_orders(path: str, *filters: str) -> Iterator[str]:
    """A list without a filter, then with each."""
    for wanted, order in itertools.product(("", *filters), ORDERS):
        yield f"{path}?{wanted}{'&' if wanted else ''}order={order}"


def _times(moment: datetime) -> tuple[str, str]:
    """A time that all came after, and one that none did."""
    return quote((moment - timedelta(days=3650)).isoformat()), quote((moment + timedelta(minutes=1)).isoformat())


def _applicants(known: Somebody) -> Iterator[str]:
    long_ago, ahead = _times(known.updated_at)
    yield from _in_both_orders(
        "/v1/applicants", "environment=sandbox", f"external_user_id={quote(known.external_user_id)}", f"reference={quote(known.reference)}",
        *(f"vendor={vendor}" for vendor in VENDORS), *(f"status={status}" for status in STATUSES),
        *(f"vendor=ifcgate&status={status}" for status in STATUSES), *(f"hit={hit}" for hit in HITS), *(f"flag={flag}" for flag in FLAGS),
        "vendor=idenfy&hit=sanctions", "status=approved&hit=pep", "status=rejected&hit=blacklist", "status=approved&flag=DEACTIVATED",
        *(f"updated_{side}={moment}" for side in ("after", "before") for moment in (long_ago, ahead)), "expiring=30d",
    )  # fmt: skip


def _events(known: Somebody) -> Iterator[str]:
    long_ago, ahead = _times(known.received_at)
    yield from _in_both_orders(
        "/v1/events", "environment=sandbox", f"reference={quote(known.reference)}", f"vendor={known.vendor}&reference={known.reference}",
        "reference=unknown", *(f"vendor={vendor}" for vendor in VENDORS), *(f"status={outcome}" for outcome in OUTCOMES),
        *(f"vendor=ifcgate&status={outcome}" for outcome in OUTCOMES), "event_type=applicantReviewed", "event_type=applicantDeleted",
        "event_type=unknown", "error=unknown", "status=failed&error=unknown", f"received_after={long_ago}", f"received_after={ahead}",
    )  # fmt: skip


def _other_lists(known: Somebody) -> Iterator[str]:
    long_ago, ahead = _times(known.updated_at)
    yield from ("/v1/review", "/v1/review?older_than=1h", "/v1/review?older_than=9999d", "/v1/review?environment=sandbox", "/v1/failed")
    for path in ("/v1/reversals", "/v1/reversals/current"):
        yield from _in_both_orders(
            path, *(f"kind={kind}" for kind in REVERSALS), f"since={long_ago}", f"since={ahead}", "environment=sandbox"
        )
    yield from ("/v1/changes", "/v1/changes?after=latest", "/v1/changes?environment=sandbox", "/v1/subscribers")
    yield from _in_both_orders("/v1/decisions", "waiting=true", "environment=sandbox", "waiting=true&environment=sandbox")
    statuses = ("pending", "done", "failed", "skipped")
    yield from _in_both_orders("/v1/reactions", *(f"status={status}" for status in statuses), "environment=sandbox", "subscriber=unknown")
    yield from _in_both_orders("/v1/verifications", "external_user_id=unknown", "vendor=idngo", "status=failed", "environment=sandbox")
    yield from ("/v1/log", "/v1/log/keys", "/v1/log/entries")


def _of_operators(known: Somebody) -> Iterator[str]:
    long_ago, ahead = _times(known.updated_at)
    about = f"vendor={known.vendor}&reference={quote(known.reference)}"
    person = f"external_user_id={quote(known.external_user_id)}"
    yield from _in_both_orders("/v1/audit", about, person, "actor=unknown", "action=unknown", f"since={long_ago}", f"since={ahead}")
    yield from ("/v1/replays", "/v1/reconciliations", "/v1/sessions", "/v1/holds", "/v1/erasures", f"/v1/events/{known.event_id}/body")


def _of_officers(known: Somebody) -> Iterator[str]:
    yield from ("/v1/retention", f"/v1/users/{quote(known.external_user_id, safe='')}/relationship", "/v1/audit", "/v1/events")
    yield f"/v1/events?reference={quote(known.reference)}"


def _told(service: Service, engine: Engine, wanted: list[tuple[str, str]], times: int) -> Iterator[str]:
    """Print how long each call takes: the median, the 99th of 100, and the processor time. Yield those that took longer than they may."""
    for path, token in wanted:
        took, status, processor = _timed(service, engine, path, token, times)
        middle, high = statistics.median(took), statistics.quantiles(took, n=100, method="inclusive")[98]
        limit = READ_MS_MAX if "?" not in path and path.count("/") > 2 else LIST_MS_MAX
        over = "OVER" if high > limit else ""
        print(f"{status} p50 {middle:7.1f}  p99 {high:7.1f}  processor {processor:6.1f}  {over:4} {path}", flush=True)
        if over:
            yield path


def _timed(service: Service, engine: Engine, path: str, token: str, times: int) -> tuple[list[float], int, float]:
    """The milliseconds of each call but the first, the last one's status, and the milliseconds of processor time a call."""
    took, status, before = [], 0, 0.0
    pause = REMEMBERED.get(path, 0.0)
    count = min(times, REMEMBERED_TIMES) if pause else times
    for number in range(count + 1):
        if number == 1:
            before = _processor_seconds(service, engine)
        time.sleep(pause)
        began = time.perf_counter()
        status = service.get(path, token=token).status
        took.append((time.perf_counter() - began) * 1000)
    return took[1:], status, (_processor_seconds(service, engine) - before) * 1000 / count


def _processor_seconds(service: Service, engine: Engine) -> float:
    """The processor time so far of the web processes, and of PostgreSQL's that serve them."""
    started = [process.pid for process in service.processes]
    pids = [*started, *(child for pid in started for child in children(pid))]
    if engine.dialect.name != SQLITE:
        with engine.connect() as connection:
            serving = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            pids += connection.execute(serving).scalars()
    return sum(map(_seconds_of, pids))


def _seconds_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0  # It ended meanwhile.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
