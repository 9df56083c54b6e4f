"""What an import keeps: one event a row, the same whenever the row comes, so that it can be interrupted and done again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from handlers.cli.transfer import import_check, importing
from handlers.cli.transfer.importing import Brought
from store import database
from store.access import audit, operators
from store.applicants import feed, links
from store.applicants import table as applicants
from store.database.tables import EventRow, TransitionRow
from store.inbox import events, imports, internal_events
from store.inbox.internal_events import ImportBody
from store.text.states import ApplicantKey, Outcome, Status

HEADER = "vendor,reference,status,at,source,external_user_id,reasons,hits\n"


def line(number: int, vendor: str = "idngo", status: str = "approved") -> str:
    return f"{vendor},ref-{number},{status},2025-01-02T03:04:05.5+02:00,old-crm,customer-{number},SANCTIONS,sanctions\n"


def bring(path: Path, content: str | None = None, *, environment: str = "live") -> Brought:
    """Check a file and keep what it says."""
    if content is not None:
        path.write_text(content)
    checked = import_check.check(path, source=None, on_rows=lambda _: None, on_wrong=lambda wrong: pytest.fail(str(wrong)))
    assert checked
    return importing.bring(checked, environment=environment, on_rows=lambda _: None)


def kept_events() -> list[Any]:
    with database.reading() as connection:
        return list(connection.execute(select(EventRow.__table__).order_by(EventRow.sequence)).all())


@pytest.mark.usefixtures("kept")
def test_a_row_becomes_an_event_that_says_what_the_row_says(tmp_path: Path) -> None:
    brought = bring(tmp_path / "a.csv", HEADER + line(1), environment="sandbox")
    assert (brought.rows, brought.new) == (1, 1)
    [event] = kept_events()
    assert (event.vendor, event.environment, event.status, event.deliveries, event.repeat) == ("idngo", "sandbox", "pending", 1, False)
    assert event.headers[internal_events.KIND_HEADER] == "import"
    with database.reading() as connection:
        body = msgspec.json.decode(events.body(connection, event.id) or b"", type=ImportBody)
    assert body == ImportBody(
        reference="ref-1",
        status=Status.APPROVED,
        at=datetime(2025, 1, 2, 1, 4, 5, 500_000, tzinfo=UTC),
        source="old-crm",
        external_user_id="customer-1",
        reasons=("SANCTIONS",),
        hits=("sanctions",),
    )


@pytest.mark.usefixtures("kept")
def test_its_time_places_it_before_whatever_a_vendor_said(tmp_path: Path) -> None:
    for rows in (line(1, "idenfy"), line(1, "ifcgate"), line(1, "idenfy").replace("2025", "2024")):
        bring(tmp_path / "a.csv", HEADER + rows)
    newer, clocked, older = (int(event.headers[internal_events.ORDER_HEADER]) for event in kept_events())
    assert older < newer == clocked < -(2**61)


@pytest.mark.usefixtures("kept")
def test_done_again_it_changes_nothing_and_counts_no_delivery(tmp_path: Path) -> None:
    bring(tmp_path / "a.csv", HEADER + line(1) + line(2))
    before = kept_events()
    again = bring(tmp_path / "a.csv")
    assert (again.rows, again.new, again.span) == (2, 0, None)
    assert kept_events() == before


@pytest.mark.usefixtures("kept")
def test_a_row_that_is_there_twice_is_one_event(tmp_path: Path) -> None:
    rows = [line(number) for number in range(import_check.AT_ONCE)]
    brought = bring(tmp_path / "a.csv", HEADER + line(1) + "".join(rows) + line(1))
    assert (brought.rows, brought.new) == (len(rows) + 2, len(rows))
    assert {event.deliveries for event in kept_events()} == {1}


@pytest.mark.usefixtures("kept")
def test_the_same_words_of_two_vendors_or_two_worlds_are_different_events(tmp_path: Path) -> None:
    assert bring(tmp_path / "a.csv", HEADER + line(1, "idngo") + line(1, "ifcgate")).new == 2
    assert bring(tmp_path / "a.csv", environment="sandbox").new == 2


@pytest.mark.usefixtures("kept")
def test_after_an_interruption_it_goes_on(tmp_path: Path) -> None:
    rows = [line(number) for number in range(import_check.AT_ONCE + 10)]
    (tmp_path / "a.csv").write_text(HEADER + "".join(rows))

    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    checked = import_check.check(tmp_path / "a.csv", source=None, on_rows=lambda _: None, on_wrong=lambda _: None)
    assert checked
    with pytest.raises(KeyboardInterrupt):
        importing.bring(checked, environment="live", on_rows=interrupt)
    assert len(kept_events()) == import_check.AT_ONCE
    brought = bring(tmp_path / "a.csv")
    assert (brought.rows, brought.new) == (len(rows), 10)
    assert len({event.id for event in kept_events()}) == len(rows)


@pytest.mark.usefixtures("kept")
def test_what_it_brought_is_told_from_what_came_meanwhile(tmp_path: Path) -> None:
    brought = bring(tmp_path / "a.csv", HEADER + line(1))
    with database.begin() as connection:
        internal_events.keep(connection, [internal_events.answered("idngo", "live", b"{}", receipt=0)])
    other = bring(tmp_path / "b.csv", HEADER + line(2))
    assert brought.span
    assert other.span
    span = imports.Span(first=brought.span.first, last=other.span.last)
    with database.reading() as connection:
        assert imports.pending(connection, brought.span) == 1
        assert imports.ended(connection, span) == [imports.Ended(outcome=Outcome.PENDING, events=2, applicants=0)]


@pytest.mark.usefixtures("kept")
def test_who_imported_is_recorded_once_for_each_run_that_changed_something(tmp_path: Path) -> None:
    for _ in range(2):
        bring(tmp_path / "known.csv", HEADER + line(1) + line(2))
    with database.reading() as connection:
        [act] = audit.listing(connection, limit=5)
    assert (act.actor, act.action, act.subject, act.touched) == (operators.account(), "import", "file known.csv", 2)


# links --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("kept")
def test_links_are_made_before_their_cases_are_known_and_made_once(tmp_path: Path) -> None:
    content = "case_id,external_user_id\n" + "".join(f"case-{number},customer-{number}\n" for number in range(30))
    assert bring(tmp_path / "links.csv", content).new == 30
    assert bring(tmp_path / "links.csv").new == 0
    key = ApplicantKey("ifcgate", "live", "case-7")
    with database.begin() as connection:
        assert applicants.lock(connection, [key])[key].linked_user_id == "customer-7"
        assert feed.last(connection) == 0


@pytest.mark.usefixtures("kept")
def test_links_of_known_cases_are_told_each_once(tmp_path: Path) -> None:
    keys = [ApplicantKey("ifcgate", "live", f"case-{number}") for number in range(3)]
    with database.begin() as connection:
        known = [msgspec.structs.replace(one, version=1) for one in applicants.lock(connection, keys).values()]
        applicants.save(connection, known)
        links.link(connection, keys[0], external_user_id="customer-0", by="linker", may_move=True)
    content = "".join(f'{{"case_id": "{key.reference}", "external_user_id": "customer-{key.reference[-1]}"}}\n' for key in keys)
    assert bring(tmp_path / "links.jsonl", content).new == 2
    with database.reading() as connection:
        told = connection.execute(select(TransitionRow.reference, TransitionRow.changed, TransitionRow.event_id)).all()
    assert sorted(map(tuple, told)) == [(key.reference, ["external_user_id"], None) for key in keys]


@pytest.mark.usefixtures("kept")
def test_of_two_users_of_a_case_the_last_counts(tmp_path: Path) -> None:
    bring(tmp_path / "links.csv", "case_id,external_user_id\ncase-1,customer-1\ncase-1,customer-2\n")
    key = ApplicantKey("ifcgate", "live", "case-1")
    with database.begin() as connection:
        assert applicants.lock(connection, [key])[key].external_user_id == "customer-2"
