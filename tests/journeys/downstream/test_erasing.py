"""Downstream is told once that an applicant was erased, and nothing more of what was to be told before."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.journeys.downstream.test_following import EXAMPLES, following, tell
from tests.journeys.downstream.test_reacting import Telling, telling, warnings
from tests.support import payloads
from tests.support.downstream import Downstream, Reply
from tests.support.privacy.calls import erased, restricted
from tests.support.service import Service, eventually


def test_an_endpoint_gets_the_notice_whatever_it_is_notified_of(database_url: str, redis_url: str, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    with Downstream() as downstream, telling(database_url, redis_url, tmp_path, downstream, NOTIFY_ON="adverse") as told:
        told.approve(who)
        told.reject(who)
        told.came(1)
        made = erased(told.service, vendor="idngo", reference=who)
        notice = told.came(2)[1].json
        assert (notice["type"], notice["data"]["reference"], notice["data"]["erasure_id"]) == ("applicant.erased", who, made)
        assert notice["data"] == told.service.get("/v1/changes").json["data"][-1]
        shown = eventually(lambda: [one for one in told.reactions() if one["to"] == "erased" and one["reference"]], "the reaction")
        assert [one["reference"] for one in shown] == [who]
        # Those of the changes stay in the list, and name nobody.
        assert {one["reference"] for one in told.reactions()} == {who, None}


def test_what_waits_gives_way_to_the_notice(told: Telling) -> None:
    who = payloads.new_applicant()
    told.downstream.answer = lambda _: Reply(503)
    told.approve(who)
    told.reject(who)
    told.came(1)
    erased(told.service, vendor="idngo", reference=who)
    # What was under way when it was erased has ended when the notice has its turn.
    eventually(lambda: [row for row in told.reactions() if row["to"] == "erased" and row["said"]], "the notice to be refused, too")
    told.downstream.came.clear()
    told.downstream.answer = lambda _: Reply()
    name = next(one["subscriber"] for one in told.lines("notify", "list") if one["subscriber"] != "log")
    assert told.service.standing("notify", "resume", "--yes", name).returncode == 0
    assert [message.json["type"] for message in told.came(1)] == ["applicant.erased"]
    time.sleep(1)
    assert len(told.downstream.came) == 1


def test_the_fall_of_a_restricted_applicant_is_told_without_the_applicant(told: Telling) -> None:
    who = payloads.new_applicant()
    told.approve(who)
    told.came(1)
    restricted(told.service, vendor="idngo", reference=who)
    told.reject(who)
    sent = [message.json["data"] for message in told.came(3)]
    assert [(one["changed"] == ["restricted"], one["reversal"], one["applicant"]) for one in sent[1:]] == [
        (True, None, None),
        (False, "adverse", None),
    ]
    [warning] = eventually(lambda: warnings(told), "the warning")
    assert (warning["change"], warning["version"]) == (sent[2]["cursor"], None)


@pytest.fixture
def told(database_url: str, redis_url: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    with Downstream() as downstream, telling(database_url, redis_url, tmp_path, downstream) as made:
        yield made


def test_a_reader_of_thirty_lines_erases_too(service: Service, tmp_path: Path) -> None:
    copy, who, other, third = tmp_path / "copy.sqlite3", *(payloads.new_applicant() for _ in range(3))

    def copied() -> dict[str, object]:
        with closing(sqlite3.connect(copy)) as connection, suppress(sqlite3.OperationalError):
            return {who: json.loads(state) for who, state in connection.execute("SELECT reference, state FROM applicants")}
        return {}

    for one in (who, other, third):
        tell(service, one, answer="GREEN")
    with following(service, copy):
        eventually(lambda: set(copied()) == {who, other, third}, "all to be copied")
        erased(service, vendor="idngo", reference=who)
        restricted(service, vendor="idngo", reference=third)
        eventually(lambda: who not in copied() and copied().get(third, "unread") is None, "the copy to follow")
    fresh = tmp_path / "fresh.sqlite3"
    with following(service, fresh):
        copy = fresh
        eventually(lambda: set(copied()) == {other, third}, "a copy from the beginning")


def test_a_function_is_told_of_an_erasure_and_of_a_restricted_ones_fall(database_url: str, redis_url: str, tmp_path: Path) -> None:
    installed, blocked = tmp_path / "installed", tmp_path / "blocked"
    source = tmp_path / "source"
    subprocess.run(["cp", "-r", str(EXAMPLES / "account_blocker"), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    subprocess.run([*pip, str(installed), str(source)], check=True)
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PYTHONPATH": path, "BLOCKED_ACCOUNTS": str(blocked)}
    with Service(tmp_path, settings | {"ENCRYPTION_KEYS": KEY}) as service:
        eventually(lambda: "account_blocker" in service.subscribers(), "it to be known")
        who, case = payloads.new_applicant(), payloads.new_case()
        # A link is a change with a field of its own.
        service.told("ifcgate", payloads.ifcgate(case))
        body = b'{"external_user_id": "user-1"}'
        assert service.request("PUT", f"/v1/links/ifcgate/{case}", body, token="link-me-if-you-may").status == 200
        tell(service, who, answer="GREEN")
        restricted(service, vendor="idngo", reference=who)
        tell(service, who, 1, answer="RED", reject="FINAL", labels=["SANCTIONS"])
        line = eventually(lambda: blocked.read_text() if blocked.exists() else "", "the account to be blocked")
        assert line.split(maxsplit=1)[1] == f"idngo/{who} SANCTIONS\n"
        erased(service, vendor="ifcgate", reference=case)

        def states() -> set[tuple[str, str]]:
            return {(one["to"], one["status"]) for one in service.get("/v1/reactions", subscriber="account_blocker").json["data"]}

        eventually(lambda: ("erased", "done") in states(), "the erasure to be told")
        eventually(lambda: not service.get("/v1/reactions", status="pending").json["data"], "everything to be told")
        assert {status for _, status in states()} == {"done"}
