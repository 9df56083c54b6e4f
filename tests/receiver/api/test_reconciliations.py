"""Asking the vendors over HTTP: a worker does it in the name of the person who asks, and what it finds can be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.pool import NullPool

from receiver.simulator.vendor_server import Vendors
from store.database.vendor_tables import Reconciliation, ReconciliationFinding
from store.system import clock
from tests.receiver.connections.test_strangers import OPERATOR, READER
from tests.support import payloads
from tests.support.privacy.calls import OFFICER, erased, restricted, send
from tests.support.service import Answer, Service, eventually
from tests.support.vendors import asking as asking_vendors
from tests.support.vendors import played
from tests.support.vendors.asking import BEFORE, CREDENTIALS, LATER, play


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    with played.playing(CREDENTIALS) as playing:
        yield playing


@pytest.fixture
def asking(vendors: Vendors, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    with asking_vendors.service(vendors, database_url, redis_url, tmp_path) as service:
        yield service


def wants(service: Service, vendor: str = "idngo", *, token: str = OPERATOR, **more: Any) -> Answer:
    return send(service, "/v1/reconciliations", token=token, vendor=vendor, **{"reason": "the outage of Tuesday"} | more)


def last_run(service: Service, vendor: str = "idngo", **query: str) -> dict[str, Any]:
    [found] = [one for one in service.get("/v1/reconciliations", token=READER, **query).json["data"] if one["vendor"] == vendor]
    return dict(found)


def ended(service: Service, vendor: str = "idngo") -> dict[str, Any]:
    """The run that was asked for, once it has ended."""
    return eventually(lambda: (one := last_run(service, vendor))["state"] == "ended" and one, "the run to end", seconds=40)


def findings(service: Service, vendor: str = "idngo", *, token: str = READER, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get(f"/v1/reconciliations/{vendor}/findings", token=token, **query).json["data"]
    return found


def drifting(service: Service, vendors: Vendors, *, count: int = 1) -> list[str]:
    """Applicants approved here and rejected there."""
    some = sorted(payloads.new_applicant() for _ in range(count))
    for one in some:
        service.told("idngo", payloads.idngo(one, answer="GREEN"))
        play(vendors, f"idngo/{one}", status="RED:FINAL", at=LATER)
    return some


def acts(service: Service) -> list[tuple[str, str, str, str | None]]:
    listed = service.get("/v1/audit", token=OPERATOR).json["data"]
    return [(act["actor"], act["action"], act["subject"], act["reason"]) for act in listed]


def test_what_drifts_is_found_and_shown_and_nothing_is_changed(asking: Service, vendors: Vendors) -> None:
    [who] = drifting(asking, vendors)
    fine = payloads.new_applicant()
    asking.told("idngo", payloads.idngo(fine, answer="GREEN"))
    play(vendors, f"idngo/{fine}", status="GREEN", at=BEFORE)
    assert asking.get("/v1/reconciliations", token=READER).json["data"] == []
    asked = wants(asking)
    assert (asked.status, asked.json["state"], asked.json["wanted"]["by"]) == (202, "requested", "night")
    assert wants(asking).status == 409
    run = ended(asking)
    assert {name: run[name] for name in ("asked", "drifted", "repaired", "said", "actor", "repairs", "wanted")} == {
        "asked": 2, "drifted": 1, "repaired": 0, "said": None, "actor": "night", "repairs": False, "wanted": None,
    }  # fmt: skip
    [found] = findings(asking)
    assert {name: found[name] for name in ("reference", "ours", "theirs", "theirs_since", "drifts", "repair", "event_id")} == {
        "reference": who, "ours": "approved", "theirs": "rejected", "theirs_since": LATER, "drifts": True, "repair": "rejected",
        "event_id": None,
    }  # fmt: skip
    assert asking.applicant("idngo", who)["status"] == "approved"
    assert acts(asking) == [("night", "ask for a reconciliation", "idngo live", "the outage of Tuesday")]


def test_what_drifts_is_repaired_in_the_name_of_who_asked_up_to_a_number(asking: Service, vendors: Vendors) -> None:
    drifting(asking, vendors, count=3)
    assert wants(asking, repair=True, max_changes=2).status == 202
    run = ended(asking)
    assert (run["drifted"], run["repaired"], run["repairs"], run["said"]) == (3, 2, True, "more than 2 applicants would be changed")
    repaired = [one["event_id"] for one in findings(asking) if one["event_id"]]
    assert len(repaired) == 2
    for event_id in repaired:
        asking.settled(event_id)
    assert ("night", "reconcile", "idngo live", "the outage of Tuesday") in acts(asking)
    assert wants(asking, repair=True).status == 202
    eventually(lambda: last_run(asking)["repaired"] == 1 and last_run(asking)["state"] == "ended", "the rest", seconds=40)
    assert len(findings(asking)) == 1, "those of the last run alone"


def test_a_run_is_about_those_that_it_names(asking: Service, vendors: Vendors) -> None:
    some = drifting(asking, vendors, count=3)
    assert wants(asking, references=some[:2]).json["wanted"]["references"] == 2
    assert (ended(asking)["asked"], [one["reference"] for one in findings(asking)]) == (2, some[:2])
    page = asking.get("/v1/reconciliations/idngo/findings", token=READER, limit=1).json
    assert ([one["reference"] for one in page["data"]], page["has_more"]) == (some[:1], True)
    assert [one["reference"] for one in findings(asking, cursor=page["next_cursor"])] == some[1:2]


def test_a_command_without_names_leaves_its_findings_too(asking: Service, vendors: Vendors) -> None:
    [who] = drifting(asking, vendors)
    asking.standing("reconcile", "idngo", who)
    assert findings(asking) == []
    asking.standing("reconcile", "idngo", "--all")
    assert [one["reference"] for one in findings(asking)] == [who]
    assert last_run(asking)["actor"] is None


def test_findings_hold_no_erased_applicant_and_show_restricted_ones_to_privacy_officers(asking: Service, vendors: Vendors) -> None:
    gone, hidden, seen = drifting(asking, vendors, count=3)
    wants(asking)
    ended(asking)
    restricted(asking, vendor="idngo", reference=hidden)
    erased(asking, vendor="idngo", reference=gone)
    assert [one["reference"] for one in findings(asking)] == [seen]
    assert [one["reference"] for one in findings(asking, token=OFFICER)] == sorted((hidden, seen))
    assert wants(asking, references=[gone, seen]).status == 202
    eventually(lambda: last_run(asking)["asked"] == 2 and last_run(asking)["state"] == "ended", "the run to end", seconds=40)
    engine = create_engine(asking.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        assert set(connection.execute(select(ReconciliationFinding.reference)).scalars()) == {seen}


def test_without_credentials_it_ends_and_says_so(service: Service) -> None:
    assert wants(service, "idenfy", environment="sandbox", repair=True, references=["a scan"]).status == 202
    assert last_run(service, "idenfy", environment="sandbox")["state"] == "requested"
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:  # As if it had been asked for a minute ago.
        wanted = connection.execute(select(Reconciliation.wanted)).scalar_one()
        before = clock.rfc3339(clock.now() - timedelta(minutes=1))
        connection.execute(update(Reconciliation).values(wanted=wanted | {"at": before}))
    run = eventually(lambda: (one := last_run(service, "idenfy", environment="sandbox"))["said"] and one, "it to be refused")
    assert (run["state"], run["asked"], run["actor"]) == ("ended", 0, "night")
    assert run["said"] == "no worker has the credentials of this vendor's API for this environment (docs/settings.md)"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"vendor": "nobody"}, 400), ({"reason": " "}, 400), ({"reason": None}, 400), ({"max_changes": -1}, 400),
        ({"references": [""]}, 400), ({"references": ["x" * 201]}, 400), ({"references": ["x"] * 101}, 400),
        ({"references": ["x"], "since": "2026-05-04T09:30:00Z"}, 400), ({"token": READER}, 403), ({"token": OFFICER}, 403),
    ],
)  # fmt: skip
def test_a_wrong_request_asks_nobody(running: Service, wrong: dict[str, Any], status: int) -> None:
    assert wants(running, **wrong).status == status
    assert running.get("/v1/reconciliations", token=READER).json["data"] == []


def test_a_run_that_names_an_erased_applicant_and_has_not_begun_is_forgotten(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    assert wants(service, references=[who]).status == 202
    erased(service, vendor="idngo", reference=who)
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(select(Reconciliation.wanted)).scalar_one() is None
    assert service.get("/v1/reconciliations", token=READER).json["data"] == []
