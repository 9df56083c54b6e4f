"""What was known before there was an event: imports beside one another, and beside what the vendor itself says."""

from __future__ import annotations

import hashlib
import itertools

from tests.support.payloads import after
from tests.support.telling import Delivery, derived, idngo, known_before, stands


def imported(status: str, hours: float = 0, *hits: str, customer: str | None = None) -> Delivery:
    return known_before("idngo", status, at=after(hours=hours), hits=hits, external_user_id=customer)


def test_an_imported_approval_beside_an_imported_hit_needs_a_review_until_the_vendor_says_which_hits_there_are() -> None:
    for story in itertools.permutations([imported("rejected", 0, "pep"), imported("approved", 1)]):
        state = stands(*story)
        assert (state.status, state.hits) == ("needs_review", ["pep"])
        assert state.last_verdict == {"status": "needs_review", "level": None, "as_of": "2026-05-04T10:30:00.250Z"}
        assert state.grounds[0]["status"] == "needs_review"
        cleared = stands(*story, idngo(answer="GREEN", at=after(hours=2)))
        assert (cleared.status, cleared.hits, cleared.objections) == ("approved", [], [])


def test_an_imported_rejection_or_a_vendors_approval_stays_as_it_is_beside_an_imported_hit() -> None:
    assert stands(imported("in_review", 0, "pep"), imported("rejected", 1)).status == "rejected"
    assert stands(idngo(answer="GREEN", at=after()), imported("rejected", 1, "pep")).status == "approved"
    assert stands(imported("rejected", 0), imported("approved", 1)).status == "approved"


def test_the_newest_import_that_names_a_hit_speaks_against_an_approval() -> None:
    for earlier, later in itertools.permutations(("customer-1", "customer-2")):
        story = [imported("rejected", 2, "pep", customer=later), imported("rejected", 1, "pep", customer=earlier), imported("rejected", 3)]
        for heard in itertools.permutations(range(3)):
            assert {"event_id": "event-0", "hits": ["pep"]} in derived(story, heard=heard).objections


def test_of_two_imports_of_one_instant_that_name_a_hit_the_body_with_the_greater_hash_counts() -> None:
    for customers in itertools.permutations(("customer-1", "customer-2")):
        story = [imported("rejected", 1, "pep", customer=customer) for customer in customers] + [imported("rejected", 2)]
        last = max(story[:2], key=lambda delivery: hashlib.sha256(delivery.body).digest())
        assert {"event_id": f"event-{story.index(last)}", "hits": ["pep"]} in stands(*story).objections


def test_at_one_instant_an_expired_document_wins_over_the_verdict() -> None:
    for customer in ("customer-1", "customer-2", "customer-3", "customer-4"):
        expired = imported("document_expired", customer=customer)
        assert stands(imported("approved"), expired).status == stands(expired, imported("approved")).status == "document_expired"


def test_a_hit_of_the_import_that_decides_is_named_for_its_verdict_and_its_status() -> None:
    objections = stands(imported("rejected", 0, "pep")).objections
    assert objections == [{"event_id": "event-0", "hits": ["pep"]}] * 2
