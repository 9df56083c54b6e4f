"""Subscribers over HTTP: who is notified, what waits, and having it tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.journeys.downstream.test_reacting import Telling, telling
from tests.receiver.connections.test_strangers import OPERATOR, READER
from tests.support import payloads
from tests.support.downstream import Downstream, Reply
from tests.support.privacy.calls import OFFICER, send
from tests.support.service import eventually


@pytest.fixture
def told(database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Telling]:
    settings = getattr(request, "param", {})
    with ExitStack() as stack:
        downstream = stack.enter_context(Downstream())
        yield stack.enter_context(telling(database_url, redis_url, tmp_path, downstream, f"accounts={downstream.url()}", **settings))


def subscriber(told: Telling, name: str = "accounts") -> dict[str, Any]:
    """A subscriber as a reader sees it."""
    [found] = [one for one in told.service.get("/v1/subscribers", token=READER).json["data"] if one["subscriber"] == name]
    return dict(found)


def acts(told: Telling) -> list[tuple[str, str, str, str | None, int | None]]:
    listed = told.service.get("/v1/audit", token=OPERATOR).json["data"]
    return [tuple(act[name] for name in ("actor", "action", "subject", "reason", "touched")) for act in listed]  # type: ignore[misc]


def test_one_that_answered_410_is_shown_and_is_told_of_all_that_waits_once_it_is_resumed(told: Telling) -> None:
    quiet = {"configured": True, "pending": 0, "adverse": 0, "refused": 0, "failed": 0, "oldest_at": None, "said": None}
    assert quiet.items() <= subscriber(told).items()
    assert quiet.items() <= subscriber(told, "log").items()
    told.downstream.answer = lambda _: Reply(410)
    who = payloads.new_applicant()
    told.approve(who)
    told.reject(who)
    stopped = eventually(lambda: (one := subscriber(told))["stopped_at"] and one["pending"] == 2 and one, "it to be stopped")
    assert (stopped["adverse"], stopped["failed"]) == (1, 0)
    assert stopped["oldest_at"] == told.service.get("/v1/changes").json["data"][0]["at"]
    [listed] = [one for one in told.lines("notify", "list") if one["subscriber"] == "accounts"]
    assert (listed["key"], listed["pending"], listed["stopped_at"]) == (stopped["key"], 2, stopped["stopped_at"])
    told.downstream.answer = lambda _: Reply()
    path = f"/v1/subscribers/{quote(stopped['key'])}/resume"
    assert [send(told.service, path, token=token).status for token in (READER, OFFICER)] == [403, 403]
    resumed = send(told.service, path, token=OPERATOR, reason="downstream is repaired")
    assert (resumed.status, resumed.json["key"], resumed.json["stopped_at"]) == (200, stopped["key"], None)
    eventually(lambda: subscriber(told)["pending"] == 0, "it to be told")
    subject = f"subscriber accounts ({stopped['key']})"
    assert acts(told)[-1] == ("night", "resume", subject, "downstream is repaired", None)


def test_an_unknown_subscriber_is_not_resumed(told: Telling) -> None:
    for key in ("accounts", "nowhere", "%00", "%ff"):
        assert send(told.service, f"/v1/subscribers/{key}/resume", token=OPERATOR).status == 404
    assert acts(told) == []


@pytest.mark.parametrize("told", [{"REACTION_ATTEMPTS_MAX": "1"}], indirect=True, ids=["one attempt"])
def test_all_that_gave_up_are_run_again_of_one_subscriber_or_of_all(told: Telling) -> None:
    told.downstream.answer = lambda _: Reply(422)
    for _ in range(2):
        told.approve(payloads.new_applicant())
    eventually(lambda: subscriber(told)["failed"] == 2, "both to have given up", seconds=40)
    told.downstream.answer = lambda _: Reply()
    assert send(told.service, "/v1/reactions/run", token=READER, reason="x").status == 403
    assert send(told.service, "/v1/reactions/run", token=OPERATOR).status == 400
    of_log = send(told.service, "/v1/reactions/run", token=OPERATOR, subscriber="log", reason="of another")
    assert (of_log.status, of_log.json) == (202, {"status": "accepted", "reactions": 0})
    assert subscriber(told)["failed"] == 2
    of_all = send(told.service, "/v1/reactions/run", token=OPERATOR, subscriber=None, reason="repaired")
    assert (of_all.status, of_all.json) == (202, {"status": "accepted", "reactions": 2})
    eventually(lambda: len(told.reactions(status="done", subscriber="accounts")) == 2, "both to be done")
    assert acts(told)[-2:] == [
        ("night", "run reactions", "all that gave up of log", "of another", 0),
        ("night", "run reactions", "all that gave up", "repaired", 2),
    ]
