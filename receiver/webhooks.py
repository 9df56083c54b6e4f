"""POST /webhooks/<vendor>: authenticate the delivery, have it kept, ring for a worker, answer."""

from __future__ import annotations

import structlog
from flask import Blueprint, request
from werkzeug.exceptions import RequestEntityTooLarge

from receiver import config
from receiver.config import Sender
from receiver.connections import refusals
from receiver.monitoring.delivery_counts import count
from receiver.openapi import service_schemas
from receiver.vendors.base import Forged, Stale
from receiver.web import request_body
from receiver.web.call import call
from receiver.web.problems import Problem
from store.inbox import record as inbox
from store.inbox import wakeup
from store.inbox.record import Unavailable
from store.system import clock

log = structlog.get_logger()

blueprint = Blueprint("webhooks", __name__)


@blueprint.route("/webhooks/<vendor>", methods=["POST"], provide_automatic_options=False)
@call(right=None, query=None, takes_bytes=True, answers=service_schemas.Received, others=(401,))
def receive(vendor: str) -> dict[str, str]:
    """Keep a vendor's delivery. 200 means that it is durable.

    The vendor's signature over the raw body proves who sent it. No content type is demanded."""
    sender = _sender(vendor)
    body = _body(vendor, sender)
    try:
        delivery = sender.scheme.authenticate(request.headers, body, sender.keys, now=clock.now())
    except Forged as forged:
        raise _refusal(vendor, forged) from forged
    try:
        kept = inbox.record(delivery)
    except Unavailable:
        count(vendor, "unavailable", delivery)
        raise
    if kept.first and not kept.spooled:
        wakeup.ring_soon()
    status = "accepted" if kept.first else "duplicate"
    count(vendor, "spooled" if kept.spooled else status, delivery)
    log.info("a delivery was kept", vendor=vendor, environment=delivery.environment, event_id=kept.event_id, answer=status)
    return {"status": status, "event_id": kept.event_id}


def _sender(vendor: str) -> Sender:
    sender = config.settings().senders.get(vendor)
    if sender is None:
        raise Problem(404, "No vendor of this name is configured here.")
    return sender


def _body(vendor: str, sender: Sender) -> bytes:
    """Return the delivery's body. It is not read without a signature. One that is too large and looks signed is counted: a vendor's
    delivery would be lost."""
    if sender.scheme.signature_header not in request.headers:
        request_body.refuse_announced_size()
        raise _refusal(vendor, Forged())
    try:
        return request_body.body()
    except RequestEntityTooLarge:
        count(vendor, "too_large")
        log.warning("a delivery was refused", vendor=vendor, answer="too_large", peer=refusals.peer())
        raise


def _refusal(vendor: str, forged: Forged) -> Problem:
    """A delivery that is not authentic is counted and logged, without anything of it, and not kept."""
    answer = "stale" if isinstance(forged, Stale) else "forged"
    count(vendor, answer)
    log.warning("a delivery was refused", vendor=vendor, answer=answer, peer=refusals.peer())
    detail = "The signed timestamp is more than 5 minutes off." if answer == "stale" else "There is no signature that is right."
    return Problem(401, detail)
