"""The whole service at a glance over HTTP: what is said of it, and that no person is named."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import delete, text

from store import database
from store.applicants import daily_counts
from store.database.count_tables import DailyCount
from store.operations import anomalies
from tests.journeys.oncall.test_watching import came
from tests.support import payloads
from tests.support.outages.databases import unwritable
from tests.support.payloads import after
from tests.support.privacy.personal_data import known, see
from tests.support.service import Service, eventually

#: A call is answered within 2 seconds; the rest is room for a busy machine.
SECONDS_MAX = 4.0


def test_the_status_over_http_is_that_of_the_command(running: Service) -> None:
    running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))

    def told() -> list[dict[str, Any]] | None:
        # Web processes add their counts within seconds, and a status is remembered for a few.
        data: list[dict[str, Any]] = running.get("/v1/status").json["data"]
        return data if any(one["about"] == "idngo" and "last delivery" in one["says"] for one in data) else None

    over_http = eventually(told, "the status to show a delivery")
    by_command = [json.loads(line) for line in running.standing("status", "--json").stdout.splitlines()]
    assert {one["about"] for one in over_http} == {one["about"] for one in by_command}
    assert (over_http[0]["about"], over_http[0]["verdict"]) == ("database", "ok")


def test_the_status_of_the_sandbox_is_its_own(service: Service) -> None:
    told = service.get("/v1/status", environment="sandbox").json["data"]
    # Only this vendor has a secret for the sandbox.
    assert {one["about"] for one in told} & {"idngo", "ifcgate", "idenfy"} == {"idngo"}


@pytest.mark.alone
def test_a_database_that_takes_no_write_is_reported_in_time(service: Service) -> None:
    def said() -> dict[str, Any] | None:
        began = time.monotonic()
        answer = service.get("/v1/status")
        assert (answer.status, time.monotonic() - began < SECONDS_MAX) == (200, True)
        first: dict[str, Any] = answer.json["data"][0]
        return first if first["verdict"] == "wrong" else None

    with unwritable(service.environment["DATABASE_URL"]):
        line = eventually(said, "the outage to be reported")
    assert (line["about"], line["look"]) == ("database", "standing doctor")


def test_each_vendor_is_told_with_its_pace_its_refusals_and_its_secrets(running: Service) -> None:
    running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    assert running.deliver("idngo", payloads.idngo(payloads.new_applicant()), secret="not its secret").status == 401

    def told() -> dict[str, Any] | None:
        data = {one["vendor"]: one for one in running.get("/v1/vendors").json["data"]}
        return data["idngo"] if data["idngo"]["last_hour"] and data["idngo"]["refusals"] else None

    found = eventually(told, "the counts of the delivery and of the refusal")
    assert (found["configured"], found["silent"], found["usual_hour"]) == (True, False, None)
    assert found["last_delivery_at"] is not None
    assert "forged" in {one["cause"] for one in found["refusals"]}
    [secret] = [one for one in found["secrets"] if one["newest"]]
    assert (secret["says"], secret["matches"] > 0) == ("in use", True)


def test_the_usual_pace_is_the_median_of_the_same_hour_on_the_days_before(kept: str) -> None:
    for ago, count in ((0, 7), (1, 2), (2, 40), (3, 6)):
        came("idngo", ago=timedelta(days=ago, minutes=10), count=count)
    came("idngo", ago=timedelta(days=1, hours=2), count=900)
    pace = see(anomalies.paces, environment="live")["idngo"]
    assert (pace.last_hour, pace.usual_hour) == (7, 6)
    assert see(anomalies.paces, environment="sandbox") == {}


def today_of(service: Service) -> dict[str, Any]:
    """What is counted of IDnGO's live deliveries today."""
    data = service.get("/v1/overview", days=1).json["days"]
    return next((one for one in data if one["vendor"] == "idngo"), {})


def test_deliveries_verdicts_and_reversals_are_counted_by_day(running: Service) -> None:
    before = today_of(running)
    who = payloads.new_applicant()
    approval = payloads.idngo(who, answer="GREEN")
    running.told("idngo", approval)
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
    assert running.deliver("idngo", approval).json["status"] == "duplicate"
    wanted = {"deliveries": 2, "duplicates": 1, "approved": 1, "rejected": 1, "adverse": 1, "favourable": 0}

    def counted() -> bool:
        # Other tests of this service may send more.
        now = today_of(running)
        return all(now.get(name, 0) - before.get(name, 0) >= count for name, count in wanted.items())

    assert eventually(counted, "the counts of two deliveries and a duplicate")


def test_what_waits_is_counted(running: Service) -> None:
    before = running.get("/v1/overview").json["waiting"]
    running.told("idenfy", payloads.idenfy(payloads.new_scan(), "SUSPECTED"))
    eventually(lambda: running.get("/v1/overview").json["waiting"]["needs_review"] > before["needs_review"], "one more in doubt")


def test_the_migration_counts_what_is_kept_already(kept: str) -> None:
    known("x", last_event=datetime(2026, 3, 31, 23, 30, tzinfo=UTC))
    database.write(lambda connection: connection.execute(delete(DailyCount)))
    migration = import_module("store.database.migrations.versions.0022_configured_secrets")
    day = migration.DAYS["sqlite" if database.is_sqlite() else "postgresql"]
    for query in migration.KEPT:
        statement = text(f"INSERT INTO daily_counts {query.format(received_at=day.format('received_at'), at=day.format('at'))}")
        database.write(lambda connection, statement=statement: connection.execute(statement))
    [told] = see(daily_counts.listing, environment="live", since=date(2026, 3, 31))
    assert (told["day"], told["deliveries"]) == ("2026-03-31", 1)
