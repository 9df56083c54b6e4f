"""Compare: what a vendor answers about an applicant, beside what we show; a repair is an event of its own kind.

The clients know no rules. The vendors' modules interpret an answer, and the rules decide what it does to an applicant.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from handlers import config, interpret
from handlers.clients.vendor import Client, Unanswered, VendorAnswer
from handlers.rules import transitions
from handlers.rules.news import Deletion, News, Occasion, Reading, Step, Unreadable
from handlers.rules.objections import holds
from handlers.rules.projection import PERSONS_DECISION, base_entry
from handlers.rules.registers import registers_of
from handlers.vendors import VENDORS
from store import database
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.inbox import internal_events
from store.inbox.internal_events import Kind
from store.operations import reconciliations
from store.system import clock
from store.text.states import ApplicantKey, Status


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A vendor's answer about an applicant, beside its earlier news."""

    key: ApplicantKey
    #: Where the vendor's own news put the applicant, whatever lies over it; None: we know no such applicant.
    ours: Status | None
    ours_since: datetime | None
    #: Where its answer would; None: it knows no such applicant, or its answer does not count.
    theirs: Status | None = None
    theirs_since: datetime | None = None
    says: str
    drifts: bool = False
    #: Whether the vendor gave no answer, or one that does not count.
    unclear: bool = False
    #: Where repairing it would lead, or led; None: nowhere.
    repair: Status | None = None
    event_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AskedVendor:
    """An answer, and the sequence number of the newest event before the question."""

    key: ApplicantKey
    newest: int
    answer: VendorAnswer | None


def ask(client: Client, key: ApplicantKey) -> AskedVendor:
    """Ask a vendor about an applicant. Its place in the order is taken before the question. Raises Unanswered."""
    newest = database.read(reconciliations.newest_event)
    return AskedVendor(key=key, newest=newest, answer=client.read(key.reference))


def compare(asked: AskedVendor) -> Finding:
    """Return what an answer says, beside what we show. Nothing is written."""
    known = database.read(lambda connection: applicants.find(connection, asked.key))
    ours, since = (_heard(known), known.as_of or known.updated_at) if known else (None, None)
    shown = Finding(key=asked.key, ours=ours, ours_since=since, says="the vendor knows no such applicant")
    if asked.answer is None:
        return replace(shown, drifts=known is not None and ours != Status.DELETED, unclear=known is None)
    try:
        news = interpret.statement(Kind.READ, asked.key.vendor, asked.answer.body, config.settings())
    except Unreadable as unreadable:
        # While the applicant is still open here, such an answer is expected: the vendor has not decided yet.
        return replace(shown, says=unreadable.reason, unclear=ours not in reconciliations.OPEN)
    return _compared(shown, known or applicants.unknown(asked.key), news, _occasion(asked, asked.answer))


def _compared(shown: Finding, known: Applicant, news: News, occasion: Occasion) -> Finding:
    reading = interpret.weigh(news, occasion)
    would = transitions.decide(known, reading, now=clock.now())
    theirs, hits = _meant(reading)
    found = replace(shown, theirs=theirs, theirs_since=news.occurred_at, says=news.because)
    if theirs == shown.ours and set(hits) <= set(known.hits) and "document_expires_on" not in would.changed:
        return found
    why_not = _why_not(found, known, news) if occasion.by_receipt else None
    if why_not is None and not would.changed:
        why_not = "newer news is known"
    if why_not:
        return replace(found, drifts=True, says=f"{news.because}, but {why_not}")
    return replace(found, drifts=True, repair=would.applicant.status)


def _why_not(found: Finding, known: Applicant, news: News) -> str | None:
    """Return why an approval without a time needs a review: it neither says what was found beside it, nor whether it is newer than the
    decision."""
    if found.theirs != Status.APPROVED:
        return None
    same_word = isinstance(news.says, Step) and news.says.vendor_status == known.vendor_status
    doubted = same_word and Status.NEEDS_REVIEW in (found.ours, known.provisional)
    if doubted or known.hits or any(objection["hits"] for objection in known.objections):
        return "what speaks against it is not in the answer"
    if any(ground["name"] == PERSONS_DECISION and ground["status"] != Status.APPROVED for ground in known.grounds):
        return "a person decided otherwise"
    return None


def repair(asked: AskedVendor) -> str:
    """Keep an answer as an event of its own kind, to be handled like any other; return its id. Commits."""
    assert asked.answer is not None
    key, body = asked.key, asked.answer.body
    statement = internal_events.answered(key.vendor, key.environment, body, receipt=asked.newest)
    return database.write(lambda connection: internal_events.keep(connection, [statement])[0])


def describe(finding: Finding) -> dict[str, Any]:
    """Return the finding as it is shown."""
    told: dict[str, Any] = finding.key._asdict() | {name: value for name, value in vars(finding).items() if name not in ("key", "unclear")}
    return told | {name: clock.rfc3339(told[name]) for name in ("ours_since", "theirs_since")}


def with_event(finding: Finding, event_id: str | None, *, says: str | None = None) -> Finding:
    """Return the finding with the event that repaired it."""
    return replace(finding, event_id=event_id, says=says or finding.says)


def unanswered(key: ApplicantKey, error: Unanswered) -> Finding:
    """Return the finding that a vendor gave no answer."""
    return Finding(key=key, ours=None, ours_since=None, says=f"no answer: {error}", unclear=True)


def _occasion(asked: AskedVendor, answer: VendorAnswer) -> Occasion:
    """Return the occasion of the answer's event, if it were kept now."""
    by_receipt = not VENDORS[asked.key.vendor].has_clock
    return Occasion(
        event_id="",
        sequence=asked.newest + 1,
        received_at=clock.now(),
        body_sha256=hashlib.sha256(answer.body).hexdigest(),
        by_receipt=by_receipt,
        order=asked.newest if by_receipt else None,
        closes=by_receipt,
    )


def _heard(applicant: Applicant) -> Status:
    """Return the status by the vendor's verdict, progress or erasure. Overrides are not asked about."""
    registers = registers_of(applicant)
    base = base_entry(registers)
    if holds(registers, "erased"):
        return Status.DELETED
    return Status(base.value["status"]) if base else applicant.status


def _meant(reading: Reading) -> tuple[Status, tuple[str, ...]]:
    """Return the status of an answer, and the hits that it names."""
    if isinstance(reading.says, Deletion):
        return Status.DELETED, ()
    assert isinstance(reading.says, Step)
    return reading.says.status, reading.says.hits
