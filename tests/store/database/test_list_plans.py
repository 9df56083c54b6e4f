"""Lists are read along an index in both orders, on both databases: no page sorts a table, however far along the list it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from store import database
from store.access import audit
from store.applicants import decision_list, decisions, feed
from store.applicants import table as applicants
from store.inbox import events
from store.operations import review_queue
from store.operations.review_queue import Place
from store.outbox import reactions
from store.starts import requests
from store.text.states import HITS, ApplicantKey, Flag

START_ID = "01930000-0000-7000-8000-000000000000"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

#: Each list, and a place in it.
LISTS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "events": (events.listing, {"environment": "live", "after": (7,)}),
    "events of a status": (events.listing, {"environment": "live", "status": "applied", "after": (7,)}),
    "events of the sandbox": (events.listing, {"environment": "sandbox", "after": (7,)}),
    "events without effect": (events.listing, {"environment": "live", "status": "superseded", "vendor": "idngo", "after": (7,)}),
    "applicants of a status": (applicants.listing, {"environment": "live", "status": "approved", "after": (MOMENT, "idngo", "x")}),
    "applicants": (applicants.listing, {"environment": "live", "after": (MOMENT, "idngo", "x")}),
    "applicants with a hit": (applicants.listing, {"environment": "live", "hit": "pep", "after": (MOMENT, "idngo", "x")}),
    "applicants with a flag": (applicants.listing, {"environment": "live", "flag": "DEACTIVATED", "after": (MOMENT, "idngo", "x")}),
    "decisions": (decision_list.listing, {"environment": "live", "after": (7,)}),
    "reversals": (feed.reversals, {"environment": "live", "kinds": ["adverse"], "after": (7,)}),
    "reactions": (reactions.listing, {"environment": "live", "after": (7,)}),
    "acts": (audit.listing, {"after": (7,)}),
    "verifications": (requests.listing, {"environment": "live", "after": (START_ID,)}),
}


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest", "newest"])
@pytest.mark.parametrize("name", LISTS)
def test_no_page_of_a_list_sorts_a_table(kept: str, name: str, newest_first: bool) -> None:
    listing, wanted = LISTS[name]
    plan = plan_of(lambda connection: listing(connection, **wanted, newest_first=newest_first, limit=51))
    assert plan
    assert [step for step in plan if "Sort" in step or "TEMP B-TREE" in step] == [], plan


def test_a_page_of_applicants_begins_at_its_place_in_the_index(kept: str) -> None:
    plan = plan_of(lambda connection: applicants.listing(connection, environment="live", after=(MOMENT, "idngo", "x"), limit=51))
    condition = "(environment=? AND (updated_at,vendor,reference)>(?,?,?))" if database.is_sqlite() else "Index Cond: "
    [step] = [step for step in plan if condition in step]
    assert "updated_at" in step


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_applicants_of_a_reference_are_found_by_their_keys(kept: str) -> None:
    keys = [ApplicantKey(vendor, "live", "x") for vendor in ("ifcgate", "idngo", "idenfy")]
    plan = plan_of(lambda connection: applicants.listing(connection, environment="live", keys=keys, limit=51))
    assert [step for step in plan if "sqlite_autoindex_applicants_1 (vendor=? AND environment=? AND reference=?)" in step], plan


@pytest.mark.parametrize("place", [None, Place(MOMENT, "applicant", "idngo/x"), Place(MOMENT, "event", START_ID)])
def test_the_review_queue_is_read_along_its_own_indexes(kept: str, place: Place | None) -> None:
    plan = plan_of(lambda connection: review_queue.listing(connection, environment="live", after=place, limit=51))
    assert [step for step in plan if "ix_applicants_in_review " in step], plan
    assert [step for step in plan if "ix_applicants_in_review_since_unknown " in step], plan
    assert scans_of(plan, "applicants", "events", "transitions") == []


#: Each list of a few of many rows, and the index over them alone.
FEW: dict[str, tuple[partial[Any], str]] = {
    **{f"hit {hit}": (partial(applicants.listing, hit=hit), f"ix_applicants_hits_{hit}") for hit in HITS},
    **{f"flag {flag}": (partial(applicants.listing, flag=flag), f"ix_applicants_flags_{flag.lower()}") for flag in Flag},
    "a decision that waits": (partial(decisions.waiting), "ix_applicants_decision_waits"),
    "events of the sandbox": (partial(events.listing, environment="sandbox"), "ix_events_sandbox"),
    "events without effect": (partial(events.listing, status="ignored", vendor="idngo"), "ix_events_without_effect"),
    "reversals of a kind": (partial(feed.reversals, kinds=["lapsed"]), "ix_transitions_reversals_of_a_kind"),
}


@pytest.mark.parametrize("name", FEW)
def test_a_list_of_few_rows_is_read_along_an_index_over_them_alone(kept: str, name: str) -> None:
    listing, index = FEW[name]
    plan = plan_of(lambda connection: listing(connection, **{"environment": "live", "limit": 51} | listing.keywords))
    assert [step for step in plan if f"{index} " in step], plan
    assert [step for step in plan if "Sort" in step or "TEMP B-TREE" in step] == [], plan


@pytest.mark.parametrize("vendor", [None, "idngo"])
def test_the_events_that_named_an_applicant_are_found_by_its_key(kept: str, vendor: str | None) -> None:
    wanted: dict[str, Any] = {"environment": "live", "reference": "x", "vendor": vendor, "vendors": ("ifcgate", "idngo", "idenfy")}
    plan = plan_of(lambda connection: events.listing(connection, **wanted, limit=51))
    by_key = "(vendor=? AND environment=? AND reference=?)" if database.is_sqlite() else "(vendor)::text ="
    assert [step for step in plan if by_key in step], plan
    assert scans_of(plan, "mentions", "events") == []


def scans_of(plan: list[str], *tables: str) -> list[str]:
    """The steps that read one of the tables whole."""
    return [step for step in plan for table in tables if f"Seq Scan on {table}" in step or step == f"SCAN {table}"]


def plan_of(read: Callable[[Connection], Any]) -> list[str]:
    """The steps by which a database would read. PostgreSQL is to sort only where no index has the order: its tables are empty."""
    steps: list[str] = []
    with database.reading() as connection:
        if not database.is_sqlite():
            connection.execute(text("SET LOCAL enable_sort = off"))
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))

        def explain(_conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            cursor.execute(f"EXPLAIN {'QUERY PLAN' if database.is_sqlite() else ''} {statement}", parameters)
            steps.extend(str(row[-1]).strip() for row in cursor.fetchall())

        event.listen(connection, "before_cursor_execute", explain)
        read(connection)
        event.remove(connection, "before_cursor_execute", explain)
    return steps
