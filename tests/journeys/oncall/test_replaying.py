"""Handling events again: first what it would do, then at a safe pace, never more than is allowed, and gone on with wherever it ended."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR, READER
from tests.support import payloads
from tests.support.outages.frozen import frozen
from tests.support.payloads import after
from tests.support.service import PATIENCE_SECONDS, PROGRAMS, Service, eventually


@dataclass
class Mishap:
    """A service on which handling some verdicts failed, until the fault is repaired."""

    service: Service
    faults: Path

    def fail(self, count: int, **more: Any) -> list[str]:
        """So many verdicts that could not be handled; the applicants."""
        whose = [payloads.new_applicant() for _ in range(count)]
        ids = []
        for who in whose:
            body = json.dumps(payloads.idngo(who, answer="GREEN", **more)).encode()
            (self.faults / f"interpret.{hashlib.sha256(body).hexdigest()}").write_text("raise")
            ids.append(self.service.kept("idngo", body))
        for event_id in ids:
            eventually(lambda wanted=event_id: self.service.get(f"/v1/events/{wanted}").json["status"] == "failed", "the event to fail")
        return whose

    def repair(self) -> None:
        for armed in self.faults.iterdir():
            armed.unlink()

    def run(self, *command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.service.standing(*command)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done

    def standing(self, whose: list[str]) -> list[str | None]:
        answers = [self.service.get(f"/v1/applicants/idngo/{who}") for who in whose]
        return [answer.json["status"] if answer.status == 200 else None for answer in answers]

    def nobody_at_work(self) -> AbstractContextManager[None]:
        """A time in which no worker moves."""
        return frozen(self.service, self.service.processes[1:])

    def begun(self) -> list[dict[str, Any]]:
        """The replays, the last one first."""
        found: list[dict[str, Any]] = self.service.get("/v1/replays", token=OPERATOR).json["data"]
        return found

    def replay(self) -> dict[str, Any]:
        """The last replay that was begun."""
        return self.begun()[0]

    def done(self) -> int:
        """How many events of the last replay are done; none before it was begun."""
        return self.begun()[0]["done"] if self.begun() else 0


@pytest.fixture
def mishap(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Mishap]:
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
        yield Mishap(service, faults)


def test_what_it_would_do_is_said_first_and_changes_nothing(mishap: Mishap) -> None:
    whose = mishap.fail(3)
    mishap.repair()
    said = mishap.run("replay", "--failed", "--dry-run")
    assert said.stdout.count("(unknown) → approved") == 4  # each, and their count
    assert "0 approvals would fall, 3 would rise." in said.stdout
    assert mishap.standing(whose) == [None] * 3
    assert mishap.begun() == []
    assert mishap.run("audit", "list", "--json").stdout == ""


def test_a_replay_asks_for_a_reason_and_for_consent(mishap: Mishap) -> None:
    whose = mishap.fail(1)
    mishap.repair()
    assert "--reason" in mishap.run("replay", "--failed", status=2).stderr
    assert "by a filter" in mishap.run("replay", "--reason", "x", status=2).stderr
    assert mishap.run("replay", "--failed", "--reason", "x", status=1).stderr.count("[y/N]") == 1
    assert mishap.standing(whose) == [None]


def test_dead_letters_are_handled_again_once_the_fault_is_repaired_and_it_is_recorded(mishap: Mishap) -> None:
    whose = mishap.fail(3)
    mishap.repair()
    said = mishap.run("replay", "--failed", "--reason", "mapping repaired, ticket 7", "--yes")
    assert "Handled 3 events again; 3 applicants changed; repaired 3 of 3 unreadable events or dead letters." in said.stderr
    assert mishap.standing(whose) == ["approved"] * 3
    replay = mishap.replay()
    told = {name: replay[name] for name in ("status", "events", "done", "changed", "reason")}
    assert told == {"status": "done", "events": 3, "done": 3, "changed": 3, "reason": "mapping repaired, ticket 7"}
    [act] = mishap.service.get("/v1/audit", token=OPERATOR).json["data"]
    assert (act["action"], act["subject"], act["reason"], act["touched"]) == ("replay", f"replay {replay['id']}", told["reason"], 3)
    assert "0 events would be handled again." in mishap.run("replay", "--failed", "--reason", "again", "--yes").stderr


def test_what_fails_again_is_told(mishap: Mishap) -> None:
    mishap.fail(2)
    said = mishap.run("replay", "--failed", "--reason", "hope", "--yes", status=1)
    assert "2 events failed again" in said.stderr


def test_it_stops_before_more_applicants_change_than_are_allowed_and_can_be_gone_on_with(mishap: Mishap) -> None:
    whose = mishap.fail(60)
    mishap.repair()
    said = mishap.run("replay", "--failed", "--reason", "careful", "--yes", "--max-changes", "55", status=1)
    assert "Stopped: more than 55 would change" in said.stderr
    assert mishap.standing(whose).count("approved") == 50
    replay = mishap.replay()
    assert (replay["status"], replay["done"], replay["changed"]) == ("stopped", 50, 50)
    assert mishap.service.get("/v1/replays", token=OPERATOR).json["data"] == [replay]
    assert mishap.service.get(f"/v1/replays/{replay['id']}", token=OPERATOR).json == replay
    assert mishap.service.get("/v1/replays").status == 403
    mishap.run("replays", "resume", "--yes", replay["id"], "--max-changes", "60")
    assert mishap.standing(whose) == ["approved"] * 60
    assert mishap.replay()["changed"] == 60


def test_interrupted_it_is_gone_on_with_and_cancelled_it_is_not(mishap: Mishap) -> None:
    whose = mishap.fail(120)
    mishap.repair()
    command = [str(PROGRAMS / "standing"), "replay", "--failed", "--reason", "slowly", "--yes", "--max-changes", "1000", "--rate", "3"]
    running = subprocess.Popen(command, env=mishap.service.environment, stderr=subprocess.PIPE, text=True)
    eventually(lambda: mishap.done() >= 50, "the first part")
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=PATIENCE_SECONDS)
    replay = mishap.replay()
    assert (running.returncode, replay["status"]) == (1, "interrupted")
    assert f"standing replays resume {replay['id']}" in errors
    assert mishap.standing(whose).count("approved") < 120
    mishap.run("replays", "resume", "--yes", replay["id"])
    assert mishap.standing(whose) == ["approved"] * 120
    assert mishap.run("replays", "cancel", "--yes", replay["id"], status=1).stderr.strip().endswith("it is done")


def test_what_was_in_hand_when_it_was_interrupted_is_handled_before_it_goes_on(mishap: Mishap) -> None:
    whose = mishap.fail(60)
    mishap.repair()
    with mishap.nobody_at_work():
        (mishap.faults / "claimed").write_text("raise")
        mishap.run("replay", "--failed", "--reason", "unlucky", "--yes", "--max-changes", "60", status=1)
    replay = mishap.replay()
    assert (replay["status"], replay["done"], replay["changed"]) == ("interrupted", 50, 50)
    mishap.run("replays", "resume", "--yes", replay["id"])
    assert mishap.standing(whose) == ["approved"] * 60


def test_a_running_replay_can_be_cancelled_from_elsewhere(mishap: Mishap) -> None:
    whose = mishap.fail(120)
    mishap.repair()
    command = [str(PROGRAMS / "standing"), "replay", "--failed", "--reason", "slowly", "--yes", "--max-changes", "1000", "--rate", "3"]
    running = subprocess.Popen(command, env=mishap.service.environment, stderr=subprocess.DEVNULL)
    eventually(lambda: mishap.done() >= 50, "the first part")
    path = f"/v1/replays/{mishap.replay()['id']}/cancel"
    assert mishap.service.request("POST", path, token=OPERATOR).json["status"] == "cancelled"
    assert mishap.service.request("POST", path, token=OPERATOR).status == 409
    assert mishap.service.request("POST", "/v1/replays/nothing/cancel", token=OPERATOR).status == 404
    assert running.wait(PATIENCE_SECONDS) == 1
    assert mishap.replay()["status"] == "cancelled"
    assert mishap.standing(whose).count("approved") < 120
    assert "it is cancelled" in mishap.run("replays", "resume", "--yes", mishap.replay()["id"], status=1).stderr


@pytest.mark.parametrize(
    "filters",
    [
        ["--vendor", "idngo", "--type", "applicantReviewed", "--error", "Armed"],
        ["--outcome", "failed", "--from", "2020-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z"],
    ],
    ids=" ".join,
)
def test_events_are_found_by_filters_and_others_are_left_alone(mishap: Mishap, filters: list[str]) -> None:
    fine = payloads.new_applicant()
    mishap.service.told("idngo", payloads.idngo(fine, answer="GREEN"))
    mishap.fail(2)
    mishap.repair()
    if "--type" in filters:
        # An event that could not be read has no type yet.
        del filters[2:4]
    assert "2 events would be handled again." in mishap.run("replay", *filters, "--dry-run").stderr


def test_events_are_found_by_whom_they_named(mishap: Mishap) -> None:
    who = payloads.new_applicant()
    first = mishap.service.told("idngo", payloads.idngo(who, answer="GREEN"))
    mishap.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    mishap.service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=1)))
    for filters in (["--reference", who], ["--user", f"customer-{who[:6]}"]):
        said = mishap.run("replay", *filters, "--dry-run")
        assert ("No applicant would change." in said.stdout, said.stderr) == (True, "2 events would be handled again.\n")
    said = mishap.run("replay", first["id"], "--reason", "look", "--yes")
    assert "Handled 1 event again; 0 applicants changed." in said.stderr
    assert "no event has the id" in mishap.run("replay", "nothing", "--reason", "x", status=1).stderr


def test_live_traffic_goes_first(mishap: Mishap) -> None:
    mishap.fail(1)
    mishap.repair()
    with mishap.nobody_at_work():
        # Nobody handles what is pending: a replay waits until somebody does.
        mishap.service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        time.sleep(1.2)
        command = [str(PROGRAMS / "standing"), "replay", "--failed", "--reason", "now", "--yes"]
        running = subprocess.Popen(command, env=mishap.service.environment, stderr=subprocess.DEVNULL)
        eventually(mishap.begun, "the replay to begin")
        time.sleep(1.5)
        assert mishap.done() == 0
    assert running.wait(PATIENCE_SECONDS) == 0
    assert mishap.done() == 1


# over HTTP ----------------------------------------------------------------------------------------------------


def ask(mishap: Mishap, *, status: int = 202, token: str = OPERATOR, **asked: Any) -> Any:
    answer = mishap.service.request("POST", "/v1/replays", json.dumps(asked).encode(), token=token)
    assert answer.status == status, answer.body
    return answer.json


def come_to(mishap: Mishap, replay_id: str, stage: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = mishap.service.get(f"/v1/replays/{replay_id}", token=OPERATOR).json
        return found if found["status"] == stage else None

    return eventually(look, f"the replay to be {stage}")


def run_it(mishap: Mishap, replay_id: str, status: int = 202, **more: Any) -> None:
    answer = mishap.service.request("POST", f"/v1/replays/{replay_id}/run", json.dumps(more).encode(), token=OPERATOR)
    assert answer.status == status, answer.body


def test_asked_for_over_http_a_worker_says_what_it_would_do_and_does_it_once_it_is_told_to(mishap: Mishap) -> None:
    whose = mishap.fail(3)
    mishap.repair()
    asked = ask(mishap, outcome="failed", reason="ticket 7")
    assert asked["status"] == "asked"
    proposed = come_to(mishap, asked["id"], "proposed")
    assert proposed["events"] == 3
    forecast = proposed["forecast"]
    assert (forecast["would_change"], forecast["approvals_falling"], forecast["approvals_rising"]) == (3, 0, 3)
    assert forecast["moves"] == [{"from": None, "to": "approved", "count": 3}]
    assert {one["reference"] for one in forecast["applicants"]} == set(whose)
    assert mishap.standing(whose) == [None] * 3
    run_it(mishap, asked["id"])
    assert come_to(mishap, asked["id"], "done")["done"] == 3
    assert mishap.standing(whose) == ["approved"] * 3
    run_it(mishap, asked["id"], status=409)
    acts = mishap.service.get("/v1/audit", token=OPERATOR).json["data"]
    assert [(act["actor"], act["action"], act["reason"]) for act in acts] == [
        ("night", "ask for a replay", "ticket 7"),
        ("night", "replay", "ticket 7"),
    ]


def test_over_http_too_it_stops_before_too_much_changes_and_goes_on_when_more_is_allowed(mishap: Mishap) -> None:
    whose = mishap.fail(3)
    mishap.repair()
    asked = ask(mishap, outcome="failed", reason="careful", max_changes=2)
    come_to(mishap, asked["id"], "proposed")
    run_it(mishap, asked["id"])
    assert come_to(mishap, asked["id"], "stopped")["changed"] == 0
    run_it(mishap, asked["id"], max_changes=3)
    come_to(mishap, asked["id"], "done")
    assert mishap.standing(whose) == ["approved"] * 3


def test_a_replay_whose_runner_died_is_gone_on_with_by_another(mishap: Mishap) -> None:
    whose = mishap.fail(60)
    mishap.repair()
    asked = ask(mishap, outcome="failed", reason="slowly", per_second=3, max_changes=1000)
    come_to(mishap, asked["id"], "proposed")
    run_it(mishap, asked["id"])
    eventually(lambda: mishap.service.get(f"/v1/replays/{asked['id']}", token=OPERATOR).json["done"], "some to be done")
    subprocess.run(["pkill", "-KILL", "-f", f"handlers.replay.runner {asked['id']}"], check=True)
    (mishap.faults / "clock").write_text("60")  # More seconds than anybody waits for one that is silent.
    came = come_to(mishap, asked["id"], "done")
    assert came["done"] == 60
    assert mishap.standing(whose) == ["approved"] * 60


@pytest.mark.parametrize(
    "asked",
    [
        {"outcome": "failed"},
        {"outcome": "failed", "reason": ""},
        {"outcome": "lost", "reason": "x"},
        {"reason": "x", "ids": ["nothing"]},
        {"reason": "x", "received_from": "2026-03-30T12:00:00"},
        {"reason": "x", "max_changes": -1},
        {"reason": "x", "surprise": 1},
        {"reason": "x\u0000", "outcome": "failed"},
        {"reason": "x"},
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_is_told(running: Service, asked: dict[str, Any]) -> None:
    answer = running.request("POST", "/v1/replays", json.dumps(asked).encode(), token=OPERATOR)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


def test_only_operators_may_ask(running: Service) -> None:
    body = json.dumps({"reason": "x", "outcome": "failed"}).encode()
    assert running.request("POST", "/v1/replays", body, token=READER).status == 403
    assert running.request("POST", "/v1/replays/nothing/run", token=OPERATOR).status == 404


# unreadable events ----------------------------------------------------------------------------------------------


def unreadable(service: Service) -> str:
    event = service.told("idngo", {"applicantId": payloads.new_applicant()})
    assert event["status"] == "unreadable"
    return str(event["id"])


def test_what_a_replay_would_repair_is_said_and_where_nothing_improves_it_ends_with_1(mishap: Mishap) -> None:
    whose = mishap.fail(1)
    unreadable(mishap.service)
    said = mishap.run("replay", "--outcome", "unreadable", "--dry-run").stderr
    assert "1 event would be handled again. Among them: 1 unreadable event or dead letter, of which 0 would become readable." in said
    done = mishap.run("replay", "--outcome", "unreadable", "--reason", "try", "--yes", status=1).stderr
    assert "Handled 1 event again; 0 applicants changed; repaired 0 of 1 unreadable event or dead letter." in done
    mishap.repair()
    assert "1 unreadable event or dead letter, of which 1 would become readable." in mishap.run("replay", "--failed", "--dry-run").stderr
    assert "repaired 1 of 1 unreadable event or dead letter" in mishap.run("replay", "--failed", "--reason", "try", "--yes").stderr
    assert mishap.standing(whose) == ["approved"]
    assert (mishap.replay()["unresolved"], mishap.replay()["repaired"]) == (1, 1)


def unread(mishap: Mishap) -> dict[str, Any]:
    """What status says of unreadable events. It leaves out what takes it too long."""

    def look() -> dict[str, Any] | None:
        lines = [json.loads(line) for line in mishap.service.standing("status", "--json").stdout.splitlines()]
        return next((line for line in lines if line["about"] == "unreadable"), None)

    return eventually(look, "status to tell of unreadable events")


@pytest.mark.parametrize("over_http", [False, True])
def test_an_unreadable_event_is_dismissed_with_a_reason_until_it_is_replayed(mishap: Mishap, over_http: bool) -> None:
    first, second = unreadable(mishap.service), unreadable(mishap.service)
    assert (unread(mishap)["verdict"], unread(mishap)["look"]) == ("look", "standing failed list --unreadable")
    (group,) = map(json.loads, mishap.run("failed", "list", "--unreadable", "--json").stdout.splitlines())
    assert (group["count"], group["reason"]) == (2, "the body names no type")
    if over_http:
        for event_id in (first, second):
            answer = mishap.service.request("POST", f"/v1/events/{event_id}/dismiss", b'{"reason": "a test of theirs"}', token=OPERATOR)
            assert answer.status == 200, answer.body
    else:
        assert mishap.run("events", "dismiss", first, second, "--reason", "a test of theirs", "--yes").returncode == 0
    assert unread(mishap)["verdict"] == "ok"
    shown = mishap.service.get(f"/v1/events/{first}").json
    assert (shown["status"], shown["dismissed_at"] is not None) == ("unreadable", True)
    assert mishap.run("review", "--json").stdout == ""
    assert mishap.run("failed", "list", "--unreadable", "--json").stdout == ""
    (group,) = map(json.loads, mishap.run("failed", "list", "--unreadable", "--dismissed", "--json").stdout.splitlines())
    assert group["count"] == 2
    acts = [json.loads(line) for line in mishap.run("audit", "list", "--json").stdout.splitlines()]
    assert [act["reason"] for act in acts if act["action"] == "dismiss"] == ["a test of theirs"] * 2
    mishap.run("replay", first, "--reason", "look again", "--yes", status=1)
    assert (mishap.service.get(f"/v1/events/{first}").json["dismissed_at"], unread(mishap)["verdict"]) == (None, "look")


def test_what_is_neither_unreadable_nor_failed_is_not_dismissed(mishap: Mishap) -> None:
    applied = mishap.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))["id"]
    bad = unreadable(mishap.service)
    assert "nothing was dismissed" in mishap.run("events", "dismiss", bad, applied, "--reason", "why", "--yes", status=1).stderr
    assert mishap.service.get(f"/v1/events/{bad}").json["dismissed_at"] is None
    answer = mishap.service.request("POST", f"/v1/events/{applied}/dismiss", b'{"reason": "why"}', token=OPERATOR)
    assert (answer.status, "applied" in answer.json["detail"]) == (409, True)
    assert mishap.service.request("POST", f"/v1/events/{bad}/dismiss", b'{"reason": "why"}', token=READER).status == 403
