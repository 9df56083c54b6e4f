"""What somebody should look at, although nothing is broken: silent vendors, refusals, bodies that are too large, secrets that rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from store import database
from store.database.count_tables import Tally
from store.database.operations_tables import SecretUse
from store.database.tables import ApplicantRow
from store.operations import anomalies, delivery_counts
from store.operations.delivery_counts import SLICE, Counts
from store.system import clock
from tests.conftest import BODY_BYTES_MAX, KEY
from tests.support import payloads, signing
from tests.support.service import Service, end, eventually

DAY = timedelta(days=1)

MEASURER = "measure-me-if-you-may"


@pytest.fixture
def watched(database_url: str, redis_url: str, tmp_path: Path, kept: str) -> Iterator[Service]:
    """A service whose counts this process may change, as the passing of days would."""
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "MAX_BODY_BYTES": str(BODY_BYTES_MAX)}
    settings["METRICS_TOKENS"] = MEASURER
    with Service(tmp_path, settings | {"IDNGO_SECRETS": f"{signing.IDNGO_SECRET},an older one"}) as service:
        eventually(lambda: service.standing("status").returncode == 0, "the worker and the web processes to be known")
        yield service


def lines(service: Service, *command: str, status: int = 0) -> list[dict[str, Any]]:
    done = service.standing(*command, "--json")
    assert done.returncode == status, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def line(service: Service, about: str, says: str = "") -> dict[str, Any] | None:
    """What status says about something, as far as it says that."""
    return next((found for found in lines(service, "status") if found["about"] == about and says in found["says"]), None)


def came(vendor: str, *, ago: timedelta, count: int, answer: str = "accepted") -> None:
    """Deliveries that came so long ago."""
    at = clock.now() - ago
    with database.begin() as connection:
        values = {"vendor": vendor, "environment": "live", "answer": answer, "since": at, "last_at": at, "count": count}
        connection.execute(database.insert(Tally).values(**values))


def sight(vendor: str) -> anomalies.VendorSight:
    with database.reading() as connection:
        return next(one for one in anomalies.vendors(connection, environment="live") if one.vendor == vendor)


def test_a_vendor_is_silent_when_what_usually_comes_at_this_time_does_not(kept: str) -> None:
    for days in range(1, 8):
        came("idngo", ago=days * DAY + timedelta(hours=1), count=30)
        came("idngo", ago=days * DAY, count=30)
    came("idngo", ago=8 * DAY, count=1)
    came("idngo", ago=timedelta(hours=2), count=5)
    assert (sight("idngo").missing, sight("idngo").is_silent) == (60, True)
    assert sight("idngo").silent_seconds == pytest.approx(7200, abs=60)
    came("idngo", ago=timedelta(minutes=1), count=1)
    assert (sight("idngo").missing, sight("idngo").is_silent) == (0, False)


def test_a_vendor_that_rests_on_this_weekday_is_not_missed(kept: str) -> None:
    for days in range(1, 7):
        came("idenfy", ago=days * DAY + timedelta(hours=1), count=30)
    came("idenfy", ago=8 * DAY, count=1)
    came("idenfy", ago=timedelta(hours=2), count=5)
    assert (sight("idenfy").missing, sight("idenfy").is_silent) == (0, False)


def test_one_bad_day_makes_no_usual_one_and_a_newcomer_is_not_missed(kept: str) -> None:
    came("idngo", ago=3 * DAY, count=1)
    came("idngo", ago=2 * DAY + timedelta(hours=1), count=1000)
    came("idngo", ago=timedelta(hours=2), count=5)
    assert sight("idngo").missing == 500  # The median of a thousand and nothing: two days are not much to know.
    came("idenfy", ago=timedelta(hours=3), count=500)
    assert sight("idenfy").missing == 0


def test_what_the_status_says_when_all_is_well(watched: Service) -> None:
    watched.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    found = eventually(lambda: line(watched, "idngo") or {}, "the count")
    assert re.fullmatch(r"last delivery \d+ (seconds|minutes?) ago", eventually(lambda: came_in(watched), "the delivery to be counted"))
    eventually(lambda: "2 processes" in (line(watched, "web") or {}).get("says", ""), "both web processes to be known")
    assert found["look"] in ("", "standing secrets")
    secret = eventually(lambda: [one["about"] for one in lines(watched, "status") if " secret " in one["about"]], "the older secret")[0]
    verdicts = {
        "database": "ok", "queue": "ok", "web": "ok", "workers": "ok", "backlog": "ok", "failed": "ok", "unreadable": "ok",
        "review": "ok", "reversals": "ok", "log": "ok", "reactions": "ok", "idngo": "ok", "idenfy": "look", "ifcgate": "look",
        secret: "look",
    }  # fmt: skip
    # Status leaves out what takes it too long.
    eventually(lambda: {one["about"]: one["verdict"] for one in lines(watched, "status")} == verdicts, "status to tell all")
    eventually(lambda: "2 processes on 1 host" in watched.standing("status").stdout, "the screen to tell it")
    eventually(lambda: watched.get("/readyz").json["status"] == "ok", "readiness without a flaw")


def came_in(service: Service) -> str | None:
    says: str = (line(service, "idngo") or {}).get("says", "")
    return says if says.startswith("last delivery") else None


def test_the_status_names_what_is_wrong_with_the_command_to_look_closer(watched: Service, tmp_path: Path) -> None:
    who = payloads.new_applicant()
    watched.told("idngo", payloads.idngo(who, answer="GREEN"))
    watched.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=payloads.after(minutes=1)))
    watched.told("idngo", {"applicantId": payloads.new_applicant()})
    waits = payloads.new_applicant()
    watched.told("idngo", payloads.idngo(waits, "applicantPending", status="pending"))
    with database.begin() as connection:
        long_ago = clock.now() - 10 * DAY
        connection.execute(update(ApplicantRow).where(ApplicantRow.reference == waits).values(updated_at=long_ago))
    looks = {
        "reversals": "standing reversals", "unreadable": "standing failed list --unreadable",
        "in review": "standing applicants list --status in_review",
    }  # fmt: skip
    # Status leaves out what takes it too long.
    eventually(lambda: looks.items() <= {one["about"]: one["look"] for one in lines(watched, "status")}.items(), "status to tell all")
    for process in watched.processes:
        end(process)
    wrong = {one["about"]: one for one in lines(watched, "status", status=1) if one["verdict"] == "wrong"}
    assert "workers" in wrong
    watched.environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'nowhere' / 'standing.sqlite3'}"
    away = lines(watched, "status", status=1)
    assert [one["about"] for one in away] == ["database", "queue"]


def test_the_web_processes_that_ended_are_not_counted(watched: Service) -> None:
    eventually(lambda: "2 processes" in (line(watched, "web") or {}).get("says", ""), "both to be known")
    end(watched.web)
    says = eventually(lambda: [one["says"] for one in lines(watched, "status", status=1) if one["about"] == "web"], "status to tell it")
    assert says[0].startswith("no web process is running")


def test_a_surge_of_refusals_and_bodies_that_are_too_large_are_told_everywhere(watched: Service) -> None:
    for _ in range(12):
        assert watched.deliver("idenfy", payloads.idenfy(payloads.new_scan(), "APPROVED"), secret="not theirs").status == 401
    signed = b"x" * (BODY_BYTES_MAX + 1)
    assert watched.deliver("idngo", signed).status == 413
    assert watched.request("POST", "/webhooks/ifcgate", signed).status == 413  # Nobody signed it.

    def counted() -> list[dict[str, Any]] | None:
        # Each web process adds its counts by itself.
        found = lines(watched, "status")
        return found if len([one for one in found if "12 of 12 refused" in one["says"] or "larger" in one["says"]]) == 2 else None

    found = eventually(counted, "the counts to be told")
    (surge,) = (one for one in found if "refused" in one["says"])
    (large,) = (one for one in found if "larger" in one["says"])
    assert (surge["about"], surge["says"]) == (
        "idenfy",
        "12 of 12 refused lately: an attack, or a secret was changed on one side alone",
    )
    assert (large["about"], large["says"]) == ("idngo", "1 delivery larger than MAX_BODY_BYTES in the last day")
    assert [one["verdict"] for one in found if one["about"] == "ifcgate"] == ["look"]

    both = {f"{one['about']}: {one['says']}" for one in (surge, large)}
    eventually(lambda: both <= set(watched.get("/readyz").json["attention"]), "/readyz to tell it")
    eventually(lambda: watched.get("/readyz").json["status"] == "ok", "nothing to degrade it")

    def metrics() -> str:
        return watched.get("/metrics", token=MEASURER).body.decode()

    too_large = 'standing_deliveries_total{answer="too_large",vendor="idngo"} 1.0'
    eventually(lambda: too_large in metrics(), "the metrics to be made again")


def test_approvals_that_are_not_understood_are_told_everywhere_by_vendor(watched: Service) -> None:
    labelled = {"reviewAnswer": "GREEN", "rejectLabels": [{"label": "SANCTIONS"}]}
    watched.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN", reviewResult=labelled))
    watched.told("ifcgate", payloads.ifcgate(payloads.new_case()))

    def shown() -> dict[str, Any] | None:
        # Web processes add their counts within seconds.
        return line(watched, "idngo", "last delivery") and line(watched, "idngo", "NOT_UNDERSTOOD")

    found = eventually(shown, "status to show the delivery and what is not understood")
    assert "1 approval of the last day NOT_UNDERSTOOD" in found["says"]
    assert found["look"] == "standing review"
    assert line(watched, "ifcgate", "NOT_UNDERSTOOD") is None

    def ready() -> dict[str, Any] | None:
        told = watched.get("/readyz").json
        return told if any("NOT_UNDERSTOOD" in one for one in told["attention"]) and told["vendors"]["idngo"]["not_understood"] else None

    told = eventually(ready, "/readyz")
    assert [one for one in told["attention"] if "NOT_UNDERSTOOD" in one] == [f"idngo: {found['says']}"]
    assert told["vendors"]["idngo"]["not_understood"] == 1
    count = 'standing_approvals_not_understood_last_day{vendor="%s"} %s'
    both = {count % ("idngo", "1.0"), count % ("ifcgate", "0.0")}
    eventually(lambda: both <= set(watched.get("/metrics", token=MEASURER).body.decode().splitlines()), "the metrics to tell it")


def test_secrets_tell_when_they_last_matched_and_which_may_be_taken_away(watched: Service) -> None:
    body = payloads.idngo(payloads.new_applicant(), answer="GREEN")
    watched.told("idngo", body, secret="an older one")
    watched.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))

    def used() -> list[dict[str, Any]] | None:
        live = [one for one in lines(watched, "secrets") if (one["vendor"], one["environment"]) == ("idngo", "live")]
        return live if all(one["matches"] == 1 for one in live) else None

    new, old = eventually(used, "both matches to be told")
    assert (new["newest"], new["says"]) == (True, "in use")
    assert old["says"].startswith("old, and still matches")
    with database.begin() as connection:
        rested = update(SecretUse).where(SecretUse.fingerprint == old["fingerprint"])
        connection.execute(rested.values(last_at=clock.now() - 4 * DAY))
    assert lines(watched, "secrets")[[one["vendor"] for one in lines(watched, "secrets")].index("idngo") + 1]["says"].endswith(
        "may be taken away"
    )
    told = watched.standing("secrets").stdout + watched.get("/metrics", token=MEASURER).body.decode()
    assert old["fingerprint"] in told
    assert signing.IDNGO_SECRET not in told
    assert "an older one" not in told


def test_counts_that_could_not_be_told_are_kept_and_several_processes_add_up(kept: str) -> None:
    counts, more = Counts(), Counts()
    for some in (counts, more):
        some.note(vendor="idngo", environment="live", answer="accepted", signed_with="abcd")
    counts.take_back(more)
    delivery_counts.tell(counts, process="one", spool_bytes=0)
    delivery_counts.tell(more, process="two", spool_bytes=7)
    with database.reading() as connection:
        assert connection.scalars(select(Tally.count)).all() == [3]
        assert delivery_counts.secret_uses(connection)["idngo", "abcd"].count == 3
        assert [tuple(row) for row in delivery_counts.web_processes(connection)] == [("one", 0), ("two", 7)]
    came("idngo", ago=9 * DAY, count=1)
    delivery_counts.forget_old()
    with database.reading() as connection:
        assert connection.scalars(select(Tally.count)).all() == [3]
    assert SLICE < anomalies.LATELY
