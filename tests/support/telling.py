"""Telling the rules what a vendor said, and looking at where the applicant then stands. No database, no process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec import structs

from handlers import config, interpret
from handlers.config import Settings
from handlers.interpret import weigh
from handlers.rules import transitions
from handlers.rules.news import News, Occasion
from handlers.rules.transitions import Decision
from handlers.vendors import VENDORS
from store.applicants.table import Applicant, describe
from store.inbox import deliveries as arrivals
from store.inbox import internal_events
from store.inbox.internal_events import DecisionBody, ImportBody, Ruling
from store.system.environment import Environment
from store.text.states import ApplicantKey, Status
from tests.support import payloads
from tests.support.payloads import BEGAN, after

#: The one applicant of each vendor whom these tests tell of.
WHO, SCAN, CASE = "5f0c3a9be1d24c7d8e6a1b20", "328c6766-934e-11ed-bb9b-025ad99a18e7", "case_71d0c2"
REFERENCE = {"idngo": WHO, "idenfy": SCAN, "ifcgate": CASE}

#: When we receive, unless a test says otherwise: long after the vendors' clocks.
RECEIVED = after(days=30)

MANUAL, AUTO = "IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_AUTO_FINISHED"
RESUBMITTED = "IDENTIFICATION_RESUBMITTED"

#: What differs between two ways to the same state.
ON_THE_WAY = ("version", "updated_at", "status_since", "last_event_id")

#: What may differ without being a change.
NO_CHANGE = ("as_of", "ever_approved", "updated_at", "version", "last_event_id")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What we received of a vendor, and what the inbox noticed about it."""

    vendor: str
    body: bytes
    headers: dict[str, str]
    repeat: bool = False
    received_at: datetime = RECEIVED


# what vendors say ---------------------------------------------------------------------------------------------


def idngo(kind: str = "applicantReviewed", answer: str | None = None, *, received_at: datetime = RECEIVED, **more: Any) -> Delivery:
    """An event of IDnGO; `more` as in `payloads.idngo`. Its body is the same at every run."""
    return raw("idngo", payloads.idngo(WHO, kind, answer, **{"correlationId": "req-1"} | more), received_at=received_at)


def idenfy(kind: str | None, body: dict[str, Any] | bytes, *, repeat: bool = False) -> Delivery:
    """An event of iDenfy; its type is in a header, if anywhere."""
    return raw("idenfy", body, headers={} if kind is None else {"Idenfy-Event-Type": kind}, repeat=repeat)


def verdict(overall: str = "APPROVED", kind: str = MANUAL, *, repeat: bool = False, **more: Any) -> Delivery:
    """An identification's result of iDenfy; `more` as in `payloads.idenfy`."""
    return idenfy(kind, payloads.idenfy(SCAN, overall, **more), repeat=repeat)


def monitoring(status: str | None = "ALERT", *, case: str = "m-1", repeat: bool = False, **more: Any) -> Delivery:
    return idenfy("AML_MONITORING", payloads.idenfy_monitoring([SCAN], status, monitoring=case, **more), repeat=repeat)


def document(threshold: str = "DOCUMENT_EXPIRED", *, repeat: bool = False) -> Delivery:
    return idenfy("DOCUMENT_EXPIRATION", payloads.idenfy_document(SCAN, threshold), repeat=repeat)


def ifcgate(
    status: str = "approved", event: str = "case.review.completed", *, at: datetime = BEGAN, received_at: datetime = RECEIVED, **more: Any
) -> Delivery:
    """An event of IFCGATE; `more` as in `payloads.ifcgate`."""
    return raw("ifcgate", payloads.ifcgate(CASE, status, event, at=at, **more), received_at=received_at)


def raw(
    vendor: str,
    body: dict[str, Any] | bytes,
    *,
    headers: dict[str, str] | None = None,
    repeat: bool = False,
    received_at: datetime = RECEIVED,
) -> Delivery:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(vendor=vendor, body=written, headers=headers or {}, repeat=repeat, received_at=received_at)


# what we say ourselves ----------------------------------------------------------------------------------------


def decided(vendor: str, ruling: str, *, at: datetime, by: str = "night", receipt: int | None = None, **more: Any) -> Delivery:
    """A person's decision; `receipt` is given where it confirms one, whose place it takes; `more` as in `DecisionBody`."""
    body = DecisionBody(reference=REFERENCE[vendor], ruling=Ruling(ruling), by=by, reason="looked into", at=at, **more)
    return _stated(internal_events.decided(ApplicantKey(vendor, "live", REFERENCE[vendor]), body, receipt=receipt), received_at=at)


def known_before(vendor: str, status: str, *, at: datetime, **more: Any) -> Delivery:
    """What an import says."""
    body = ImportBody(reference=REFERENCE[vendor], status=Status(status), at=at, source="the old table", **more)
    return _stated(internal_events.known_before(vendor, "live", body))


def answered(vendor: str, answer: dict[str, Any], *, receipt: int = 0) -> Delivery:
    """What a vendor answered when it was asked, and the last event that was known before."""
    return _stated(internal_events.answered(vendor, "live", json.dumps(answer).encode(), receipt=receipt))


def _stated(statement: arrivals.Delivery, *, received_at: datetime = RECEIVED) -> Delivery:
    return Delivery(vendor=statement.vendor, body=statement.body, headers=statement.headers, received_at=received_at)


def configured(**variables: str) -> Settings:
    """The settings of a process with these variables."""
    environment = Environment(variables)
    settings = config.read(environment)
    environment.check()
    return settings


# what comes of it ---------------------------------------------------------------------------------------------


def interpreted(delivery: Delivery, settings: Settings | None = None) -> News:
    """What a delivery, or a statement of ours, says. Raises Unreadable."""
    kind = internal_events.kind(delivery.headers)
    if kind:
        return interpret.statement(kind, delivery.vendor, delivery.body, settings or Settings())
    return VENDORS[delivery.vendor].interpret(delivery.headers, delivery.body, settings or Settings())


def stranger(vendor: str, *, linked_to: str | None = None) -> Applicant:
    """An applicant whom nobody has told us of."""
    return Applicant(**ApplicantKey(vendor, "live", REFERENCE[vendor])._asdict(), updated_at=BEGAN, linked_user_id=linked_to)


def told(
    *deliveries: Delivery, handled: Sequence[int] | None = None, settings: Settings | None = None, linked_to: str | None = None
) -> list[Decision]:
    """What each delivery does to one fresh applicant. Received as given; handled in that order, or in another."""
    applicant, decisions = stranger(deliveries[0].vendor, linked_to=linked_to), []
    for place in handled or range(len(deliveries)):
        news, occasion = interpreted(deliveries[place], settings), occasion_of(deliveries, place)
        assert news.says is None or applicant.reference in news.references, "the event tells of somebody else"
        decision = transitions.decide(applicant, weigh(news, occasion), now=RECEIVED)
        applicant = stored(decision.applicant)
        decisions.append(structs.replace(decision, applicant=applicant))
    return decisions


def stands(*deliveries: Delivery, settings: Settings | None = None, linked_to: str | None = None) -> Applicant:
    """Where one fresh applicant stands after these deliveries."""
    return told(*deliveries, settings=settings, linked_to=linked_to)[-1].applicant


def statuses(*deliveries: Delivery, settings: Settings | None = None) -> list[str]:
    """Where one fresh applicant stands after each of these deliveries."""
    return [str(decision.applicant.status) for decision in told(*deliveries, settings=settings)]


def derived(deliveries: Sequence[Delivery], *, heard: Iterable[int], settings: Settings | None = None) -> Applicant:
    """Where an applicant stands by a derivation from all that was said, heard in some order."""
    said = [weigh(interpreted(deliveries[place], settings), occasion_of(deliveries, place)) for place in heard]
    return transitions.derive(stranger(deliveries[0].vendor), said, said[0], now=RECEIVED).applicant


def occasion_of(deliveries: Sequence[Delivery], place: int) -> Occasion:
    delivery = deliveries[place]
    return Occasion(
        event_id=f"event-{place}",
        sequence=place + 1,
        received_at=delivery.received_at,
        body_sha256=hashlib.sha256(delivery.body).hexdigest(),
        repeat=delivery.repeat,
        by_receipt=delivery.vendor == "idenfy",
        **interpret.given_place(delivery.headers, by_receipt=delivery.vendor == "idenfy"),
    )


def stored(applicant: Applicant) -> Applicant:
    """The applicant as a table gives it back: its registers have been JSON in between."""
    return structs.replace(applicant, registers=msgspec.json.decode(msgspec.json.encode(applicant.registers)))


def shown(applicant: Applicant, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """The applicant as the contract shows it."""
    return {name: value for name, value in describe(applicant).items() if name not in without}
