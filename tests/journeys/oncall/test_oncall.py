"""At three in the morning: what waits for a person, which approvals turned, what failed, and who did what, by command and over HTTP."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pwd
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, insert, select, update
from sqlalchemy.pool import NullPool

from store.database.tables import ApplicantRow, EventRow, Feed, TransitionRow
from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR, OTHER_OPERATOR, READER
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
        "WEB_CONCURRENCY": "1",
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
        failed = service.kept("idngo", poison)
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
    assert ageless(night.service.get("/v1/review").json["data"]) == ageless(found)
    page, walked = night.service.get("/v1/review", limit=1).json, []
    while True:
        walked += page["data"]
        if page["next_cursor"] is None:
            break
        page = night.service.get("/v1/review", limit=1, cursor=page["next_cursor"]).json
    assert ageless(walked) == ageless(found)
    assert night.lines("review", "--sandbox") == []


def ageless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as they are told at any time: a minute may pass between two answers."""
    return [{name: value for name, value in row.items() if name != "waiting_minutes"} for row in rows]


def test_an_entry_is_claimed_by_one_person_and_given_back(night: Night) -> None:
    service, name = night.service, f"idenfy/{night.doubtful}"
    entry = quote(name, safe="")
    assert service.request("PUT", f"/v1/review/{entry}/claim", token=READER).status == 403
    claimed = service.request("PUT", f"/v1/review/{entry}/claim", token=OPERATOR)
    assert (claimed.status, claimed.json["claimed_by"], claimed.json["name"]) == (200, "night", name)
    assert service.request("PUT", f"/v1/review/{entry}/claim", token=OPERATOR).json == claimed.json
    taken = service.request("PUT", f"/v1/review/{entry}/claim", token=OTHER_OPERATOR)
    assert (taken.status, "claimed by night" in taken.json["detail"]) == (409, True)
    assert [row["claimed_by"] for row in night.lines("review")] == ["night", None, None]
    assert night.lines("review", "unclaim", name, "--yes")[0]["claimed_by"] is None
    assert service.request("DELETE", f"/v1/review/{entry}/claim", token=OPERATOR).status == 409
    assert night.lines("review", "claim", night.failed, "--yes")[0]["claimed_by"] == pwd.getpwuid(os.getuid()).pw_name
    for nobody in ("idngo/nobody", "7", "x", "%00"):
        path = f"/v1/review/{quote(nobody, safe='%')}/claim"
        assert service.request("PUT", path, token=OPERATOR).status == 404, nobody
    acts = [(act["actor"], act["action"], act["subject"]) for act in night.lines("audit", "list")][::-1]
    subject = f"idenfy live {night.doubtful}"
    assert acts[:3] == [("reader", "refused", subject), ("night", "claim", subject), (acts[2][0], "unclaim", subject)]
    assert acts[3][1:] == ("claim", f"event {night.failed}")


def test_a_claim_ends_with_what_was_claimed(night: Night) -> None:
    entry = quote(f"idenfy/{night.doubtful}", safe="")
    night.service.request("PUT", f"/v1/review/{entry}/claim", token=OPERATOR)
    night.service.told("idenfy", payloads.idenfy(night.doubtful, "APPROVED"))
    assert night.service.request("PUT", f"/v1/review/{entry}/claim", token=OPERATOR).status == 404
    night.service.told("idenfy", payloads.idenfy(night.doubtful, "SUSPECTED", tags=["FACE_SUSPECTED"]))
    assert [row["claimed_by"] for row in night.lines("review") if row["reference"] == night.doubtful] == [None]


def test_what_waits_is_told_in_minutes_by_its_age_and_exported_whole(night: Night, tmp_path: Path) -> None:
    engine = create_engine(night.service.environment["DATABASE_URL"], poolclass=NullPool)
    four_days_ago = datetime.now(UTC) - timedelta(days=4)
    with engine.begin() as connection:
        connection.execute(update(EventRow).where(EventRow.id == night.unreadable).values(received_at=four_days_ago))
        [event] = connection.execute(select(EventRow.__table__).where(EventRow.id == night.failed))
        own = [{"sequence": 10_000 + place, "id": str(uuid.uuid4()), "identity": place.to_bytes(32, "big")} for place in range(501)]
        more = [dict(event._mapping) | names for names in own]
        connection.execute(insert(EventRow), more)
    [old] = night.lines("review", "--older-than", "3d")
    assert (old["event_id"], old["waiting_minutes"] // 60 // 24) == (night.unreadable, 4)
    assert ageless(night.service.get("/v1/review", older_than="3d").json["data"]) == ageless([old])
    assert night.service.get("/v1/review", older_than="3 days").status == 400
    assert night.service.standing("review", "--older-than", "3").returncode == 2
    assert night.lines("review", "--older-than", "5d") == []
    done = night.service.standing("export", "review", "--format", "csv", "-o", str(tmp_path / "review.csv"))
    head, *rows = list(csv.reader((tmp_path / "review.csv").read_text().splitlines()))
    assert (done.returncode, len(rows), head[:3]) == (0, 504, ["since", "waiting_minutes", "claimed_by"])
    assert rows[0][head.index("event_id")] == night.unreadable
    act = night.lines("audit", "list")[0]
    assert (act["action"], act["subject"], act["touched"]) == ("export", "review, live", 504)


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


def test_fallen_approvals_are_a_list_to_work_with(night: Night) -> None:
    case = payloads.new_case()
    eventually(lambda: "log" in night.service.subscribers(), "the log to follow the feed")
    night.service.told("ifcgate", payloads.ifcgate(case))
    night.service.told("ifcgate", payloads.ifcgate(case, "rejected", at=after(minutes=1)))

    def told() -> list[dict[str, Any]] | None:
        found = night.lines("reversals", "--current")
        return found if found[-1]["told"] and {one["status"] for row in found for one in row["told"]} == {"done"} else None

    rows = eventually(told, "the log to be told")
    assert [(row["reference"], row["status"], row["reinstated"], row["reason"]) for row in rows] == [
        (night.fallen, "rejected", False, "on a sanctions list"),
        (night.reinstated, "approved", True, "on a sanctions list"),
        (case, "rejected", False, rows[2]["reason"]),
    ]
    assert "ifcgate gives no reason" in rows[2]["reason"]
    assert [row["external_user_id"] for row in rows] == [f"customer-{night.fallen[:6]}", f"customer-{night.reinstated[:6]}", None]
    history = night.service.history("idngo", night.reinstated)
    assert (rows[1]["fell_at"], rows[1]["since"]) == (history[1]["at"], history[2]["at"])
    assert night.service.get("/v1/reversals/current").json["data"] == rows
    assert night.lines("reversals", "--current", "--since", "2099-01-01") == []
    again = night.lines("reversals", "--current", "--kind", "reinstated")
    assert [one["reference"] for one in again] == [night.reinstated]
    assert night.lines("reversals", "--current", "--sandbox") == []


def test_a_fallen_approval_says_who_was_told_and_when(night: Night) -> None:
    eventually(lambda: "log" in night.service.subscribers(), "the log to follow the feed")
    who = payloads.new_applicant()
    night.service.told("idngo", payloads.idngo(who, answer="GREEN"))
    night.service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["BACK_SIDE_MISSING"], at=after(minutes=1)))

    def told() -> dict[str, Any] | None:
        row = night.lines("reversals", "--current")[-1]
        return row if {one["status"] for one in row["told"]} == {"done"} else None

    row = eventually(told, "the log to be told")
    assert (row["reference"], row["reason"], [one["subscriber"] for one in row["told"]]) == (who, "back side missing", ["log"])
    assert row["fell_at"] <= row["told"][0]["at"]
    as_csv = list(csv.reader(night.service.standing("reversals", "--current", "--csv").stdout.splitlines()))[-1]
    assert as_csv[-3:] == ["no", "back side missing", f"log done at {row['told'][0]['at']}"]


def test_every_fallen_approval_is_listed_however_many_and_no_cell_holds_json(night: Night) -> None:
    engine = create_engine(night.service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        [applicant] = connection.execute(select(ApplicantRow.__table__).where(ApplicantRow.reference == night.fallen))
        [change] = connection.execute(
            select(TransitionRow.__table__).where(TransitionRow.reference == night.fallen, TransitionRow.reversal.is_not(None))
        )
        more = [f"{night.fallen}-{place}" for place in range(501)]
        connection.execute(insert(ApplicantRow), [dict(applicant._mapping) | {"reference": name} for name in more])
        connection.execute(
            insert(TransitionRow),
            [dict(change._mapping) | {"reference": name, "number": 10_000 + place} for place, name in enumerate(more)],
        )
        connection.execute(update(Feed).values(last=20_000))
    head, *rows = list(csv.reader(night.service.standing("reversals", "--current", "--csv").stdout.splitlines()))
    assert head == ["external_user_id", "vendor", "reference", "reversal", "fell_at", "status", "since", "reinstated", "reason", "told"]
    assert len(rows) == 503
    assert {row[7] for row in rows} == {"yes", "no"}
    assert [cell for row in rows for cell in row if cell.startswith(("[", "{"))] == []


def test_dead_letters_are_grouped_by_what_went_wrong_with_an_example(night: Night) -> None:
    [group] = night.lines("failed", "list")
    assert (group["count"], group["vendor"], group["example"]) == (1, "idngo", night.failed)
    assert "Armed" in group["reason"]
    assert group["first_seen"] == group["last_seen"]
    assert night.service.get("/v1/failed").json["data"] == [group]
    of_group = {"status": "failed", "vendor": group["vendor"], "error": group["reason"][:200]}
    assert [event["id"] for event in night.service.get("/v1/events", **of_group).json["data"]] == [night.failed]
    for other in ({"error": "another error"}, {"error": "%"}, {"event_type": "applicantReviewed"}, {"vendor": "idenfy"}):
        assert night.service.get("/v1/events", **of_group | other).json["data"] == []


def test_a_body_is_shown_masked_and_revealed_only_with_a_reason_which_is_recorded(night: Night) -> None:
    masked = night.service.standing("failed", "show", night.failed).stdout
    assert '"reviewAnswer": "GREEN"' in masked
    assert "Maria" not in masked
    assert night.service.standing("failed", "show", night.failed, "--reveal").returncode == 2
    revealed = night.service.standing("failed", "show", night.failed, "--reveal", "--reason", "ticket 7").stdout
    assert "Maria Beispiel" in revealed
    night.service.get(f"/v1/events/{night.failed}/body?reason=ticket+7", token=OPERATOR)
    acts = night.lines("audit", "list")
    assert [(act["action"], act["reason"]) for act in acts] == [
        ("read a body", "ticket 7"),
        ("revealed a body", "ticket 7"),
        ("read a body, masked", None),
    ]
    assert {act["subject"] for act in acts} == {f"event {night.failed}"}
    assert night.service.get("/v1/audit", token=OPERATOR).json["data"] == acts[::-1]
    assert night.service.get("/v1/audit", token=OPERATOR, actor="night").json["data"] == acts[:1]
    assert night.service.get("/v1/audit", token=READER).status == 403


def test_whose_token_is_in_the_environment_is_who_acted_on_the_command_line(night: Night) -> None:
    night.service.environment["STANDING_TOKEN"] = OTHER_OPERATOR
    night.lines("failed", "show", night.failed)
    [act] = night.lines("audit", "list")
    assert (act["actor"], act["os_user"]) == ("day", pwd.getpwuid(os.getuid()).pw_name)
    assert night.lines("audit", "list", "--actor", "DAY") == [act]
    night.service.environment["STANDING_TOKEN"] = READER
    refused = night.service.standing("failed", "show", night.failed)
    assert (refused.returncode, "none of OPERATOR_TOKENS" in refused.stderr) == (1, True)


def test_who_looked_at_a_person_is_listed_by_applicant_and_by_your_own_id(night: Night) -> None:
    service, user = night.service, f"customer-{night.fallen[:6]}"
    event_id = service.get("/v1/events", reference=night.fallen).json["data"][0]["id"]
    service.get(f"/v1/events/{event_id}/body", token=OPERATOR, reason="complaint 3")
    night.lines("events", "show", night.failed, "--body")
    decision = json.dumps({"decision": "reject", "reason": "as the vendor says"}).encode()
    assert service.request("POST", f"/v1/applicants/idngo/{night.fallen}/decisions", decision, token=OPERATOR).status == 202
    acts = night.lines("audit", "list", "--applicant", "idngo", night.fallen)
    assert [(act["actor"], act["action"], act["reason"]) for act in acts] == [
        ("night", "reject", "as the vendor says"), ("night", "read a body", "complaint 3"),
    ]  # fmt: skip
    assert night.lines("audit", "list", "--user", user) == acts
    assert night.lines("audit", "list", "--user", user, "--sandbox") == []
    assert night.lines("audit", "list", "--applicant", "idenfy", night.fallen) == []
    about = {"vendor": "idngo", "reference": night.fallen}
    assert service.get("/v1/audit", token=OPERATOR, **about).json["data"] == acts[::-1]
    assert service.get("/v1/audit", token=OPERATOR, external_user_id=user).json["data"] == acts[::-1]
    refused = [service.get("/v1/audit", token=OPERATOR, **{name: about[name]}) for name in about]
    assert [answer.json["detail"] for answer in refused] == ["Invalid query parameter 'reference'.", "Invalid query parameter 'vendor'."]


def test_plain_look_ups_are_recorded_where_that_is_asked_for(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "AUDIT_READS": "yes"}
    with Service(tmp_path, settings) as service:
        who = payloads.new_applicant()
        event_id, user = service.told("idngo", payloads.idngo(who, answer="GREEN"))["id"], f"customer-{who[:6]}"
        paths = [f"applicants/idngo/{who}{part}" for part in ("", "/history", "/explanation")]
        for path in (*paths, f"users/{user}", f"events/{event_id}", f"applicants?external_user_id={user}", "applicants/idngo/nobody"):
            service.get(f"/v1/{path}")
        for command in (["show", "idngo", who], ["explain", "--user", user], ["list", "--status", "approved"], ["show", "idngo", "nobody"]):
            service.standing("applicants", *command)
        service.standing("events", "show", event_id)
        acts = service.get("/v1/audit", token=OPERATOR, action="look up", limit=500).json["data"]
        account = pwd.getpwuid(os.getuid()).pw_name
        # What waits for the event to be settled looks it up, too.
        assert [(act["actor"], act["subject"]) for act in acts if act["subject"] != f"event {event_id}"] == [
            *[("reader", f"idngo live {who}")] * 3, *[("reader", f"user {user}")] * 2,
            (account, f"idngo live {who}"), (account, f"user {user}"), (account, "list of applicants, status approved, environment live"),
        ]  # fmt: skip
        assert {act["actor"] for act in acts if act["subject"] == f"event {event_id}"} == {"reader", account}
        mine = service.get("/v1/audit", token=OPERATOR, external_user_id=user, limit=500).json["data"]
        assert {act["subject"] for act in mine} == {f"idngo live {who}", f"user {user}", f"event {event_id}"}


def test_plain_look_ups_are_not_recorded_unless_that_is_asked_for(night: Night) -> None:
    night.service.applicant("idngo", night.fallen)
    night.service.standing("applicants", "show", "idngo", night.fallen)
    assert night.lines("audit", "list") == []


def test_a_table_is_what_a_person_gets(night: Night) -> None:
    for command in (["review"], ["reversals"], ["failed", "list"], ["audit", "list"]):
        done = night.service.standing(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert night.doubtful in night.service.standing("review").stdout
