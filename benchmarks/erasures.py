"""How long erasures take, what memory they need, and what deliveries notice meanwhile: many applicants, and one with many events.

python -m benchmarks.erasures --applicants 2000 --events 50000 [--database postgresql://…/an-empty-one]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import logging
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.meanwhile import repeating
from handlers import process
from handlers.privacy import erase
from store import database
from store.inbox import claims, deliveries, delivery_rows, record
from store.inbox.deliveries import Delivery
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, DataSubject, Stage
from store.system import logs

BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
KEPT_AT_ONCE = 500


def review(reference: str, number: int = 0) -> Delivery:
    body = {
        "applicantId": reference, "type": "applicantReviewed", "reviewStatus": "completed", "externalUserId": f"user of {reference}",
        "reviewResult": {"reviewAnswer": "GREEN"}, "createdAtMs": f"{BEGAN + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}.000",
        "note": "x" * 400,
    }  # fmt: skip
    written = json.dumps(body).encode()
    return Delivery(vendor="idngo", environment="live", headers={}, body=written, identity=hashlib.sha256(written).digest())


def keep(made: list[Delivery]) -> None:
    for start in range(0, len(made), KEPT_AT_ONCE):
        sealed = [deliveries.seal(one) for one in made[start : start + KEPT_AT_ONCE]]
        database.write(lambda connection, sealed=sealed: delivery_rows.keep(connection, sealed))  # type: ignore[misc]
    holder = claims.new_holder()
    while process.handle_some(holder):
        pass


def deliver(number: int) -> bool:
    """Deliver a webhook. One that takes too long counts as what it took."""
    with suppress(record.Unavailable):
        record.record(review(f"meanwhile-{number}"))
    return True


def erased(references: list[str]) -> None:
    """Erase applicants, each by an erasure of its own, as a run of retention does; print what it took."""

    def ask(reference: str) -> str:
        subject = DataSubject(environment="live", vendor="idngo", reference=reference)
        values = {"stage": Stage.APPROVED, "cause": Cause.RETENTION, "by": "benchmark"}
        return database.write(lambda connection: erasures.create(connection, subject, **values))

    asked = [ask(reference) for reference in references]
    with repeating(deliver) as took:
        began, used = time.monotonic(), time.thread_time()
        for start in range(0, len(asked), erase.AT_ONCE):
            some = asked[start : start + erase.AT_ONCE]
            assert erase.attempt(some) == (len(some), 0)
        seconds, used = time.monotonic() - began, time.thread_time() - used
    waits = statistics.quantiles(took, n=100) if len(took) > 1 else [0.0] * 99
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    each = f"{seconds / len(references) * 1000:.1f} ms each, {used / len(references) * 1000:.1f} ms of them of this process"
    print(f"  {len(references)} in {seconds:.1f} s ({each}), at most {peak} MiB")
    print(
        f"  {len(took)} deliveries meanwhile: median {waits[49] * 1000:.0f} ms, p99 {waits[98] * 1000:.0f} ms, most {max(took) * 1000:.0f}"
    )


@contextmanager
def own_database(given: str | None) -> Iterator[None]:
    """Have this process use an empty database that is given, or one of its own."""
    logs.configure(least=logging.WARNING)
    key = base64.b64encode(os.urandom(32)).decode()
    with tempfile.TemporaryDirectory() as folder:
        url = given or f"sqlite:///{Path(folder) / 'standing.sqlite3'}"
        os.environ |= {"VAR_DIR": folder, "DATABASE_URL": url, "ENCRYPTION_KEYS": key, "INDEX_KEY": key}
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applicants", type=int, default=2000)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--database")
    options = parser.parse_args()
    with own_database(options.database):
        references = [f"applicant-number-{number:06}" for number in range(options.applicants)]
        keep([review(reference) for reference in references])
        print("applicants with an event each:")
        erased(references)
        keep([review("the-one", number) for number in range(options.events)])
        print(f"one applicant with {options.events} events:")
        erased(["the-one"])


if __name__ == "__main__":
    main()
