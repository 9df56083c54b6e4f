"""POST /webhooks/<vendor>: authenticate the delivery, have it recorded, wake a worker, answer.

File 1 of 4 on a webhook's path; next: `store/inbox/record.py`.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, request
from werkzeug.exceptions import RequestEntityTooLarge

from receiver import config
from receiver.config import ConfiguredVendor
from receiver.connections import refusal_counts, refusals
from receiver.monitoring import latencies
from receiver.monitoring.delivery_counts import count
from receiver.openapi import service_schemas
from receiver.vendors import rehearsal
from receiver.vendors.base import Forged, RequestHeaders, Stale
from receiver.web import request_body
from receiver.web.call import call
from receiver.web.problems import Problem
from store.inbox import wakeup
from store.inbox.deliveries import Delivery
from store.inbox.record import Kept, Unavailable, record
from store.operations import lost_commits
from store.system import clock

log = structlog.get_logger()

blueprint = Blueprint("webhooks", __name__)
blueprint.after_request(latencies.measure_answer)

#: What a delivery that is not authentic is counted as, and what its sender is answered.
CAUSES = {Forged: "forged", Stale: "stale"}
UNAUTHORIZED = {"forged": "Missing or invalid signature.", "stale": "The signed timestamp is more than 5 minutes off."}
#: What a forgery of the simulator in the sandbox is counted as.
REHEARSED = "forged_sandbox"


@blueprint.route("/webhooks/<vendor>", methods=["POST"], provide_automatic_options=False)
@call(right=None, query=None, takes_bytes=True, answers=service_schemas.Received, other_statuses=(401,))
def receive(vendor: str) -> dict[str, str]:
    """Keep a vendor's delivery. 200 means that it is durable.

    The vendor's signature over the raw body proves who sent it. No content type is demanded."""
    sender = _look_up(vendor)
    headers = RequestHeaders(request.environ)
    _refuse_large_unsigned(sender, headers)
    delivery = _authenticate(vendor, sender, headers)
    kept = _record(vendor, delivery)
    if kept.first:
        lost_commits.seen.acknowledged(kept.event_id, vendor, spooled=kept.spooled)
    if not kept.spooled:
        # Of a duplicate too: a worker that claims while the duplicate is counted passes the event over.
        wakeup.notify_soon()
    answer = "accepted" if kept.first else "duplicate"
    count(vendor, "spooled" if kept.spooled else answer, delivery)
    log.info("a delivery was kept", vendor=vendor, environment=delivery.environment, event_id=kept.event_id, answer=answer)
    return {"status": answer, "event_id": kept.event_id}


def _look_up(vendor: str) -> ConfiguredVendor:
    sender = config.settings().senders.get(vendor)
    if sender is None:
        raise Problem(404, "No vendor of this name is configured here.")
    return sender


def _refuse_large_unsigned(sender: ConfiguredVendor, headers: RequestHeaders) -> None:
    """Raise 413 for a body without a signature that is announced as too large. It is not counted: no vendor sent it."""
    if not _is_signed(sender, headers):
        request_body.refuse_announced_size()


def _authenticate(vendor: str, sender: ConfiguredVendor, headers: RequestHeaders) -> Delivery:
    """Return the authentic delivery of the request. Raises 401, or 413 for a body that is too large; both are counted and logged."""
    try:
        return _verified(sender, headers)
    except Forged as refusal:
        cause = CAUSES[type(refusal)]
        _count_refusal(vendor, REHEARSED if cause == "forged" and _is_rehearsed(sender) else cause)
        raise Problem(401, UNAUTHORIZED[cause]) from refusal
    except RequestEntityTooLarge:
        _count_refusal(vendor, "too_large")
        raise


def _verified(sender: ConfiguredVendor, headers: RequestHeaders) -> Delivery:
    """Return the delivery. Without a signature the body is not read. Raises Forged."""
    if not _is_signed(sender, headers):
        raise Forged
    return sender.scheme.authenticate(headers, request_body.body(), sender.keys, now=clock.now())


def _is_signed(sender: ConfiguredVendor, headers: RequestHeaders) -> bool:
    return sender.scheme.signature_header in headers


def _is_rehearsed(sender: ConfiguredVendor) -> bool:
    """Return whether the simulator sent this forgery: it must not look like an attack."""
    sandbox = [key.secret for key in sender.keys if key.environment == "sandbox"]
    return rehearsal.is_one(request.headers.get(rehearsal.HEADER), sandbox, clock.now())


def _count_refusal(vendor: str, cause: str) -> None:
    """Count and log a refused delivery. Nothing of its content is logged."""
    count(vendor, cause, None)
    peer = refusals.peer()
    log.warning("a delivery was refused", vendor=vendor, answer=cause, peer=peer)
    refusal_counts.note(peer=peer, vendor=vendor, cause=cause)


def _record(vendor: str, delivery: Delivery) -> Kept:
    """Keep the delivery durably. Raises Unavailable, which is counted."""
    try:
        return record(delivery)
    except Unavailable:
        count(vendor, "unavailable", delivery)
        raise
