"""Customers from before this service: an import says where they stood, so that what a vendor says of them next is known for what it is."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import payloads
from tests.support.payloads import BEGAN, after
from tests.support.service import Service

LONG_BEFORE = BEGAN - timedelta(days=365)


def imported(
    service: Service, folder: Path, vendor: str, reference: str, status: str, *, at: datetime = LONG_BEFORE, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Import one applicant, and wait until it is handled."""
    row = {"vendor": vendor, "reference": reference, "status": status, "at": at.isoformat(), "source": "old-crm"}
    file = folder / "known.jsonl"
    file.write_text(json.dumps(row | more))
    done = service.standing("import", "--yes", str(file))
    assert done.returncode == 0, done.stderr
    return done


def test_the_blacklisting_of_a_customer_from_before_is_an_adverse_reversal(running: Service, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    done = imported(running, tmp_path, "idngo", who, "approved", external_user_id="customer-from-before")
    assert done.stderr.splitlines()[-2:] == ["1 row: 1 new, 0 were known.", "1 applicant changed."]
    state = running.applicant("idngo", who)
    assert (state["status"], state["ever_approved"], state["external_user_id"]) == ("approved", True, "customer-from-before")
    event = running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["BLACKLIST"]))
    last = running.history("idngo", who)[-1]
    assert (last["from"], last["to"], last["reversal"], last["event_id"]) == ("approved", "rejected", "adverse", event["id"])
    assert running.applicant("idngo", who)["hits"] == ["blacklist"]


@pytest.mark.parametrize("vendor", ["ifcgate", "idenfy"])
def test_so_it_is_with_every_vendor(running: Service, tmp_path: Path, vendor: str) -> None:
    who = payloads.new_case() if vendor == "ifcgate" else payloads.new_scan()
    imported(running, tmp_path, vendor, who, "approved")
    running.told(vendor, payloads.ifcgate(who, "rejected") if vendor == "ifcgate" else payloads.idenfy(who, "DENIED"))
    assert [(change["to"], change["reversal"]) for change in running.history(vendor, who)] == [("approved", None), ("rejected", "adverse")]


def test_an_import_that_is_older_than_what_the_vendor_said_changes_no_status(running: Service, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"]))
    before = running.history("idngo", who)
    done = imported(running, tmp_path, "idngo", who, "approved")
    assert "0 applicants changed; 1 row is superseded." in done.stderr
    state = running.applicant("idngo", who)
    assert (state["status"], state["hits"]) == ("rejected", ["sanctions"])
    assert running.history("idngo", who) == before


def test_an_import_never_overrides_what_a_vendor_without_a_clock_said_before_it(running: Service, tmp_path: Path) -> None:
    who = payloads.new_scan()
    running.told("idenfy", payloads.idenfy(who, "DENIED"))
    imported(running, tmp_path, "idenfy", who, "approved", at=datetime.now(UTC) - timedelta(seconds=5))
    assert running.applicant("idenfy", who)["status"] == "rejected"
    assert [change["to"] for change in running.history("idenfy", who)] == ["rejected"]


def test_of_two_imports_the_later_time_counts_in_whatever_order_they_come(running: Service, tmp_path: Path) -> None:
    for vendor, who in (("idenfy", payloads.new_scan()), ("idngo", payloads.new_applicant())):
        imported(running, tmp_path, vendor, who, "approved", at=LONG_BEFORE)
        imported(running, tmp_path, vendor, who, "rejected", at=LONG_BEFORE - timedelta(days=1))
        assert running.applicant(vendor, who)["status"] == "approved"


def test_what_is_imported_into_the_sandbox_stays_there(running: Service, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    row = {"vendor": "idngo", "reference": who, "status": "approved", "at": LONG_BEFORE.isoformat()}
    (tmp_path / "known.jsonl").write_text(json.dumps(row))
    assert running.standing("import", str(tmp_path / "known.jsonl"), "--sandbox", "--source", "old-crm", "--yes").returncode == 0
    assert running.applicant("idngo", who, environment="sandbox")["status"] == "approved"
    assert running.get(f"/v1/applicants/idngo/{who}").status == 404


def test_it_is_explained_who_knew_it(running: Service, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    imported(running, tmp_path, "idngo", who, "rejected", reasons=["SANCTIONS"], hits=["sanctions"])
    running.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=1)))
    explained = running.standing("applicants", "explain", "idngo", who).stdout
    assert "old-crm" in explained
    assert [change["reversal"] for change in running.history("idngo", who)] == [None, "reinstated"]
