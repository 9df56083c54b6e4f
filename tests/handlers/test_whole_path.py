"""The whole path in any order: two worker processes, any batches, retries that back off, replays in between."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs
from sqlalchemy import func, select

from handlers.interpret import interpret
from handlers.replay import rebuild
from handlers.rules.projection import show
from handlers.rules.registers import Registers, apply_news
from store import database
from store.applicants import mentions
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.database.tables import ApplicantRow, EventRow, TransitionRow
from store.inbox import record as inbox
from store.inbox.deliveries import Delivery
from store.text.states import ApplicantKey, Outcome
from tests.support import payloads
from tests.support.generated.samples import seed, size
from tests.support.payloads import after

HISTORIES, STORIES = size(500), size(200)
SEED = 20_260_511

OF_THE_WAY = ("version", "updated_at", "status_since", "last_event_id")


def test_histories_told_to_two_workers_end_where_a_fold_of_all_their_events_does(kept: str) -> None:
    # Two workers, each with batches of its own size, give events back, take them up later, and handle settled ones again.
    # Whatever they do, the rows must end as one fold of all kept events, read in the order of receipt.
    chance = random.Random(seed(SEED))
    for one in interleaved(chance, [story(chance, number) for number in range(HISTORIES)]):
        inbox.record(one)
    work(2)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).where(EventRow.status.in_((Outcome.PENDING, Outcome.FAILED)))).scalar_one() == 0
        shown = list(connection.execute(select(ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference)))
    assert len(shown) >= HISTORIES * 0.9
    for key in (ApplicantKey(*row) for row in shown):
        assert ending(there(key)) == ending(folded(key)), key
    renamed = rebuild.find_renamed(lambda _: None)
    assert list(rebuild.differences(renamed, on_applicants=lambda _: None)) == []
    assert not renamed.failing
    every_change_is_told_once()


def test_without_the_first_dedupe_nothing_ends_elsewhere(kept: str) -> None:
    # What the inbox would call a duplicate is kept as an event of its own, up to three times; for a vendor without a clock right after.
    chance = random.Random(seed(SEED + 1))
    stories = [story(chance, number) for number in range(STORIES)]
    for number, one in enumerate(interleaved(chance, stories)):
        for copy in range(chance.randint(1, 3)):
            keep_undeduped(one, f"{number}.{copy}")
    work(2)
    doubled = {applicant.reference: told(applicant) for applicant in everyone()}
    forget_everything()
    chance = random.Random(seed(SEED + 1))
    for one in interleaved(chance, [story(chance, number) for number in range(STORIES)]):
        inbox.record(one)
    work(2)
    assert doubled == {applicant.reference: told(applicant) for applicant in everyone()}


# stories ------------------------------------------------------------------------------------------------------


def story(chance: random.Random, number: int) -> list[Delivery]:
    """What one vendor says of one applicant, in the order in which it is sent."""
    tell = (_idngo, _idenfy, _ifcgate)[number % 3]
    return [tell(chance, number, step) for step in range(chance.randint(1, 7))]


def interleaved(chance: random.Random, stories: list[list[Delivery]]) -> Iterator[Delivery]:
    """Stories mingled. With a clock they may come in any order; without one they come in theirs, and repeats mean something."""
    waiting = [chance.sample(one, len(one)) if one[0].vendor != "idenfy" else list(one) for one in stories]
    turns = [number for number, one in enumerate(waiting) for _ in one]
    chance.shuffle(turns)
    for number in turns:
        yield waiting[number].pop(0)


def _instant(chance: random.Random) -> datetime:
    return after(minutes=chance.randint(0, 3)) + timedelta(milliseconds=chance.randint(0, 1))


def _idngo(chance: random.Random, number: int, step: int) -> Delivery:
    kind = chance.choice([*["applicantReviewed"] * 5, "applicantPending", "applicantReset", "applicantDeactivated", "applicantActivated",
                          "applicantDeleted", "amlCaseRejected", "amlCaseApproved", "applicantOnHold"])  # fmt: skip
    answer, reject = chance.choice([("GREEN", None), ("RED", "FINAL"), ("RED", "RETRY"), ("YELLOW", None)])
    labels = chance.choice([[], ["BLACKLIST"], ["FORGERY"]])
    more: dict[str, Any] = {} if chance.random() < 0.9 else {"createdAtMs": "no time"}
    body = payloads.idngo(
        f"{number:024x}", kind, answer, at=_instant(chance), reject=reject, labels=labels, correlationId=str(step), **more
    )
    return delivery("idngo", body)


def _ifcgate(chance: random.Random, number: int, step: int) -> Delivery:
    word = chance.choice(["approved", "rejected", "in_review", "on_hold", "needs_documents", "unheard-of"])
    event = chance.choice(["case.review.completed", "case.review.completed", "case.updated"])
    return delivery("ifcgate", payloads.ifcgate(f"case_{number}", word, event, at=_instant(chance), step=step))


def _idenfy(chance: random.Random, number: int, step: int) -> Delivery:
    scan, drawn = f"scan-{number}", chance.random()
    if drawn < 0.15:
        alert = payloads.idenfy_monitoring([scan, f"scan-{number + 3}"], chance.choice(["ALERT", "ACTIVE"]), monitoring=f"m-{number}")
        return delivery("idenfy", alert, "AML_MONITORING", subject=f"m-{number}")
    if drawn < 0.25:
        return delivery("idenfy", payloads.idenfy_document(scan), "DOCUMENT_EXPIRATION", subject=scan)
    kind = chance.choice(["IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_RESUBMITTED"])
    body = payloads.idenfy(scan, chance.choice(["APPROVED", "APPROVED", "DENIED", "SUSPECTED", "DELETED"]), final=chance.random() < 0.6)
    return delivery("idenfy", body, kind, subject=scan)


def delivery(vendor: str, body: dict[str, Any], kind: str = "", *, subject: str | None = None) -> Delivery:
    raw = json.dumps(body).encode()
    return Delivery(
        vendor=vendor,
        environment="live",
        headers={"Idenfy-Event-Type": kind} if kind else {},
        body=raw,
        identity=hashlib.sha256(kind.encode() + b"\0" + raw).digest(),
        subject=hashlib.sha256(subject.encode()).digest() if subject else None,
    )


# workers, and what they leave ----------------------------------------------------------------------------------


def work(count: int) -> None:
    """Let so many worker processes handle everything."""
    command = [sys.executable, "-m", "tests.handlers.worker.rambling_worker"]
    environment = dict(os.environ)
    workers = [subprocess.Popen([*command, str(number)], env=environment, stderr=subprocess.PIPE) for number in range(count)]
    failures = [error.decode() for worker in workers if (error := worker.communicate(timeout=240)[1]) and worker.returncode]
    assert failures == []


def there(key: ApplicantKey) -> Applicant:
    with database.reading() as connection:
        return applicants.among(connection, [key])[key]


def folded(key: ApplicantKey) -> Applicant:
    """The applicant as one fold of all its kept events, in the order of receipt."""
    registers: Registers = {}
    with database.reading() as connection:
        for event in mentions.events_naming(connection, key):
            registers = apply_news(registers, interpret(event))
    return show(applicants.unknown(key), registers)


def ending(applicant: Applicant) -> dict[str, Any]:
    return {name: value for name, value in structs.asdict(applicant).items() if name not in OF_THE_WAY}


def told(applicant: Applicant) -> dict[str, Any]:
    """What is shown at the end, whichever events said it."""
    return {name: value for name, value in applicants.describe(applicant).items() if name not in OF_THE_WAY}


def everyone() -> list[Applicant]:
    with database.reading() as connection:
        return applicants.listing(connection, environment="live", limit=10_000)


def every_change_is_told_once() -> None:
    with database.reading() as connection:
        rows = connection.execute(select(TransitionRow.number, TransitionRow.vendor, TransitionRow.reference, TransitionRow.version)).all()
        versions = {row.reference: row.version for row in connection.execute(select(ApplicantRow.reference, ApplicantRow.version))}
    assert sorted(row.number for row in rows) == list(range(1, len(rows) + 1))
    of_each: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        of_each[row.reference].append(row.version)
    assert all(sorted(of_each[reference]) == list(range(1, version + 1)) for reference, version in versions.items())


def keep_undeduped(delivery: Delivery, mark: str) -> None:
    """Keep a delivery as an event of its own, as if nothing told it from others; `repeat` stays what the inbox noticed the first time."""
    salted = hashlib.sha256(delivery.identity + mark.encode()).digest()
    inbox.record(replace(delivery, identity=salted))


def forget_everything() -> None:
    """An empty inbox again."""
    with database.begin() as connection:
        for table in ("mentions", "transitions", "quiet_moves", "applicants", "subjects", "events"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql("UPDATE feed SET last = 0")
