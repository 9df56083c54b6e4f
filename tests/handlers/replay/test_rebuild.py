"""Deriving every applicant anew: what is right is left alone, what is not is named, and repaired when asked to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from handlers import process
from handlers.cli.repair import rebuild as rebuild_command
from store import database
from store.applicants import feed
from store.applicants import table as applicants
from store.database.tables import ApplicantRow, Feed, TransitionRow
from store.inbox import claims
from store.inbox import record as inbox
from store.inbox.deliveries import Delivery
from store.text.states import ApplicantKey
from tests.conftest import forget
from tests.handlers.test_whole_path import delivery
from tests.support import payloads

pytestmark = pytest.mark.usefixtures("kept")

APPROVED, REJECTED, CASE = "a" * 24, "b" * 24, "case_1"


@pytest.fixture
def handled(kept: str) -> None:
    """An approval, a rejection and a case with a word that nobody knows, all handled."""
    for one in (
        delivery("idngo", payloads.idngo(APPROVED, answer="GREEN")),
        delivery("idngo", payloads.idngo(REJECTED, answer="RED", reject="FINAL", labels=["BLACKLIST"])),
        delivery("ifcgate", payloads.ifcgate(CASE, "cleared")),
    ):
        inbox.record(one)
    handle_all()


def handle_all() -> None:
    while process.handle_some(claims.new_holder()):
        pass


def rebuild(*options: str) -> Result:
    return CliRunner().invoke(rebuild_command.rebuild, [*options], catch_exceptions=False)


def found(*options: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status, and the differences."""
    result = rebuild("--json", *options)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def tamper(reference: str, **values: Any) -> None:
    with database.begin() as connection:
        connection.execute(update(ApplicantRow).where(ApplicantRow.reference == reference).values(**values))


def state(reference: str, vendor: str = "idngo") -> applicants.Applicant | None:
    with database.reading() as connection:
        return applicants.find(connection, ApplicantKey(vendor, "live", reference))


def changes_told() -> int:
    with database.reading() as connection:
        return connection.execute(select(Feed.last)).scalar_one()


def everything() -> list[Any]:
    """All rows that a rebuild might touch."""
    with database.reading() as connection:
        return [
            list(connection.execute(select(table).order_by(*table.primary_key)))
            for table in (ApplicantRow.__table__, TransitionRow.__table__)
        ]


def test_what_is_right_is_left_alone(handled: None) -> None:
    before = everything()
    assert found() == (0, [])
    assert found("--apply", "--yes") == (0, [])
    assert everything() == before


def test_what_was_tampered_with_is_named_and_not_repaired_by_a_check(handled: None) -> None:
    tamper(REJECTED, status="approved", hits=[])
    status, differences = found()
    assert (status, [(one["reference"], one["from"], one["to"]) for one in differences]) == (1, [(REJECTED, "approved", "rejected")])
    assert (differences[0]["shown"]["hits"], differences[0]["derived"]["hits"]) == ([], ["blacklist"])
    tampered = state(REJECTED)
    assert tampered is not None
    assert tampered.status == "approved"


def test_a_restricted_applicant_is_counted_and_named_to_privacy_officers_alone(handled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(REJECTED, status="approved", restricted=True)
    assert (REJECTED in rebuild().output, "approved → rejected" in rebuild().output, found()) == (False, True, (1, []))
    monkeypatch.setenv("PRIVACY_TOKENS", "officer=protect-me-if-you-may")
    monkeypatch.setenv("STANDING_TOKEN", "protect-me-if-you-may")
    assert [one["reference"] for one in found()[1]] == [REJECTED]


def test_a_repairing_is_told_in_the_feed_once_and_touches_nobody_else(handled: None) -> None:
    tamper(REJECTED, status="approved")
    before, other = changes_told(), state(APPROVED)
    assert found("--apply", "--yes")[0] == 0
    repaired = state(REJECTED)
    assert repaired is not None
    assert (repaired.status, repaired.version, changes_told()) == ("rejected", 2, before + 1)
    assert state(APPROVED) == other
    with database.reading() as connection:
        (last,) = feed.after(connection, before, environment="live", limit=10)
    assert (last.reference, last.from_status, last.to_status, last.event_id) == (REJECTED, "approved", "rejected", None)
    assert found() == (0, [])


def test_more_changes_than_allowed_are_refused_whole(handled: None) -> None:
    tamper(REJECTED, status="approved")
    tamper(APPROVED, status="rejected")
    before = everything()
    result = rebuild("--apply", "--yes", "--max-changes", "1")
    assert result.exit_code == 1
    assert "Nothing was repaired: 2 applicants to repair" in result.stderr
    assert everything() == before
    assert rebuild("--apply", "--yes", "--max-changes", "2").exit_code == 0


def test_after_a_changed_mapping_the_check_says_who_would_change_and_how_many_approvals_rise(
    handled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFCGATE_STATUSES", "cleared:approved")
    forget()
    result = rebuild()
    assert result.exit_code == 1
    assert "1  needs_review → approved" in result.stdout
    assert "0 approvals would fall, 1 would rise." in result.stdout
    rebuild("--apply", "--yes")
    repaired = state(CASE, "ifcgate")
    assert repaired is not None
    assert (repaired.status, repaired.ever_approved) == ("approved", True)


def test_an_event_that_waits_is_no_difference(handled: None) -> None:
    inbox.record(Delivery(vendor="idngo", environment="live", headers={}, body=b"{}", identity=b"waits"))
    assert found() == (0, [])
