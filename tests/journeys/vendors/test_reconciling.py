"""Webhooks get lost before they reach us: the vendors are asked what is true, and what drifts is told, and repaired by the same rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, restricted
from tests.support.service import Service, end, eventually
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


def reconcile(service: Service, *arguments: str, status: int = 0) -> dict[str, dict[str, Any]]:
    """What a run tells, by reference."""
    done = service.standing("reconcile", *arguments, "--json")
    assert done.returncode == status, (done.stdout, done.stderr)
    return {found["reference"]: found for found in map(json.loads, done.stdout.splitlines())}


def test_a_verdict_that_got_lost_is_found_repaired_explained_and_outvoted_by_newer_news(asking: Service, vendors: Vendors) -> None:
    who, fine = payloads.new_applicant(), payloads.new_applicant()
    for one in (who, fine):
        asking.told("idngo", payloads.idngo(one, answer="GREEN"))
        play(vendors, f"idngo/{one}", status="GREEN", at=BEFORE)
    play(vendors, f"idngo/{who}", status="RED:FINAL", at=LATER)
    found = reconcile(asking, "idngo", "--all", status=1)
    assert list(found) == [who]
    drift = {name: found[who][name] for name in ("ours", "theirs", "theirs_since", "repair", "event_id")}
    assert drift == {
        "ours": "approved", "theirs": "rejected", "theirs_since": LATER, "repair": "rejected", "event_id": None,
    }  # fmt: skip
    assert asking.applicant("idngo", who)["status"] == "approved"
    assert "--reason" in asking.standing("reconcile", "idngo", who, "--repair").stderr
    repaired = reconcile(asking, "idngo", "--all", "--repair", "--yes", "--reason", "outage of Tuesday")[who]
    assert repaired["says"] == "asked, IDnGO says completed, RED:FINAL: rejected"
    event = asking.get(f"/v1/events/{repaired['event_id']}").json
    assert (event["event_type"], event["status"]) == ("standing.read", "applied")
    # The question that found it has a trace of its own, which the event belongs to.
    traces = [str(one["traceparent"])[3:35] for one in played.seen(vendors, "idngo")["requests"]]
    assert traces.count(event["trace_id"]) >= 1
    assert asking.history("idngo", who)[-1]["reversal"] == "adverse"
    assert asking.applicant("idngo", who)["as_of"] == LATER
    assert reconcile(asking, "idngo", "--all") == {}
    [act] = [act for act in asking.get("/v1/audit", token=OPERATOR).json["data"] if act["action"] == "reconcile"]
    assert (act["reason"], act["touched"]) == ("outage of Tuesday", 1)
    asking.told("idngo", payloads.idngo(who, answer="GREEN", at=after(hours=2)))
    assert asking.applicant("idngo", who)["status"] == "approved"
    drift = reconcile(asking, "idngo", who, status=1)[who]
    assert (drift["repair"], drift["says"].endswith("but newer news is known")) == (None, True)
    assert asking.standing("rebuild").returncode == 0
    assert "the secret of" not in asking.logged()


def test_without_a_clock_an_answer_takes_its_place_before_whatever_comes_after_the_question(asking: Service, vendors: Vendors) -> None:
    fallen, doubtful, open_one = payloads.new_scan(), payloads.new_scan(), payloads.new_scan()
    for one in (fallen, doubtful):
        asking.told("idenfy", payloads.idenfy(one, "APPROVED"))
    asking.told("idenfy", payloads.idenfy(open_one, "DENIED"))
    play(vendors, f"idenfy/{fallen}", status="DENIED")
    play(vendors, f"idenfy/{doubtful}", status="SUSPECTED")
    play(vendors, f"idenfy/{open_one}", status="APPROVED", says={"manualFace": "FACE_MISMATCH"})
    found = reconcile(asking, "idenfy", "--all", "--repair", "--yes", "--reason", "look", status=1)
    theirs = {reference: one["theirs"] for reference, one in found.items()}
    assert theirs == {fallen: "rejected", doubtful: "needs_review", open_one: None}
    assert [asking.applicant("idenfy", one)["status"] for one in (fallen, doubtful, open_one)] == ["rejected", "needs_review", "rejected"]
    # Found right by persons, and nothing named: now it counts.
    play(vendors, f"idenfy/{open_one}", status="APPROVED", says={"manualFace": "FACE_MATCH", "manualDocument": "DOC_VALIDATED"})
    assert list(reconcile(asking, "idenfy", "--all", "--repair", "--yes", "--reason", "look")) == [open_one]
    assert asking.applicant("idenfy", open_one)["status"] == "approved"
    asking.told("idenfy", payloads.idenfy(open_one, "DENIED", tags=["FACE_BLACKLISTED"]))
    assert asking.applicant("idenfy", open_one)["status"] == "rejected"
    assert asking.standing("rebuild").returncode == 0


def test_an_approval_that_is_read_without_a_time_undoes_neither_doubt_nor_decision(asking: Service, vendors: Vendors) -> None:
    hit, doubted, decided, lost = (payloads.new_scan() for _ in range(4))
    asking.told("idenfy", payloads.idenfy(hit, "DENIED", tags=["FACE_BLACKLISTED"]))
    asking.told("idenfy", payloads.idenfy(doubted, "APPROVED", AML=[{"status": {"checkSuccessful": False}}]))
    for one in (decided, lost):
        asking.told("idenfy", payloads.idenfy(one, "APPROVED", final=False))
    assert asking.standing("decide", "idenfy", decided, "reject", "--reason", "fraud", "--yes").returncode == 0
    for one in (hit, doubted, decided, lost):
        play(vendors, f"idenfy/{one}", status="APPROVED")
    found = reconcile(asking, "idenfy", "--all", "--repair", "--yes", "--reason", "look", status=1)
    assert {reference: bool(one["event_id"]) for reference, one in found.items()} == {
        hit: False,
        doubted: False,
        decided: False,
        lost: True,
    }
    assert [asking.applicant("idenfy", one)["status"] for one in (hit, doubted, decided, lost)] == [
        "rejected", "needs_review", "rejected", "approved",
    ]  # fmt: skip


def test_what_is_not_clear_is_told(asking: Service, vendors: Vendors) -> None:
    approved, reviewed = payloads.new_scan(), payloads.new_scan()
    asking.told("idenfy", payloads.idenfy(approved, "APPROVED"))
    asking.told("idenfy", payloads.idenfy(reviewed, "REVIEWING", final=False))
    for one in (approved, reviewed):
        play(vendors, f"idenfy/{one}", status="REVIEWING")
    assert list(reconcile(asking, "idenfy", "--all", status=1)) == [approved]
    assert "knows no such applicant" in reconcile(asking, "idenfy", "nobody", status=1)["nobody"]["says"]


def test_ifcgates_list_finds_cases_of_which_nobody_told_us(asking: Service, vendors: Vendors) -> None:
    known, changed, unheard = (payloads.new_case() for _ in range(3))
    for one in (known, changed):
        asking.told("ifcgate", payloads.ifcgate(one, "approved"))
    play(vendors, f"ifcgate/{known}", status="approved", at=BEFORE)
    play(vendors, f"ifcgate/{changed}", status="rejected", at=LATER)
    play(vendors, f"ifcgate/{unheard}", status="in_review", at=LATER)
    asked = len(vendors.played["ifcgate"].asked)
    found = reconcile(asking, "ifcgate", "--since", "2026-04-01T00:00:00Z", "--repair", "--yes", "--reason", "outage")
    assert {reference: (one["ours"], one["theirs"]) for reference, one in found.items()} == {
        changed: ("approved", "rejected"), unheard: (None, "in_review"),
    }  # fmt: skip
    assert asking.applicant("ifcgate", unheard)["status"] == "in_review"
    assert len(vendors.played["ifcgate"].asked) - asked == 3, "the list, and those that differ from it"


@pytest.mark.parametrize("fault", ["nonsense", "unauthorized"])
def test_an_answer_that_is_not_understood_repairs_nothing_and_a_refusal_ends_the_run(asking: Service, vendors: Vendors, fault: str) -> None:
    some = [payloads.new_applicant() for _ in range(3)]
    for one in some:
        asking.told("idngo", payloads.idngo(one, answer="GREEN"))
        play(vendors, f"idngo/{one}", status="RED:FINAL", at=LATER)
    play(vendors, "idngo", fault=fault)
    asked = len(vendors.played["idngo"].asked)
    try:
        done = asking.standing("reconcile", "idngo", "--all", "--repair", "--yes", "--reason", "look")
    finally:
        play(vendors, "idngo", fault=None)
    assert done.returncode == 1
    assert [asking.applicant("idngo", one)["status"] for one in some] == ["approved"] * 3
    if fault == "unauthorized":
        assert len(vendors.played["idngo"].asked) - asked == 1
        assert "the credentials are refused" in done.stderr
    assert "the secret of" not in done.stdout + done.stderr


def test_a_run_stops_before_more_applicants_change_than_are_allowed(asking: Service, vendors: Vendors) -> None:
    some = sorted(payloads.new_applicant() for _ in range(3))
    for one in some:
        asking.told("idngo", payloads.idngo(one, answer="GREEN"))
        play(vendors, f"idngo/{one}", status="RED:FINAL", at=LATER)
    done = asking.standing("reconcile", "idngo", "--all", "--repair", "--yes", "--reason", "look", "--max-changes", "2")
    assert (done.returncode, "more than 2 applicants would be changed" in done.stderr) == (1, True)
    assert sorted(asking.applicant("idngo", one)["status"] for one in some) == ["approved", "rejected", "rejected"]


def test_an_answer_is_shown_on_demand_masked_and_not_kept(asking: Service, vendors: Vendors) -> None:
    who = payloads.new_scan()
    play(vendors, f"idenfy/{who}", status="APPROVED")
    before = len(asking.get("/v1/events").json["data"])
    shown = asking.standing("ask", "idenfy", who, "--data")
    assert (shown.returncode, "•••" in shown.stdout) == (0, True), shown.stderr
    assert asking.standing("ask", "idenfy", who, "--data", "--reveal").returncode == 2
    revealed = asking.standing("ask", "idenfy", who, "--data", "--reveal", "--reason", "a call from the bank")
    assert "•••" not in revealed.stdout
    assert len(asking.get("/v1/events").json["data"]) == before
    acts = [(act["action"], act["reason"]) for act in asking.get("/v1/audit", token=OPERATOR).json["data"]]
    assert ("asked a vendor for data, revealed", "a call from the bank") in acts


def test_an_applicant_is_found_by_an_id_of_ours(asking: Service, vendors: Vendors) -> None:
    who = payloads.new_applicant()
    play(vendors, f"idngo/{who}", status="GREEN", at=LATER, user="customer/7 ü")
    found = reconcile(asking, "idngo", "--user", "customer/7 ü", "--repair", "--yes", "--reason", "unheard of")
    assert (found[who]["ours"], found[who]["repair"]) == (None, "approved")
    assert asking.applicant("idngo", who)["external_user_id"] == "customer/7 ü"


def test_as_scheduled_one_of_the_workers_asks_and_repairs(vendors: Vendors, database_url: str, redis_url: str, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    vendors.played["idngo"].table.clear()
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings | CREDENTIALS | vendors.settings()) as service:
        service.told("idngo", payloads.idngo(who, answer="GREEN", at=after()))
        play(vendors, f"idngo/{who}", status="RED:FINAL", at=LATER)
        # The first round comes seconds after a worker starts, and the second after hours.
        end(service.processes.pop())
        service.environment |= {"RECONCILE_VENDORS": "idngo", "RECONCILE_REPAIR": "yes"}
        for _ in range(2):
            service.start_worker()
        eventually(lambda: service.applicant("idngo", who)["status"] == "rejected", "it to be asked and repaired")
        told = "asked about 1 in the last round, 1 drifted, 1 repaired"
        eventually(lambda: told in service.standing("status").stdout, "the round to end")
        [act] = [act for act in service.get("/v1/audit", token=OPERATOR).json["data"] if act["action"] == "reconcile"]
        assert act["actor"] == "standing"


def test_a_restricted_applicant_is_asked_about_and_listed_for_privacy_officers_alone(asking: Service, vendors: Vendors) -> None:
    who = payloads.new_applicant()
    asking.told("idngo", payloads.idngo(who, answer="GREEN"))
    play(vendors, f"idngo/{who}", status="RED:FINAL", at=LATER)
    restricted(asking, vendor="idngo", reference=who)
    asked = asking.standing("ask", "idngo", who)
    assert (asked.returncode, "is restricted" in asked.stderr) == (1, True)
    assert reconcile(asking, "idngo", "--all", status=1) == {}
    asking.environment["STANDING_TOKEN"] = OFFICER
    assert list(reconcile(asking, "idngo", "--all", status=1)) == [who]
    assert "RED" in asking.standing("ask", "idngo", who).stdout
