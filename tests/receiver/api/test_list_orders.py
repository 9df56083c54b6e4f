"""Lists over HTTP in both orders: page by page to their end, without a gap or a repetition."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.receiver.api.test_api import OPERATOR, walk
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service, eventually

#: The lists that have two orders. A filter makes a list short where other tests of the same service fill it.
LISTS: dict[str, dict[str, str]] = {
    "/v1/events": {"vendor": "idngo"},
    "/v1/applicants": {"vendor": "idenfy", "hit": "aml"},
    "/v1/decisions": {},
    "/v1/reversals": {},
    "/v1/reversals/current": {},
    "/v1/reactions": {},
    "/v1/audit": {"action": "read a body"},
    "/v1/verifications": {},
}


@pytest.fixture(scope="module")
def told(running: Service) -> Service:
    """A service that has something in each list but those of reactions and of verifications."""
    monitored = payloads.idenfy_monitoring([payloads.new_scan() for _ in range(7)], monitoring=f"user-{uuid.uuid4().hex[:12]}")
    event = running.told("idenfy", monitored, event_type="AML_MONITORING")
    for _ in range(3):
        who = payloads.new_applicant()
        running.told("idngo", payloads.idngo(who, answer="GREEN"))
        running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
        decision = json.dumps({"decision": "reject", "reason": "seen"}).encode()
        made = running.request("POST", f"/v1/applicants/idngo/{who}/decisions", decision, token=OPERATOR)
        running.settled(made.json["event_id"])
        running.get(f"/v1/events/{event['id']}/body", token=OPERATOR)
    return running


@pytest.mark.parametrize("path", LISTS)
def test_the_newest_first_is_the_reverse_of_the_oldest_first(told: Service, path: str) -> None:
    def calm() -> tuple[list[dict[str, Any]], ...] | None:
        # Other tests of this service may add to a list, or have a subscriber told, between two of them.
        whole = told.get(path, token=OPERATOR, limit=500, **LISTS[path]).json["data"]
        oldest, newest = (walk(told, path, limit=2, token=OPERATOR, order=order, **LISTS[path]) for order in ("oldest", "newest"))
        found = oldest, newest, whole
        return found if len({json.dumps(sorted(map(json.dumps, rows))) for rows in found}) == 1 else None

    oldest, newest, whole = eventually(calm, "the list stays as it is")
    assert newest == oldest[::-1]
    assert len(oldest) >= 3 or path in ("/v1/reactions", "/v1/verifications")
    assert whole == oldest


def test_a_cursor_goes_on_in_the_order_that_is_given_with_it(told: Service) -> None:
    first = told.get("/v1/decisions", limit=2).json
    back = told.get("/v1/decisions", limit=2, order="newest", cursor=first["next_cursor"]).json
    assert back["data"] == first["data"][:1]


def test_an_order_that_there_is_not_is_refused(running: Service) -> None:
    answer = running.get("/v1/events", order="sideways")
    assert (answer.status, answer.json["detail"]) == (400, "Invalid query parameter 'order'.")
