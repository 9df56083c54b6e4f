"""Downstream is told of every change it wants to know: signed, in order for each applicant, at least once, whatever breaks."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR, READER
from tests.support import payloads
from tests.support.downstream import Downstream, Message, Reply
from tests.support.payloads import after
from tests.support.service import PATIENCE_SECONDS, Service, end, eventually

SECRETS = [f"whsec_{base64.b64encode(text).decode()}" for text in (b"a newer secret for downstream", b"an older secret for downstream")]


@dataclass
class Telling:
    """A service that tells a downstream."""

    service: Service
    downstream: Downstream
    faults: Path

    def lines(self, *command: str, status: int = 0) -> list[dict[str, Any]]:
        done = self.service.standing(*command, "--json")
        assert done.returncode == status, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def reactions(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.service.get("/v1/reactions", **query).json["data"]
        return found

    def approve(self, who: str, minute: int = 0) -> None:
        self.deliver(who, minute, answer="GREEN")

    def reject(self, who: str, minute: int = 1) -> None:
        self.deliver(who, minute, answer="RED", reject="FINAL", labels=["SANCTIONS"])

    def deliver(self, who: str, minute: int, **verdict: Any) -> None:
        self.service.kept("idngo", payloads.idngo(who, at=after(minutes=minute), **verdict))

    def came(self, count: int, *, seconds: float = PATIENCE_SECONDS) -> list[Message]:
        eventually(lambda: len(self.downstream.came) >= count, f"{count} messages", seconds=seconds)
        return list(self.downstream.came)


@contextmanager
def telling(url: str, redis_url: str, folder: Path, downstream: Downstream, urls: str | None = None, **settings: str) -> Iterator[Telling]:
    faults = folder / "faults"
    faults.mkdir()
    given = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "ENCRYPTION_KEYS": KEY,
        "FAULTS_DIR": str(faults),
        "NOTIFY_URLS": urls or downstream.url(),
        "NOTIFY_SECRETS": ",".join(SECRETS),
        "NOTIFY_PRIVATE_HOSTS": "127.0.0.1",
        "NOTIFY_PLAIN_HTTP": "yes",
        "NOTIFY_ON": "all",
        "WEB_CONCURRENCY": "1",
    }
    with Service(folder, given | settings) as service:
        made = Telling(service, downstream, faults)
        # From then on it is told of changes.
        count = len((urls or "one").split(",")) + 1
        eventually(lambda: len(service.subscribers()) == count, "the subscribers to be known")
        yield made


@pytest.fixture
def told(database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Telling]:
    settings = getattr(request, "param", {})
    with ExitStack() as stack:
        downstream = stack.enter_context(Downstream())
        yield stack.enter_context(telling(database_url, redis_url, tmp_path, downstream, **settings))


@pytest.mark.parametrize("told", [{"NOTIFY_ON": "adverse"}], indirect=True, ids=["adverse"])
def test_an_approval_that_fell_is_sent_as_the_feed_shows_it_signed_with_every_secret(told: Telling) -> None:
    who = payloads.new_applicant()
    told.approve(who)
    told.reject(who)
    [message] = told.came(1)
    for secret in SECRETS:
        Webhook(secret).verify(message.body, message.headers)
    with pytest.raises(Exception, match="match"):
        Webhook(SECRETS[0]).verify(message.body.replace(b"adverse", b"nothing"), message.headers)
    entry = told.service.get("/v1/changes").json["data"][-1]
    assert message.json == {"type": "applicant.rejected", "timestamp": entry["at"], "data": entry}
    assert entry["reversal"] == "adverse"
    assert message.headers["content-type"] == "application/json"
    # The built-in reaction: somebody may have to be woken.
    [warning] = eventually(lambda: warnings(told), "the warning")
    assert (warning["change"], warning["event_id"]) == (entry["cursor"], entry["event_id"])
    assert (warning["level"], warning["reversal"]) == ("warning", "adverse")
    eventually(lambda: [row["status"] for row in told.lines("reactions", "list")] == ["done", "done"], "both to be noted")
    time.sleep(0.5)
    assert len(told.downstream.came) == 1


def status_of_reactions(told: Telling) -> dict[str, Any]:
    """What status says about reactions. It leaves out what takes it too long."""
    [line] = eventually(lambda: [one for one in told.lines("status") if one["about"] == "reactions"], "status to tell of reactions")
    return line


def warnings(told: Telling) -> list[dict[str, Any]]:
    logged = [json.loads(line) for line in told.service.logged().splitlines() if line.startswith("{")]
    return [line for line in logged if line["event"] == "an approval fell"]


@pytest.mark.parametrize("told", [{"NOTIFY_ON": "status"}], indirect=True, ids=["status"])
def test_a_change_of_another_kind_is_not_sent_to_who_wants_statuses_and_nothing_of_the_sandbox(told: Telling) -> None:
    who = payloads.new_applicant()
    told.approve(who)
    told.service.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=1), levelName="another-level"))
    told.service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=2), sandboxMode=True))
    told.reject(who, minute=3)
    assert [message.json["type"] for message in told.came(2)] == ["applicant.approved", "applicant.rejected"]


def test_one_that_fails_is_tried_again_with_the_same_id_and_the_next_of_the_same_applicant_waits(told: Telling) -> None:
    who, failing = payloads.new_applicant(), itertools.chain([Reply(500, body=b"oh\x1b[31m no"), Reply(503)], itertools.repeat(Reply()))
    told.downstream.answer = lambda _: next(failing)
    told.approve(who)
    told.reject(who)
    told.came(2)
    eventually(lambda: [row for row in told.reactions() if (row["said"] or "").startswith("503")], "the second answer to be noted")
    (told.faults / "clock").write_text("30")  # More seconds than the pause before the third attempt.
    messages = told.came(4)
    assert [message.version for message in messages] == [1, 1, 1, 2]
    assert len({message.headers["webhook-id"] for message in messages}) == 2
    assert messages[0].headers["webhook-id"] == messages[2].headers["webhook-id"]
    assert messages[1].at - messages[0].at > 4.5
    eventually(lambda: not told.reactions(status="pending"), "all to be settled")
    [first] = [row for row in told.lines("reactions", "list") if row["attempts"] == 3]
    shown = told.service.standing("reactions", "show", str(first["id"])).stdout
    assert "500 oh [31m no" in shown
    assert "200 thanks" in shown


@pytest.mark.parametrize("told", [{"REACTION_ATTEMPTS_MAX": "1"}], indirect=True, ids=["one attempt"])
def test_what_is_refused_delays_nobody_else_gives_up_is_listed_and_can_be_run_again(told: Telling) -> None:
    unwanted, fine = payloads.new_applicant(), payloads.new_applicant()
    told.downstream.answer = lambda message: Reply(422, body=b"unknown applicant") if message.reference == unwanted else Reply()
    told.approve(unwanted)
    told.reject(unwanted)
    told.approve(fine)
    told.came(3)
    failed = eventually(lambda: (found := told.reactions(status="failed")) and len(found) == 2 and found, "both to give up")
    assert {(row["reference"], row["said"]) for row in failed} == {(unwanted, "422 unknown applicant")}
    logged = [line for line in map(json.loads, told.service.logged().splitlines()) if line["event"] == "a reaction failed"]
    assert {(line["subscriber"], line["reaction_id"]) for line in logged} == {(row["subscriber"], row["id"]) for row in failed}
    waiting = [row for row in told.lines("review") if row["what"] == "reaction"]
    assert [(row["reference"], row["why"]) for row in waiting] == [(unwanted, "422 unknown applicant")] * 2
    # What waits is told in whole minutes, and one may pass between the two.
    eventually(lambda: told.service.get("/v1/review").json["data"] == told.lines("review"), "the API to tell the same")
    line = status_of_reactions(told)
    assert (line["verdict"], line["look"]) == ("look", "standing reactions list --failed")
    assert told.service.get("/v1/reactions", status="failed").json["data"] == told.lines("reactions", "list", "--failed")[::-1]
    told.downstream.answer = lambda _: Reply()
    one, other = (row["id"] for row in failed)
    assert told.service.request("POST", f"/v1/reactions/{one}/run", token=READER).status == 403
    assert told.service.request("POST", f"/v1/reactions/{one}/run", token=OPERATOR).status == 202
    eventually(lambda: told.service.get(f"/v1/reactions/{one}").json["status"] == "done", "the first to be done")
    assert told.service.get(f"/v1/reactions/{other}").json["status"] == "failed"
    assert told.service.standing("reactions", "run", "--failed", "--yes", "--reason", "downstream is repaired").returncode == 0
    eventually(lambda: not told.reactions(status="failed"), "the other to be done")
    assert [act["action"] for act in told.lines("audit", "list")] == ["run reactions", "run reactions", "refused"]
    none_failed = b'standing_reactions_failed{subscriber="log"} 0.0'
    eventually(lambda: none_failed in told.service.get("/metrics", token=None).body, "the metrics to be made again")


def test_an_endpoint_that_is_gone_is_told_nothing_more_until_somebody_says_so(told: Telling) -> None:
    told.downstream.answer = lambda _: Reply(410)
    told.approve(payloads.new_applicant())
    told.came(1)
    name = next(one["subscriber"] for one in told.lines("notify", "list") if one["subscriber"] != "log")
    eventually(lambda: any(one["stopped_at"] for one in told.lines("notify", "list")), "it to be stopped")
    told.approve(payloads.new_applicant())
    time.sleep(1)
    assert len(told.downstream.came) == 1
    told.downstream.answer = lambda _: Reply()
    assert told.service.standing("notify", "resume", "--yes", name).returncode == 0
    told.came(3)


def test_an_endpoint_that_asks_to_be_left_alone_is(told: Telling) -> None:
    replies = itertools.chain([Reply(429, {"Retry-After": "8"})], itertools.repeat(Reply()))
    told.downstream.answer = lambda _: next(replies)
    told.approve(payloads.new_applicant())
    eventually(lambda: [row for row in told.reactions() if (row["said"] or "").startswith("429")], "the answer to be noted")
    told.approve(payloads.new_applicant())
    first, second = told.came(3)[:2]
    assert second.at - first.at >= 7.5


def test_an_endpoint_that_keeps_failing_rests_and_others_go_on(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Downstream() as downstream:
        downstream.answer = lambda message: Reply(500 if message.path == "/broken" else 200)
        urls = f"{downstream.url('/broken')},{downstream.url('/fine')}"
        with telling(database_url, redis_url, tmp_path, downstream, urls) as told:
            for _ in range(30):
                told.approve(payloads.new_applicant())
            eventually(lambda: [m.path for m in downstream.came].count("/fine") == 30, "the other to be told of all")
            resting = eventually(lambda: [one for one in told.lines("notify", "list") if one["rests_until"]], "the broken one to rest")
            assert len(resting) == 1
            assert [message.path for message in downstream.came].count("/broken") <= 16
            downstream.answer = lambda _: Reply()
            told.service.standing("notify", "resume", "--yes", resting[0]["subscriber"])
            eventually(lambda: len({m.reference for m in downstream.came if m.path == "/broken"}) == 30, "the resting one to be told")


def test_an_endpoint_that_is_configured_no_more_is_shown_out_of_alerts_and_can_be_forgotten(told: Telling) -> None:
    told.downstream.answer = lambda _: Reply(500)
    service, url = told.service, told.downstream.url()
    title, name = f"127.0.0.1:{told.downstream.port}/hook", endpoint_key(told)
    who = payloads.new_applicant()
    told.approve(who)
    told.reject(who)
    waiting = f'standing_reactions_pending{{subscriber="{title}"}} 2.0'.encode()
    eventually(lambda: waiting in service.get("/metrics", token=None).body, "both to wait")
    early = service.standing("notify", "forget", url, "--yes")
    assert (early.returncode, "is configured: take it out of NOTIFY_URLS" in early.stderr) == (1, True)
    with_it = dict(service.environment)
    del service.environment["NOTIFY_URLS"]
    served = service.standing("notify", "forget", url, "--yes")
    assert (served.returncode, "the workers still serve" in served.stderr) == (1, True)
    restart_worker(service)
    eventually(lambda: title not in service.subscribers(), "it to be out of the metrics")
    [listed] = [one for one in told.lines("notify", "list") if one["subscriber"] != "log"]
    assert (listed["subscriber"], listed["key"], listed["configured"], listed["pending"]) == (title, name, "no", 2)
    line = status_of_reactions(told)
    assert (line["verdict"], line["look"]) == ("ok", "standing notify list")
    assert line["says"] == f"2 reactions were meant for {title}, which is configured no more"

    asked = service.standing("notify", "forget", title)
    assert (asked.returncode, "will never be notified of 2 changes" in asked.stderr) == (1, True)
    done = service.standing("notify", "forget", url, "--yes", "--reason", "moved away")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, f"Ended 2 reactions of {title}.")
    [act] = [one for one in told.lines("audit", "list") if one["action"] == "forget subscriber"]
    assert (act["subject"], act["reason"], act["touched"]) == (f"subscriber {title} ({name})", "moved away", 2)
    assert [one["subscriber"] for one in told.lines("notify", "list")] == ["log"]
    assert {row["status"] for row in told.reactions(subscriber=title)} == {"forgotten"}

    # Configured again, it is told of what comes from then on.
    told.downstream.answer, told.downstream.came[:] = lambda _: Reply(), []
    service.environment |= with_it
    restart_worker(service)
    eventually(lambda: title in service.subscribers(), "it to be known again")
    told.approve(who, minute=5)
    assert [message.version for message in told.came(1)] == [3]


def test_a_name_given_to_an_endpoint_keeps_what_waits_for_it_and_is_shown_everywhere(told: Telling) -> None:
    told.downstream.answer = lambda _: Reply(500)
    service, name = told.service, endpoint_key(told)
    who = payloads.new_applicant()
    told.approve(who)
    eventually(lambda: [row for row in told.reactions() if row["said"]], "the first answer")
    service.environment["NOTIFY_URLS"] = f"accounts={told.downstream.url()}"
    restart_worker(service)
    eventually(lambda: service.subscribers() == {"accounts", "log"}, "the name to be shown")
    [listed] = [one for one in told.lines("notify", "list") if one["subscriber"] == "accounts"]
    assert (listed["key"], listed["configured"], listed["pending"]) == (name, "yes", 1)
    assert [row["subscriber"] for row in told.lines("reactions", "list", "--subscriber", "accounts")] == ["accounts"]
    assert [row["subscriber"] for row in told.reactions(subscriber="accounts")] == ["accounts"]
    told.downstream.answer = lambda _: Reply()
    assert service.standing("notify", "test", "--yes").stdout.startswith("accounts  took it")
    assert service.standing("notify", "resume", "accounts", "--yes").returncode == 0
    eventually(lambda: [row["status"] for row in told.reactions(subscriber="accounts")] == ["done"], "it to be told")


def test_while_a_worker_of_other_settings_serves_an_endpoint_it_is_not_retired(told: Telling) -> None:
    title = f"127.0.0.1:{told.downstream.port}/hook"
    with_it = told.service.environment["NOTIFY_URLS"]
    del told.service.environment["NOTIFY_URLS"]
    told.service.start_worker()
    eventually(lambda: "configured no more" in told.service.logged(), "the other worker to retire it")
    eventually(lambda: title in told.service.subscribers(), "it to be served again")
    told.approve(payloads.new_applicant())
    told.came(1)
    told.service.environment["NOTIFY_URLS"] = with_it
    assert told.service.standing("notify", "forget", title, "--yes").returncode == 1


def endpoint_key(told: Telling) -> str:
    """The key of the only endpoint: what was kept of it before endpoints had names."""
    return f"127.0.0.1 {hashlib.sha256(told.downstream.url().encode()).hexdigest()[:8]}"


def restart_worker(service: Service) -> None:
    end(service.processes.pop())
    service.start_worker()


def test_redirects_are_not_followed_and_nonsense_is_a_failure(told: Telling) -> None:
    replies = {
        "redirect": Reply(302, {"Location": told.downstream.url("/elsewhere")}),
        "nonsense": Reply(raw=b"\x00\xff nonsense\r\n\r\n"),
        "cut off": Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        "endless headers": Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000),
        "large": Reply(body=b"x" * 3_000_000),
    }
    whose = {payloads.new_applicant(): reply for reply in replies}
    told.downstream.answer = lambda message: replies[whose[message.reference]]
    for who in whose:
        told.approve(who)
    eventually(lambda: len({m.reference for m in told.downstream.came}) == 5, "each to be tried")

    def answers() -> dict[str, str] | None:
        found = {whose[row["reference"]]: row["said"] for row in told.reactions()}
        return found if len(found) == 5 and all(found.values()) else None

    said = eventually(answers, "each to be answered")
    assert said["redirect"].startswith("302")
    assert "not followed" in said["redirect"]
    assert [name for name in ("nonsense", "cut off", "endless headers") if "no answer" not in said[name]] == []
    assert said["large"].startswith("200 xxx")
    assert not [message for message in told.downstream.came if message.path == "/elsewhere"]


@pytest.mark.parametrize("told", [{"NOTIFY_PRIVATE_HOSTS": "somewhere.example"}], indirect=True, ids=["private"])
def test_a_private_address_is_refused_unless_it_is_allowed_by_name(told: Telling) -> None:
    told.approve(payloads.new_applicant())
    [row] = eventually(lambda: [one for one in told.reactions() if one["said"]], "the refusal")
    assert "private address" in row["said"]
    assert told.downstream.came == []


def test_approvals_that_fell_go_before_the_rest(told: Telling) -> None:
    fallen = payloads.new_applicant()
    # Slow enough that most are still waiting when the approval falls.
    told.downstream.answer = lambda _: Reply(seconds=2)
    # A worker that is not there yet finds them all, however slowly they are delivered.
    end(told.service.processes.pop())
    for _ in range(60):
        told.approve(payloads.new_applicant())
    told.approve(fallen)
    told.reject(fallen)
    told.service.start_worker()
    messages = told.came(62)
    place = [message.reference for message in messages]
    mine = [number for number, reference in enumerate(place) if reference == fallen]
    assert len(mine) == 2
    assert mine[-1] < 40, mine
    assert [messages[number].version for number in mine] == [1, 2]


@pytest.mark.parametrize("point", ["followed", "reaction claimed", "told"])
def test_killed_between_two_steps_it_tells_every_change_at_least_once_and_in_order(told: Telling, point: str) -> None:
    whose = [payloads.new_applicant() for _ in range(12)]
    for minute in range(4):
        (told.faults / point).write_text("kill")
        for who in whose:
            told.approve(who, minute=2 * minute)
            told.reject(who, minute=2 * minute + 1)
        time.sleep(0.5)
    eventually(lambda: not list(told.faults.iterdir()), "the process to be killed")
    eventually(lambda: len({(m.reference, m.version) for m in told.downstream.came}) == 12 * 8, "every change to be told")
    eventually(lambda: not told.reactions(status="pending"), "all to be settled")
    for who in whose:
        # What was under way when its sender died may come late, and once more; each comes first in its place.
        versions = dict.fromkeys(message.version for message in told.downstream.came if message.reference == who)
        assert list(versions) == list(range(1, 9))


def test_an_example_can_be_sent_and_what_is_configured_wrongly_is_told(told: Telling) -> None:
    sent = told.service.standing("notify", "test", "--yes")
    assert (sent.returncode, "took it: 200 thanks" in sent.stdout) == (0, True)
    [message] = told.downstream.came
    Webhook(SECRETS[1]).verify(message.body, message.headers)
    assert message.json["data"]["environment"] == "sandbox"
    told.downstream.answer = lambda _: Reply(400)
    assert told.service.standing("notify", "test", "--yes").returncode == 1
    told.service.environment |= {"NOTIFY_URLS": "http://user:word@example.com", "NOTIFY_ON": "some", "NOTIFY_SECRETS": "short"}
    wrong = told.service.standing("doctor").stdout
    assert [name for name in ("NOTIFY_URLS", "NOTIFY_ON", "NOTIFY_SECRETS") if name not in wrong] == []
    assert "word" not in wrong
