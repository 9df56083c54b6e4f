"""Erasing over HTTP: an operator requests it, a privacy officer approves it, and a worker carries it out."""

from __future__ import annotations

import json
from typing import Any

from tests.support.service import TOO_BUSY, Answer, Service, eventually

OPERATOR, OFFICER, DEPUTY = "operate-me-if-you-may", "protect-me-if-you-may", "approve-me-if-you-may"


def send(service: Service, path: str, *, token: str = OFFICER, method: str = "POST", **body: Any) -> Answer:
    """Send a body of these fields. A busy database may take too long for an answer: then it is sent again, as the answer says."""

    def ask() -> Answer | None:
        answer = send_once(service, path, token=token, method=method, **body)
        return None if answer.status == 503 and TOO_BUSY in answer.body else answer

    return eventually(ask, f"an answer to {method} {path}")


def send_once(service: Service, path: str, *, token: str = OFFICER, method: str = "POST", **body: Any) -> Answer:
    """Send a body of these fields, whatever the answer is."""
    return service.request(method, path, json.dumps(body).encode(), token=token)


def requested(service: Service, *, token: str = OPERATOR, **subject: str) -> str:
    """The id of a request."""
    answer = send(service, "/v1/erasures", token=token, reason="asked by mail", **subject)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def approved(service: Service, **subject: str) -> str:
    """The id of an erasure that a worker carries out."""
    return approve(service, requested(service, **subject))


def approve(service: Service, made: str) -> str:
    """Approve a request, or one that was refused, whatever keeps it; return its id."""
    answer = send(service, f"/v1/erasures/{made}/approve", reason="nothing keeps it", basis="consent withdrawn", early=True)
    assert (answer.status, answer.json["status"]) == (202, "approved"), answer.body
    return made


def until_done(service: Service, erasure_id: str) -> dict[str, Any]:
    """An erasure, once it is done."""

    def look() -> dict[str, Any] | None:
        answer = service.get(f"/v1/erasures/{erasure_id}", token=OFFICER)
        return answer.json if answer.status == 200 and answer.json["status"] == "done" else None

    return eventually(look, f"the erasure {erasure_id} to be done")


def erased(service: Service, **subject: str) -> str:
    """The id of an erasure that is done."""
    made = approved(service, **subject)
    until_done(service, made)
    return made


def restricted(service: Service, **subject: str) -> str:
    """The id of a request that is refused, whose applicants are restricted."""
    made = requested(service, **subject)
    until: dict[str, Any] = {"until": "2040-01-01T00:00:00Z", "restrict": True}
    answer = send(service, f"/v1/erasures/{made}/refuse", reason="kept by law", basis="AMLR art. 77", **until)
    assert (answer.status, answer.json["status"], answer.json["restrict"]) == (202, "refused", True), answer.body
    return made


def is_erased(service: Service, vendor: str, reference: str) -> bool:
    return service.get(f"/v1/applicants/{vendor}/{reference}").status == 410


def feed(service: Service) -> list[dict[str, Any]]:
    """All entries of the feed, without their cursors."""
    entries: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = service.get("/v1/changes", limit=500, **after).json
        entries += [entry | {"cursor": None} for entry in page["data"]]
        if not page["has_more"]:
            return entries
        after = {"after": page["next_cursor"]}
