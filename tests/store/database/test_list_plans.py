"""Lists are read along an index in both orders, on both databases: no page sorts a table, however far along the list it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from store import database
from store.access import audit
from store.applicants import decision_list, feed
from store.applicants import table as applicants
from store.inbox import events
from store.outbox import reactions
from store.starts import requests
from store.text.states import ApplicantKey

START_ID = "01930000-0000-7000-8000-000000000000"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

#: Each list, and a place in it.
LISTS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "events": (events.listing, {"environment": "live", "after": (7,)}),
    "events of a status": (events.listing, {"environment": "live", "status": "applied", "after": (7,)}),
    "applicants": (applicants.listing, {"environment": "live", "after": (MOMENT, "idngo", "x")}),
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
