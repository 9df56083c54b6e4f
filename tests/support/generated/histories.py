"""Histories that nobody thought of, from a seeded generator: news of one applicant of each vendor, in the order of receipt.

Times are drawn from a few instants, so that ties to the millisecond, late news and unknown times (ordered by our receipt,
among the same instants) meet.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.interpret import RULINGS
from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, Judgement, News, Occasion, Says, Step
from store.inbox.internal_events import DecisionBody, Ruling
from store.text.states import Status
from tests.support.payloads import after

Heard = tuple[News, Occasion]

INSTANTS = [after(minutes=minute) for minute in range(4)]
LEVELS = ("basic", "full", None)
USERS = ("customer-1", "customer-2", None)
TAGS: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    ((), (), ()),
    ((), (), ()),
    (("FORGERY",), (), ()),
    (("BLACKLIST", "PEP"), ("blacklist", "pep"), ()),
    (("AML_FAILED",), (), ("AML_FAILED",)),
]
WORDS = (Status.APPROVED, Status.APPROVED, Status.REJECTED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW)
PROGRESS = (Status.CREATED, Status.IN_REVIEW, Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.CANCELLED, Status.SESSION_EXPIRED)


@dataclass(frozen=True)
class Vendor:
    """What a vendor can say, and whether its events carry a time."""

    name: str
    has_clock: bool


VENDORS = (Vendor("idngo", True), Vendor("ifcgate", True), Vendor("idenfy", False))


def history(chance: random.Random, vendor: Vendor) -> list[Heard]:
    """What a vendor said of one applicant, in the order of receipt."""
    return [_event(chance, vendor, sequence) for sequence in range(1, chance.randint(2, 8))]


def _event(chance: random.Random, vendor: Vendor, sequence: int) -> Heard:
    news = News(
        event_type="any",
        references=("one",),
        occurred_at=_time(chance) if vendor.has_clock else None,
        says=_says(chance, vendor),
        because="it was drawn",
        external_user_id=chance.choice(USERS) if vendor.name != "ifcgate" else None,
    )
    occasion = Occasion(
        event_id=f"event-{sequence}",
        sequence=sequence,
        received_at=chance.choice(INSTANTS),
        body_sha256=f"{chance.getrandbits(16):04x}{sequence}",
        repeat=not vendor.has_clock and chance.random() < 0.2,
        by_receipt=not vendor.has_clock,
        order=chance.choice((None, None, None, sequence - 1, 0, -5)) if not vendor.has_clock else None,
        closes=not vendor.has_clock and chance.random() < 0.1,
    )
    return news, occasion


def _time(chance: random.Random) -> datetime | None:
    """Mostly one of a few instants; now and then none, or one that cannot be."""
    drawn = chance.random()
    return (
        None if drawn < 0.08 else after(days=3) if drawn < 0.12 else chance.choice(INSTANTS) + timedelta(milliseconds=chance.randint(0, 1))
    )


def _says(chance: random.Random, vendor: Vendor) -> Says | None:
    drawn = chance.random()
    if drawn < 0.03:
        return None
    if drawn > 0.92:
        return _judgement(chance)
    if drawn < 0.6 or vendor.name == "ifcgate":
        return _verdict(chance, vendor) if chance.random() < 0.6 else _progress(chance, vendor)
    overlays: list[Says] = [
        Deletion(),
        Activity(active=chance.random() < 0.5),
        Alert(monitoring=chance.choice(("m-1", "m-2")), raised=chance.random() < 0.5),
        DocumentNotice(expired=chance.random() < 0.6),
        Archived(),
    ]
    return chance.choice(overlays)


def _judgement(chance: random.Random) -> Judgement:
    ruling = chance.choice((Ruling.APPROVE, Ruling.APPROVE, Ruling.REJECT, Ruling.RESUBMIT))
    body = DecisionBody(
        reference="one",
        ruling=ruling,
        by="night",
        reason="it was drawn",
        at=chance.choice(INSTANTS),
        against=chance.choice(((), ("pep",))),
        seen=tuple(f"event-{sequence}" for sequence in range(1, 9) if chance.random() < 0.6),
        confirmed_by=chance.choice((None, "day")),
        withdrawn_by=chance.choice((None, None, None, "dusk")),
    )
    return Judgement(status=RULINGS[ruling], decided=body)


def _verdict(chance: random.Random, vendor: Vendor) -> Step:
    reasons, hits, failed = chance.choice(TAGS)
    return Step(
        status=chance.choice(WORDS),
        verdict=True,
        binding=not vendor.has_clock,
        final=True,
        vendor_status="a word",
        reasons=reasons,
        hits=hits,
        failed_screenings=failed,
        user_message="Please try again.",
        level=chance.choice(LEVELS),
    )


def _progress(chance: random.Random, vendor: Vendor) -> Step:
    restarts = vendor.name == "idngo" and chance.random() < 0.3
    return Step(
        status=Status.CREATED if restarts else chance.choice(PROGRESS),
        restarts=restarts,
        wipes=restarts and chance.random() < 0.5,
        reopens=not vendor.has_clock and chance.random() < 0.4,
        provisional=chance.choice((None, Status.APPROVED)),
        level=chance.choice(LEVELS),
    )
