"""Erasing over HTTP: an operator requests it, a privacy officer approves it, and a worker carries it out."""

from __future__ import annotations

import json
from typing import Any

from tests.support.service import Answer, Service, eventually

OPERATOR, OFFICER, DEPUTY = "operate-me-if-you-may", "protect-me-if-you-may", "approve-me-if-you-may"


def send(service: Service, path: str, *, token: str = OFFICER, method: str = "POST", **body: Any) -> Answer:
    """Send a body of these fields."""
    return service.request(method, path, json.dumps(body).encode(), token=token)


def requested(service: Service, *, token: str = OPERATOR, **subject: str) -> str:
    """The id of a request."""
    answer = send(service, "/v1/erasures", token=token, reason="asked by mail", **subject)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def erased(service: Service, **subject: str) -> str:
    """The id of an erasure that is done."""
    made = requested(service, **subject)
    answer = send(service, f"/v1/erasures/{made}/approve", reason="nothing keeps it", basis="consent withdrawn", early=True)
    assert (answer.status, answer.json["status"]) == (202, "approved"), answer.body

    def is_done() -> bool:
        return bool(service.get(f"/v1/erasures/{made}", token=OFFICER).json["status"] == "done")

    eventually(is_done, f"erasure {made} to be done", seconds=60)
    return made


def restricted(service: Service, **subject: str) -> str:
    """The id of a request that is refused, whose applicants are restricted."""
    made = requested(service, **subject)
    until: dict[str, Any] = {"until": "2040-01-01T00:00:00Z", "restrict": True}
    answer = send(service, f"/v1/erasures/{made}/refuse", reason="kept by law", basis="AMLR art. 77", **until)
    assert (answer.status, answer.json["status"], answer.json["restrict"]) == (202, "refused", True), answer.body
    return made
