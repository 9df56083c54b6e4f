"""Erasures that one person asks for and another approves."""

from __future__ import annotations

import json
from typing import Any

from tests.support.service import Service, eventually

OFFICER, DEPUTY = "protect-me-if-you-may", "approve-me-if-you-may"


def approve(service: Service, **subject: str) -> str:
    """Approve an erasure; return its id. A worker carries it out."""
    made = act(service, "/v1/erasures", OFFICER, subject | {"reason": "a letter"}).json["id"]
    approved = act(service, f"/v1/erasures/{made}/approve", DEPUTY, {"reason": "it is right"})
    assert approved.status == 202, approved.body
    return str(made)


def act(service: Service, path: str, token: str, body: dict[str, Any]) -> Any:
    return service.request("POST", path, json.dumps(body).encode(), token=token)


def until_done(service: Service, erasure_id: str, *, seconds: float = 30) -> dict[str, Any]:
    """Wait until an erasure is done; return it."""

    def look() -> dict[str, Any] | None:
        answer = service.get(f"/v1/erasures/{erasure_id}", token=OFFICER)
        return answer.json if answer.status == 200 and answer.json["status"] == "done" else None

    return eventually(look, f"the erasure {erasure_id} to be done", seconds=seconds)


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
