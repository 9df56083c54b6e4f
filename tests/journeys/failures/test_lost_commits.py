"""A failover that loses commits: readers of the feed, the log and whoever is on call notice it, and the runbook repairs what can be."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from store.system import clock
from tests.conftest import KEY
from tests.docs.test_runbook import BLOCK, RUNBOOK, Trouble, follow, signed_beyond
from tests.support import payloads, servers
from tests.support.downstream import Downstream, Reply
from tests.support.outages import standbys
from tests.support.outages.standbys import Pair
from tests.support.payloads import after
from tests.support.servers import NoPostgres, Postgres
from tests.support.service import Service, eventually


def test_a_failover_that_loses_commits_is_noticed_and_repaired_by_the_runbook(redis_url: str, tmp_path: Path) -> None:
    """The story: the standby lags. An approval falls, which readers see, and the primary breaks down. The standby is promoted: there the
    customer is approved, and the vendor, who was answered 200, does not send again."""
    who, began = payloads.new_applicant(), clock.now()
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(standbys.pair(synchronous=False))
        except NoPostgres as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))
        vendor = stack.enter_context(Downstream(lambda _: Reply(body=told_by_the_vendor(who))))
        settings = {"DATABASE_URL": database_of(pair), "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "WEB_CONCURRENCY": "1"}
        api = {"IDNGO_API_URL": vendor.url(""), "IDNGO_APP_TOKEN": "a-token", "IDNGO_APP_SECRET": "a secret of the API"}
        unsaid = {"IFCGATE_SECRETS": "", "IDENFY_SECRETS": "", "NOTIFY_PRIVATE_HOSTS": "127.0.0.1", "NOTIFY_PLAIN_HTTP": "yes"}
        service = stack.enter_context(Service(tmp_path, settings | api | unsaid))
        cursor = lose_the_fall_of_an_approval(pair, service, who)

        trouble = Trouble(service, tmp_path, {"REFERENCE": who, "TIME": str(clock.rfc3339(began))})
        eventually(lambda: is_noticed(trouble.run("standing status")), "the loss to be noticed")
        assert service.applicant("idngo", who)["status"] == "approved"
        refused = [service.get("/v1/changes", after=one) for one in (cursor, f"{cursor.partition('.')[0]}.1")]
        assert [(answer.status, "lost commits" in answer.json["detail"]) for answer in refused] == [(400, True)] * 2
        eventually(lambda: b"standing_lost_commits_last_day 1.0" in service.get("/metrics", token=None).body, "the metrics to tell it")
        eventually(lambda: "it lost commits" in str(service.get("/readyz").json["attention"]), "/readyz to say so")

        follow(trouble, dict(BLOCK.findall(RUNBOOK))["a failover lost commits"])
        # The vendor sends again, from its dashboard.
        service.told("idngo", fall_of(who))
        assert service.applicant("idngo", who)["status"] == "rejected"
        feed = service.get("/v1/changes").json["data"]
        assert [int(change["cursor"].partition(".")[2]) for change in feed] == [1, 2]
        assert [change["reversal"] for change in feed] == [None, "adverse"]
        assert "wrong" not in trouble.run("standing status")


def is_noticed(status: str) -> bool:
    return "lost commits" in status and "log new-epoch" in status


def database_of(pair: Pair) -> str:
    """A database with the tables; its URL names both servers."""
    pair.primary.execute("CREATE DATABASE standing")
    servers.migrate(url_of(pair.primary))
    return pair.url("standing")


def url_of(server: Postgres) -> str:
    """The URL of this server's database alone."""
    return make_url(server.url).set(database="standing").render_as_string(hide_password=False)


def has_all(server: Postgres) -> bool:
    """Whether a standby has a change, and a checkpoint of the log that covers it."""
    with psycopg.connect(url_of(server)) as session:
        return session.execute("SELECT 1 FROM transitions, log_checkpoints").fetchone() is not None


def lose_the_fall_of_an_approval(pair: Pair, service: Service, who: str) -> str:
    """Fail over to a standby that has the approval, and not its fall; return the cursor of the fall, which a reader got."""
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    signed = eventually(lambda: signed_beyond(0, service), "the approval to be signed")
    eventually(lambda: has_all(pair.standby), "the standby to have it")
    pair.standby.stop()
    service.told("idngo", fall_of(who))
    eventually(lambda: signed_beyond(signed, service), "the fall to be signed")
    cursor = str(service.get("/v1/changes").json["data"][-1]["cursor"])
    pair.primary.stop()
    pair.standby.start()
    pair.standby.promote()
    return cursor


def fall_of(who: str) -> dict[str, Any]:
    return payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=1))


def told_by_the_vendor(who: str) -> bytes:
    result = {"reviewAnswer": "RED", "reviewRejectType": "FINAL"}
    review = {"reviewStatus": "completed", "reviewDate": "2026-06-01 10:00:00+0000", "reviewResult": result}
    return json.dumps({"id": who, "review": review}).encode()
