"""Documents that run out: the date alone is kept, where that is asked for; it is listed, told in the feed, and derived again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support import payloads
from tests.support.service import Service
from tests.support.vendors import asking, played
from tests.support.vendors.asking import BEFORE, CREDENTIALS

#: Once for all: midnight may come in the middle of a test.
TODAY = datetime.now(UTC)


def day(days: int) -> str:
    return f"{TODAY + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with played.playing(CREDENTIALS) as playing:
        yield playing


@pytest.fixture
def keeping(vendors: Vendors, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    with asking.service(vendors, database_url, redis_url, tmp_path, KEEP_EXPIRY="yes") as service:
        yield service


def approved(service: Service, expires_on: object) -> str:
    """A verification of iDenfy whose document says so."""
    scan = payloads.new_scan()
    service.told("idenfy", payloads.idenfy(scan, data={"docFirstName": "MARIA", "docExpiry": expires_on}))
    return scan


def listed(service: Service, within: str) -> set[str]:
    return {row["reference"] for row in service.get("/v1/applicants", expiring=within).json["data"]}


def test_the_date_is_kept_listed_and_told_in_the_feed(keeping: Service) -> None:
    soon, late, over, unknown = (approved(keeping, expires_on) for expires_on in (day(20), day(400), day(-1), "soon, MARIA"))
    assert keeping.applicant("idenfy", soon)["document_expires_on"] == day(20)
    assert keeping.applicant("idenfy", unknown)["document_expires_on"] is None
    assert listed(keeping, "30d") == {soon, over}
    assert listed(keeping, "500d") == {soon, over, late}
    lines = keeping.standing("applicants", "list", "--expiring", "30d", "--json").stdout.splitlines()
    assert {json.loads(line)["reference"] for line in lines} == {soon, over}
    assert f"document until {day(20)}" in keeping.standing("applicants", "list", "--expiring", "30d").stdout
    assert keeping.standing("applicants", "list", "--expiring", "soon").returncode == 2
    renewed = payloads.idenfy(soon, data={"docExpiry": day(900)})
    keeping.told("idenfy", renewed)
    change = keeping.history("idenfy", soon)[-1]
    assert (change["changed"], keeping.get("/v1/changes", limit=500).json["data"][-1]["applicant"]["document_expires_on"]) == (
        ["document_expires_on"], day(900),
    )  # fmt: skip
    assert listed(keeping, "30d") == {over}
    assert keeping.standing("rebuild").returncode == 0
    keeping.told("idenfy", payloads.idenfy(over, "DELETED"))
    assert keeping.applicant("idenfy", over)["document_expires_on"] is None


def test_what_idngos_api_tells_is_kept_when_it_is_asked(keeping: Service, vendors: Vendors) -> None:
    who = payloads.new_applicant()
    keeping.told("idngo", payloads.idngo(who, answer="GREEN"))
    documents = {"info": {"idDocs": [{"validUntil": day(90)}, {"validUntil": day(9)}, {"idDocType": "SELFIE"}]}}
    played.play(vendors, f"idngo/{who}", {"status": "GREEN", "at": BEFORE, "says": documents})
    played.play(vendors, f"idngo/{who}", {"status": "GREEN", "at": "2026-06-01T00:00:00Z", "says": documents})
    assert keeping.standing("reconcile", "idngo", "--all", "--repair", "--reason", "dates", "--yes").returncode == 0
    assert keeping.applicant("idngo", who)["document_expires_on"] == day(9)
    assert keeping.standing("reconcile", "idngo", "--all").returncode == 0


def test_no_date_is_kept_unless_that_is_asked_for(running: Service) -> None:
    scan = approved(running, day(20))
    assert running.applicant("idenfy", scan)["document_expires_on"] is None
    assert scan not in listed(running, "30d")
