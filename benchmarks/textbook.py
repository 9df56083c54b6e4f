"""A receiver as the textbook has it: a model for each table, an ORM session for each request, and one RQ job for each event.

Written honestly, as one would for production: it verifies before it keeps, leaves duplicates to a unique constraint, enqueues
after the commit, and locks the applicant while it changes. What it leaves out (order, reversals, encryption, a sweep for lost
jobs, a feed) only makes it faster.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from redis import Redis
from rq import Queue
from rq import SimpleWorker as RqSimpleWorker
from rq import Worker as RqWorker
from sqlalchemy import DateTime, String, UniqueConstraint, create_engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import JSON


class Base(DeclarativeBase):
    pass


class WebhookEvent(Base):
    __tablename__ = "webhook_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    vendor: Mapped[str] = mapped_column(String(40))
    idempotency_key: Mapped[str] = mapped_column(String(100))
    event_type: Mapped[str] = mapped_column(String(100))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    processed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), index=True)

    __table_args__ = (UniqueConstraint("vendor", "idempotency_key"),)


class Applicant(Base):
    __tablename__ = "applicants"

    id: Mapped[int] = mapped_column(primary_key=True)
    vendor: Mapped[str] = mapped_column(String(40))
    reference: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(40), default="created")
    updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (UniqueConstraint("vendor", "reference"),)


# receiving ----------------------------------------------------------------------------------------------------

app = Flask(__name__)


@app.post("/webhooks/<vendor>")
def receive(vendor: str) -> Response:
    body = request.get_data()
    if not verified(vendor, body):
        abort(401)
    event = as_event(vendor, body, request.headers.get("webhook-id"), request.headers.get("Idenfy-Event-Type"))
    with new_session() as session:
        session.add(event)
        try:
            session.commit()
        except IntegrityError:
            session.rollback()
            return jsonify(status="duplicate")
    queue().enqueue(handle, event.id, result_ttl=0)
    return jsonify(status="accepted", event_id=event.id)


@app.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


def verified(vendor: str, body: bytes) -> bool:
    secret, headers = os.environ[f"{vendor.upper()}_SECRETS"], request.headers
    if vendor == "ifcgate":
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(f"v1,{digest}", headers["webhook-signature"])
    given = headers["x-payload-digest" if vendor == "idngo" else "Idenfy-Signature"]
    return hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), given)


def as_event(vendor: str, body: bytes, message_id: str | None, event_type: str | None) -> WebhookEvent:
    payload = json.loads(body)
    return WebhookEvent(
        vendor=vendor,
        idempotency_key=message_id or hashlib.sha256(body).hexdigest(),
        event_type=event_type or payload.get("type") or payload.get("event"),
        payload=payload,
    )


# handling -----------------------------------------------------------------------------------------------------

STATUSES = {
    "GREEN": "approved", "RED": "rejected", "APPROVED": "approved", "DENIED": "rejected", "SUSPECTED": "needs_review",
    "approved": "approved", "rejected": "rejected", "needs_documents": "resubmission_requested",
}  # fmt: skip


def handle(event_id: int) -> None:
    """The job: load the event, find or make its applicant, lock, change, commit."""
    with new_session.begin() as session:
        event = session.get_one(WebhookEvent, event_id)
        if event.processed_at is not None:
            return
        for reference in references(event.payload):
            applicant = locked(session, event.vendor, reference)
            applicant.status = STATUSES.get(word(event.payload) or "", "in_review")
            applicant.updated_at = datetime.now(UTC)
        event.processed_at = datetime.now(UTC)


def locked(session: Session, vendor: str, reference: str) -> Applicant:
    session.execute(insert(Applicant).values(vendor=vendor, reference=reference, status="created").on_conflict_do_nothing())
    return session.scalars(select(Applicant).filter_by(vendor=vendor, reference=reference).with_for_update()).one()


def references(payload: dict[str, Any]) -> list[str]:
    found = payload.get("applicantId") or payload.get("scanRef") or payload.get("case_id")
    return [found] if found else sorted(payload["scanRefList"])


def word(payload: dict[str, Any]) -> str | None:
    if "reviewStatus" in payload:
        return (payload.get("reviewResult") or {}).get("reviewAnswer")
    status = payload.get("status")
    return status["overall"] if isinstance(status, dict) else status


class Worker(RqWorker):
    """RQ's forking worker. Named on its command line it loads this module before it forks, which each job would do otherwise."""


class SimpleWorker(RqSimpleWorker):
    """RQ's worker that does not fork, loading this module likewise."""


# what both stand on -------------------------------------------------------------------------------------------

engine = create_engine(os.environ.get("TEXTBOOK_DATABASE_URL", "postgresql://"))
new_session = sessionmaker(engine, expire_on_commit=False)


@cache
def queue() -> Queue:
    return Queue("textbook", connection=Redis.from_url(os.environ["REDIS_URL"]))
