"""POST /webhooks/<vendor>: authenticate the delivery, have it recorded, wake a worker, answer.

It is the first of four files that one webhook runs through; `store/inbox/record.py` is the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from flask import Blueprint, request
from werkzeug.exceptions import RequestEntityTooLarge

from receiver import config
from receiver.config import ConfiguredVendor
from receiver.connections import refusal_counts, refusals
from receiver.monitoring.delivery_counts import count
from receiver.openapi import service_schemas
from receiver.vendors import rehearsal
from receiver.vendors.base import Forged, Stale
from receiver.web import request_body
from receiver.web.call import call
from receiver.web.problems import Problem
from store.inbox import record as inbox
from store.inbox import wakeup
from store.inbox.deliveries import Delivery
from store.inbox.record import Kept, Unavailable
from store.system import clock

log = structlog.get_logger()

blueprint = Blueprint("webhooks", __name__)

#: What a delivery that is not kept is counted as.
REFUSED = {Forged: "forged", Stale: "stale", RequestEntityTooLarge: "too_large", Unavailable: "unavailable"}
#: What a forgery of the simulator in the sandbox is counted as.
REHEARSED = "forged_sandbox"
UNAUTHORIZED = {"forged": "Missing or invalid signature.", "stale": "The signed timestamp is more than 5 minutes off."}


@dataclass
class Received:
    """How far a delivery came: whether it is authentic, and what it was kept as."""

    delivery: Delivery | None = None
    kept: Kept | None = None


@blueprint.route("/webhooks/<vendor>", methods=["POST"], provide_automatic_options=False)
@call(right=None, query=None, takes_bytes=True, answers=service_schemas.Received, other_statuses=(401,))
def receive(vendor: str) -> dict[str, str]:
    """Keep a vendor's delivery. 200 means that it is durable.

    The vendor's signature over the raw body proves who sent it. No content type is demanded."""
    sender = _sender(vendor)
    with _counted(vendor, sender) as progress:
        delivery = progress.delivery = _authenticate(sender)
        kept = progress.kept = inbox.record(delivery)
        if kept.first and not kept.spooled:
            wakeup.notify_soon()
    return {"status": "accepted" if kept.first else "duplicate", "event_id": kept.event_id}


def _sender(vendor: str) -> ConfiguredVendor:
    """Return a vendor's settings. Raises 404 without any, and 413 for a too large body without a signature, which is not counted."""
    sender = config.settings().senders.get(vendor)
    if sender is None:
        raise Problem(404, "No vendor of this name is configured here.")
    if sender.scheme.signature_header not in request.headers:
        request_body.refuse_announced_size()
    return sender


def _authenticate(sender: ConfiguredVendor) -> Delivery:
    """Return the authentic delivery of the request. Without a signature the body is not read. Raises Forged."""
    if sender.scheme.signature_header not in request.headers:
        raise Forged
    return sender.scheme.authenticate(request.headers, request_body.body(), sender.keys, now=clock.now())


def _is_rehearsed(sender: ConfiguredVendor) -> bool:
    """Return whether the simulator sent this forgery: it must not look like an attack."""
    sandbox = [key.secret for key in sender.keys if key.environment == "sandbox"]
    return rehearsal.is_one(request.headers.get(rehearsal.HEADER), sandbox, clock.now())


@contextmanager
def _counted(vendor: str, sender: ConfiguredVendor) -> Iterator[Received]:
    """Count and log the answer to a delivery. Raises 401 for a delivery that is not authentic, of which nothing is logged."""
    progress = Received()
    try:
        yield progress
    except (Forged, RequestEntityTooLarge, Unavailable) as refusal:
        answer = REFUSED[type(refusal)]
        counted_as = REHEARSED if answer == "forged" and _is_rehearsed(sender) else answer
        count(vendor, counted_as, progress.delivery)
        if not progress.delivery:
            peer = refusals.peer()
            log.warning("a delivery was refused", vendor=vendor, answer=counted_as, peer=peer)
            refusal_counts.note(peer=peer, vendor=vendor, cause=counted_as)
        if isinstance(refusal, Forged):
            raise Problem(401, UNAUTHORIZED[answer]) from refusal
        raise
    kept, delivery = progress.kept, progress.delivery
    assert kept is not None
    assert delivery is not None
    answer = "accepted" if kept.first else "duplicate"
    count(vendor, "spooled" if kept.spooled else answer, delivery)
    log.info("a delivery was kept", vendor=vendor, environment=delivery.environment, event_id=kept.event_id, answer=answer)
