"""At three in the morning: what waits for a person, which approvals turned, what failed, and who did what, by command and over HTTP."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR, READER
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service, eventually


@dataclass
class Night:
    """A service on which things went wrong, one of each kind."""

    service: Service
    fallen: str
    reinstated: str
    doubtful: str
    unreadable: str
    failed: str

    def lines(self, *command: str, status: int = 0) -> list[dict[str, Any]]:
        """What a command prints as JSON lines."""
        done = self.service.standing(*command, "--json")
        assert done.returncode == status, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def night(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Night]:
    faults = tmp_path / "faults"
    faults.mkdir()
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ENCRYPTION_KEYS": KEY,
        "FAULTS_DIR": str(faults),
        "ATTEMPTS_MAX": "1",
    }
    with Service(tmp_path, settings) as service:
        fallen, reinstated, doubtful = payloads.new_applicant(), payloads.new_applicant(), payloads.new_scan()
        for who in (fallen, reinstated):
            service.told("idngo", payloads.idngo(who, answer="GREEN"))
            service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
        service.told("idngo", payloads.idngo(reinstated, answer="GREEN", at=after(minutes=2)))
        service.told("idenfy", payloads.idenfy(doubtful, "SUSPECTED"))
        unreadable = service.told("idngo", {"applicantId": payloads.new_applicant()})["id"]
        poison = json.dumps(payloads.idngo(payloads.new_applicant(), answer="GREEN", fullName="Maria Beispiel")).encode()
        (faults / f"interpret.{hashlib.sha256(poison).hexdigest()}").write_text("raise")
        failed = service.deliver("idngo", poison).json["event_id"]
        eventually(lambda: service.get(f"/v1/events/{failed}").json["status"] == "failed", "the event to fail")
        yield Night(service, fallen, reinstated, doubtful, unreadable, failed)


def test_what_waits_for_a_person_is_one_list_with_the_oldest_first(night: Night) -> None:
    found = night.lines("review")
    assert [(row["what"], row["status"]) for row in found] == [
        ("applicant", "needs_review"),
        ("event", "unreadable"),
        ("event", "failed"),
    ]
    assert [row["since"] for row in found] == sorted(row["since"] for row in found)
    assert (found[0]["reference"], found[1]["event_id"], found[2]["event_id"]) == (night.doubtful, night.unreadable, night.failed)
    assert night.service.get("/v1/review").json["data"] == found
    page, walked = night.service.get("/v1/review", limit=1).json, []
    while True:
        walked += page["data"]
        if page["next_cursor"] is None:
            break
        page = night.service.get("/v1/review", limit=1, cursor=page["next_cursor"]).json
    assert walked == found
    assert night.lines("review", "--sandbox") == []


def test_an_applicant_waits_since_it_came_to_be_in_doubt_and_not_since_its_last_change(night: Night) -> None:
    since = night.lines("review")[0]["since"]
    night.service.told("idenfy", payloads.idenfy(night.doubtful, "SUSPECTED", tags=["FACE_SUSPECTED"]))
    assert night.lines("review")[0]["since"] == since


def test_approvals_that_turned_are_listed_adverse_ones_by_default(night: Night) -> None:
    adverse = night.lines("reversals")
    assert [(row["reference"], row["reversal"], row["to"]) for row in adverse] == [
        (night.fallen, "adverse", "rejected"),
        (night.reinstated, "adverse", "rejected"),
    ]
    assert [row["reversal"] for row in night.lines("reversals", "--kind", "reinstated")] == ["reinstated"]
    assert [row["reversal"] for row in night.lines("reversals", "--kind", "all")] == ["adverse", "adverse", "reinstated"]
    assert night.lines("reversals", "--since", "2099-01-01T00:00:00Z") == []
    assert night.service.get("/v1/reversals").json["data"] == adverse
    [again] = night.service.get("/v1/reversals", kind="reinstated").json["data"]
    assert again["reference"] == night.reinstated


def test_lists_come_as_csv_that_no_spreadsheet_runs(night: Night) -> None:
    done = night.service.standing("reversals", "--csv")
    head, *rows = list(csv.reader(done.stdout.splitlines()))
    assert head[:3] == ["at", "vendor", "reference"]
    assert [row[2] for row in rows] == [night.fallen, night.reinstated]
    evil = "=HYPERLINK(1)"
    night.service.told("idngo", payloads.idngo(evil, answer="GREEN"))
    night.service.told("idngo", payloads.idngo(evil, answer="RED", reject="FINAL", at=after(minutes=1)))
    assert [row[2] for row in csv.reader(night.service.standing("reversals", "--csv").stdout.splitlines())][-1] == f"'{evil}"


def test_dead_letters_are_grouped_by_what_went_wrong_with_an_example(night: Night) -> None:
    [group] = night.lines("failed", "list")
    assert (group["count"], group["vendor"], group["example"]) == (1, "idngo", night.failed)
    assert "Armed" in group["reason"]
    assert group["first_seen"] == group["last_seen"]
    assert night.service.get("/v1/failed").json["data"] == [group]


def test_a_body_is_shown_masked_and_revealed_only_with_a_reason_which_is_recorded(night: Night) -> None:
    masked = night.service.standing("failed", "show", night.failed).stdout
    assert '"reviewAnswer": "GREEN"' in masked
    assert "Maria" not in masked
    assert night.service.standing("failed", "show", night.failed, "--reveal").returncode == 2
    revealed = night.service.standing("failed", "show", night.failed, "--reveal", "--reason", "ticket 7").stdout
    assert "Maria Beispiel" in revealed
    night.service.get(f"/v1/events/{night.failed}/body", token=OPERATOR)
    acts = night.lines("audit", "list")
    assert [(act["action"], act["reason"]) for act in acts] == [
        ("read a body", None),
        ("revealed a body", "ticket 7"),
        ("read a body, masked", None),
    ]
    assert {act["subject"] for act in acts} == {f"event {night.failed}"}
    assert night.service.get("/v1/audit", token=OPERATOR).json["data"] == acts[::-1]
    assert night.service.get("/v1/audit", token=OPERATOR, actor="night").json["data"] == acts[:1]
    assert night.service.get("/v1/audit", token=READER).status == 403


def test_a_table_is_what_a_person_gets(night: Night) -> None:
    for command in (["review"], ["reversals"], ["failed", "list"], ["audit", "list"]):
        done = night.service.standing(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert night.doubtful in night.service.standing("review").stdout
