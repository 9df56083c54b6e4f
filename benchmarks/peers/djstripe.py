"""dj-stripe's webhook endpoint as a contestant: it verifies a delivery of Stripe's, keeps it and its event, and answers."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.measures.accept import PER_SECOND_MAX, Accepting
from benchmarks.peers import environment
from benchmarks.reader import reading
from benchmarks.sizes import Sizes
from benchmarks.stage import POSTGRESQL, ROOT, Stage
from tests.support.service import Service, eventually

#: As in `djstripe_site.py`, which cannot be imported here.
ENDPOINT, SECRET = "6f1d7b0a-95a5-4a3f-9c0c-3f0c7b1f8a11", "whsec_a_secret_to_measure_by"

#: An event that the endpoint keeps, and for which dj-stripe has no handler that would ask Stripe.
TYPE = "reporting.report_type.updated"

#: As many bytes as the simulator's bodies have on the average.
BODY_BYTES = 640

#: As Standing's web process: two processes, and one of 32 connections each is not more than they take at a time.
GUNICORN = ("--workers", "2", "--threads", "16", "--keep-alive", "75", "--log-level", "warning")

_numbers = itertools.count(1)


@dataclass(eq=False, kw_only=True)
class DjStripe(Accepting):
    def _deliveries(self, count: int) -> list[bytes]:
        return [_request() for _ in range(count)]


@contextmanager
def entry(on: Stage, sizes: Sizes) -> Iterator[DjStripe]:
    programs = environment.provide()
    with on.empty_database() as engine:
        site = {"PEER_DATABASE": str(engine.url.database), "PEER_DATABASE_HOST": str(engine.url.query["host"])}
        service = Service(on.new_folder(), site, cwd=ROOT)
        try:
            service.run(str(programs / "python"), "-m", "benchmarks.peers.djstripe_site")
            assert service.processes.pop().wait() == 0, service.logged()[-2000:]
            bind = ("--bind", f"127.0.0.1:{service.port}")
            service.run(str(programs / "gunicorn"), *GUNICORN, *bind, "benchmarks.peers.djstripe_site:application")
            eventually(service.is_up, "dj-stripe to answer", seconds=120)
            with reading(engine) as reader:
                own = {"name": "dj-stripe", "rate": "accepted/s", "table": "djstripe_event", "per_second_max": PER_SECOND_MAX}
                made = DjStripe(on=on, sizes=sizes, kind=POSTGRESQL, letter="p", service=service, engine=engine, reader=reader, **own)
                made.warm_up()
                yield made
        finally:
            service.end()


def _request() -> bytes:
    """A whole signed HTTP request, of an event of its own."""
    number = next(_numbers)
    event = {
        "id": f"evt_{number:024d}", "object": "event", "api_version": "2026-05-27.dahlia", "created": 1796083200, "livemode": False,
        "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}, "type": TYPE,
        "data": {"object": {"id": f"report_{number}", "object": "reporting.report_type", "name": "", "livemode": False}},
    }  # fmt: skip
    event["data"]["object"]["name"] = "n" * (BODY_BYTES - len(json.dumps(event)))  # type: ignore[index]
    body, moment = json.dumps(event).encode(), int(time.time())
    signature = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    head = f"POST /stripe/webhook/{ENDPOINT}/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Stripe-Signature: t={moment},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
