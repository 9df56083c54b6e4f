"""What downstream reads: lists to their end, filters, a person across vendors, the feed; and the few things it may do."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from receiver.monitoring.health import REMEMBERED_SECONDS
from store.database.operations_tables import Act
from tests.support import payloads, signing
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, send
from tests.support.service import Answer, Service, eventually

READER, LINKER, OPERATOR = "read-me-if-you-may", "link-me-if-you-may", "operate-me-if-you-may"


def someone() -> str:
    """Your own id of a person whom no other test knows."""
    return f"user-{uuid.uuid4().hex[:12]}"


def walk(service: Service, path: str, *, limit: int, **query: object) -> list[dict[str, Any]]:
    """A list, page by page to its end."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, object] = {}
    while True:
        page = service.get(path, limit=limit, **query, **cursor).json
        assert set(page) == {"data", "next_cursor", "has_more"}
        rows += page["data"]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return rows
        assert len(page["data"]) == limit
        assert page["next_cursor"] != cursor.get("cursor"), "the list does not go on"
        cursor = {"cursor": page["next_cursor"]}


def walk_feed(service: Service, *, limit: int, **query: object) -> list[dict[str, Any]]:
    """The feed, page by page from its beginning until there is nothing more."""
    rows: list[dict[str, Any]] = []
    while True:
        page = service.get("/v1/changes", limit=limit, **query).json
        if not page["data"]:
            assert not page["has_more"]
            assert page["next_cursor"] == query.get("after", page["next_cursor"])
            return rows
        rows += page["data"]
        assert page["next_cursor"] == rows[-1]["cursor"] != query.get("after")
        query["after"] = page["next_cursor"]


def references(rows: list[dict[str, Any]]) -> set[str]:
    """Whom changes name; those of the erased name no applicant."""
    return {row["reference"] for row in rows if "reference" in row}


def end_of_feed(service: Service) -> str:
    """The cursor of the feed's last change."""
    last: str = walk_feed(service, limit=500)[-1]["cursor"]
    return last


def acts(service: Service) -> list[tuple[str, str, str]]:
    """What persons with a right did, as the database remembers it: actor, action, subject."""
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(select(Act.actor, Act.action, Act.subject).order_by(Act.id))
        return [(actor, action, subject) for actor, action, subject in rows]


# a population ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Population:
    """Applicants of one person, a few in each state, at two vendors and in both environments."""

    service: Service
    user: str
    approved: str
    blacklisted: str
    asked_again: str
    scanned: str
    in_sandbox: str
    #: When all but the last three of them had been told.
    midway: str

    @property
    def live(self) -> set[str]:
        return {self.approved, self.blacklisted, self.asked_again, self.scanned}


@pytest.fixture(scope="module")
def population(running: Service) -> Population:
    user = someone()
    approved, blacklisted, asked_again, in_sandbox = (payloads.new_applicant() for _ in range(4))
    scanned = payloads.new_scan()
    running.told("idngo", payloads.idngo(approved, "applicantPending", status="pending", externalUserId=user))
    running.told("idngo", payloads.idngo(approved, answer="GREEN", at=after(minutes=1), externalUserId=user))
    midway = running.applicant("idngo", approved)["updated_at"]
    time.sleep(0.01)  # Times are told in milliseconds.
    blacklisting = payloads.idngo(blacklisted, answer="RED", reject="FINAL", labels=["BLACKLIST", "PEP"], externalUserId=user)
    running.told("idngo", blacklisting)
    running.told("idngo", payloads.idngo(asked_again, answer="RED", reject="RETRY", labels=["LOW_QUALITY"], externalUserId=user))
    running.told("idenfy", payloads.idenfy(scanned, "SUSPECTED", tags=["SANCTIONS_SUSPECTION"], clientId=user))
    running.told("idngo", payloads.idngo(in_sandbox, answer="GREEN", externalUserId=user, sandboxMode=True))
    return Population(running, user, approved, blacklisted, asked_again, scanned, in_sandbox, midway)


# lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_applicants_page_to_their_end(population: Population, limit: int) -> None:
    rows = walk(population.service, "/v1/applicants", limit=limit, external_user_id=population.user)
    assert rows == population.service.get("/v1/applicants", limit=500, external_user_id=population.user).json["data"]
    assert len(rows) == 4
    assert references(rows) == population.live
    # As times, not as texts: a whole second is told without its milliseconds, and "03Z" sorts after "03.095Z".
    times = [datetime.fromisoformat(row["updated_at"]) for row in rows]
    assert times == sorted(times)


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_events_page_to_their_end(population: Population, limit: int) -> None:
    rows = walk(population.service, "/v1/events", limit=limit, reference=population.approved)
    assert [(row["event_type"], row["status"]) for row in rows] == [("applicantPending", "applied"), ("applicantReviewed", "applied")]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_a_history_pages_to_its_end(population: Population, limit: int) -> None:
    rows = walk(population.service, f"/v1/applicants/idngo/{population.approved}/history", limit=limit)
    assert [(row["from"], row["to"], row["reversal"]) for row in rows] == [(None, "in_review", None), ("in_review", "approved", None)]
    assert set(rows[0]) == {"number", "from", "to", "reversal", "changed", "reasons", "event_id", "as_of", "at", "code_version"}


@pytest.mark.parametrize("limit", [1, 2, 7, 500])
def test_the_feed_pages_to_its_end(population: Population, limit: int) -> None:
    rows = walk_feed(population.service, limit=limit)
    assert len({row["cursor"] for row in rows}) == len(rows)
    ours = [(row["reference"], row["type"]) for row in rows if row.get("reference") in population.live | {population.in_sandbox}]
    assert ours == [
        (population.approved, "applicant.in_review"),
        (population.approved, "applicant.approved"),
        (population.blacklisted, "applicant.rejected"),
        (population.asked_again, "applicant.resubmission_requested"),
        (population.scanned, "applicant.needs_review"),
    ]


def test_a_list_gives_fifty_unless_told_otherwise(running: Service) -> None:
    user = someone()
    who = [payloads.new_applicant() for _ in range(51)]
    for event_id in [running.kept("idngo", payloads.idngo(one, answer="GREEN", externalUserId=user)) for one in who]:
        running.settled(event_id)
    page = running.get("/v1/applicants", external_user_id=user).json
    assert (len(page["data"]), page["has_more"]) == (50, True)
    rest = running.get("/v1/applicants", external_user_id=user, cursor=page["next_cursor"]).json
    assert (len(rest["data"]), rest["has_more"], rest["next_cursor"]) == (1, False, None)
    assert references(page["data"] + rest["data"]) == set(who)
    for path in ("/v1/events", "/v1/changes"):
        assert len(running.get(path).json["data"]) == 50


def test_applicants_that_changed_at_the_same_instant_are_neither_skipped_nor_repeated(running: Service) -> None:
    # One monitoring changes all its scans in one transaction.
    scans = [payloads.new_scan() for _ in range(7)]
    running.told("idenfy", payloads.idenfy_monitoring(scans, monitoring=someone()), event_type="AML_MONITORING")
    for limit in (1, 2, 3):
        rows = walk(running, "/v1/applicants", limit=limit, vendor="idenfy", hit="aml")
        assert sorted(row["reference"] for row in rows if row["reference"] in scans) == sorted(scans)


# filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "approved"}, {"approved"}),
        ({"status": "rejected"}, {"blacklisted"}),
        ({"status": "deleted"}, set()),
        ({"hit": "blacklist"}, {"blacklisted"}),
        ({"hit": "pep"}, {"blacklisted"}),
        ({"hit": "sanctions"}, {"scanned"}),
        ({"hit": "criminal"}, set()),
        ({"vendor": "idenfy"}, {"scanned"}),
        ({"vendor": "idngo"}, {"approved", "blacklisted", "asked_again"}),
        ({"vendor": "ifcgate"}, set()),
        ({"vendor": "idngo", "status": "resubmission_requested"}, {"asked_again"}),
        ({"vendor": "idenfy", "status": "approved"}, set()),
        ({"environment": "sandbox"}, {"in_sandbox"}),
        ({"environment": "sandbox", "status": "rejected"}, set()),
        ({"environment": "live"}, {"approved", "blacklisted", "asked_again", "scanned"}),
    ],
    # A set has no order, and its name is to be the same in every process.
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_applicants_are_filtered(population: Population, query: dict[str, str], found: set[str]) -> None:
    expected = {getattr(population, name) for name in found}
    of_one_person = walk(population.service, "/v1/applicants", limit=500, external_user_id=population.user, **query)
    of_everyone = walk(population.service, "/v1/applicants", limit=500, **query)
    assert references(of_one_person) == expected
    assert references(of_everyone) & (population.live | {population.in_sandbox}) == expected


def test_a_filter_by_person_finds_no_one_else(population: Population) -> None:
    for stranger in (population.user[:-1], population.user.upper(), "%", population.user + " "):
        assert population.service.get("/v1/applicants", external_user_id=stranger).json["data"] == []


def test_applicants_are_filtered_by_their_last_change(population: Population) -> None:
    later = population.service.get("/v1/applicants", external_user_id=population.user, updated_after=with_zone(population.midway)).json[
        "data"
    ]
    assert references(later) == population.live - {population.approved}
    assert population.service.get("/v1/applicants", updated_after="2199-01-01T00:00:00Z").json["data"] == []


def test_applicants_are_filtered_up_to_their_last_change(population: Population) -> None:
    wanted = {"external_user_id": population.user, "updated_before": with_zone(population.midway)}
    assert references(population.service.get("/v1/applicants", **wanted).json["data"]) == {population.approved}


@pytest.mark.parametrize("name", ["approved", "scanned"])
def test_an_applicant_is_found_by_its_reference_alone(population: Population, name: str) -> None:
    reference = getattr(population, name)
    assert references(population.service.get("/v1/applicants", reference=reference).json["data"]) == {reference}
    for query in ({"reference": reference[:-1]}, {"reference": reference, "vendor": "ifcgate"}, {"reference": population.in_sandbox}):
        assert population.service.get("/v1/applicants", **query).json["data"] == []


def test_applicants_are_filtered_by_a_flag(running: Service) -> None:
    scan = payloads.new_scan()
    running.told("idenfy", payloads.idenfy(scan, "APPROVED"))
    running.told("idenfy", payloads.idenfy_monitoring([scan], monitoring=someone()), event_type="AML_MONITORING")
    assert running.applicant("idenfy", scan)["flags"] == ["MONITORING_ALERT"]
    assert references(running.get("/v1/applicants", reference=scan, flag="MONITORING_ALERT").json["data"]) == {scan}
    assert running.get("/v1/applicants", reference=scan, flag="DOCUMENT_EXPIRED").json["data"] == []


def with_zone(told: str) -> str:
    """A time as told, which is cut to milliseconds, rounded up and as another zone's clock shows it."""
    moment = datetime.fromisoformat(told) + timedelta(milliseconds=1)
    return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 2),
        ({"vendor": "idngo"}, 2),
        ({"vendor": "idenfy"}, 0),
        ({"status": "applied"}, 2),
        ({"status": "pending"}, 0),
        ({"status": "unreadable"}, 0),
        ({"event_type": "applicantReviewed", "error": "approved"}, 1),
        ({"event_type": "applicantReviewed", "error": "rejected"}, 0),
        ({"environment": "sandbox"}, 0),
        ({"received_after": "2020-01-01T00:00:00Z"}, 2),
        ({"received_after": "2199-01-01T00:00:00+02:00"}, 0),
    ],
    ids=str,
)
def test_events_are_filtered(population: Population, query: dict[str, str], found: int) -> None:
    rows = population.service.get("/v1/events", reference=population.approved, **query).json["data"]
    assert len(rows) == found


def test_events_are_filtered_without_a_reference(population: Population) -> None:
    for query in ({"vendor": "idenfy"}, {"status": "applied"}, {"environment": "sandbox"}):
        (name, value), *_ = query.items()
        rows = walk(population.service, "/v1/events", limit=500, **query)
        assert {row[name] for row in rows} == {value}


def test_an_event_is_found_under_every_applicant_that_it_names(running: Service) -> None:
    scans = [payloads.new_scan() for _ in range(3)]
    event = running.told("idenfy", payloads.idenfy_monitoring(scans, monitoring=someone()), event_type="AML_MONITORING")
    for scan in scans:
        assert [row["id"] for row in running.get("/v1/events", reference=scan).json["data"]] == [event["id"]]


def test_the_applicants_that_an_event_names_are_listed_with_what_it_said_of_each(running: Service) -> None:
    scans = sorted(payloads.new_scan() for _ in range(3))
    running.told("idenfy", payloads.idenfy(scans[0], "APPROVED"))
    event = running.told("idenfy", payloads.idenfy_monitoring(scans, "ALERT", monitoring=someone()), event_type="AML_MONITORING")
    path = f"/v1/events/{event['id']}/applicants"
    named = walk(running, path, limit=2)
    assert [one["reference"] for one in named] == scans
    assert {one["outcome"] for one in named} == {"applied"}
    for one in named:
        assert one["status"] == running.applicant("idenfy", one["reference"])["status"]
        explained = running.get(f"/v1/applicants/idenfy/{one['reference']}/explanation").json["data"][-1]
        assert {name: one[name] for name in ("said", "meant", "why", "superseded_by")}.items() <= explained.items()
    assert running.get("/v1/events/nowhere/applicants").status == 404


# environments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/applicants/idngo/{}", "/v1/applicants/idngo/{}/history"])
def test_the_sandbox_is_shown_to_those_alone_who_ask_for_it(population: Population, path: str) -> None:
    address = path.format(population.in_sandbox)
    assert population.service.get(address).status == 404
    assert population.service.get(address, environment="live").status == 404
    assert population.service.get(address, environment="sandbox").status == 200


def test_the_feeds_of_live_and_sandbox_are_apart(population: Population) -> None:
    live, sandbox = (walk_feed(population.service, limit=500, environment=environment) for environment in ("live", "sandbox"))
    assert population.in_sandbox not in references(live)
    assert population.in_sandbox in references(sandbox)
    assert {row["environment"] for row in sandbox} == {"sandbox"}


def test_one_reference_in_both_environments_is_two_applicants(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL"), secret=signing.IDNGO_SANDBOX_SECRET)
    assert running.applicant("idngo", who)["status"] == "approved"
    assert running.applicant("idngo", who, environment="sandbox")["status"] == "rejected"


def test_a_link_holds_in_its_environment_alone(running: Service) -> None:
    case, user = payloads.new_case(), someone()
    send(running, f"/v1/links/ifcgate/{case}?environment=sandbox", method="PUT", token=LINKER, external_user_id=user)
    running.told("ifcgate", payloads.ifcgate(case))
    running.told("ifcgate", payloads.ifcgate(case, sandboxMode=True))
    assert running.applicant("ifcgate", case)["external_user_id"] is None
    assert running.applicant("ifcgate", case, environment="sandbox")["external_user_id"] == user


# a person across vendors --------------------------------------------------------------------------------------


def access_of(service: Service, user: str) -> tuple[list[str], list[str]]:
    """The vendors that approve a person, and those that block."""
    answer = service.get(f"/v1/users/{quote(user, safe='')}")
    assert answer.status == 200, answer.body
    return sorted(answer.json["approving_vendors"]), answer.json["blocking_vendors"]


def test_a_person_is_shown_with_every_vendors_verdict(running: Service) -> None:
    user, who, scan, case = someone(), payloads.new_applicant(), payloads.new_scan(), payloads.new_case()
    running.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId=user))
    running.told("idenfy", payloads.idenfy(scan, "DENIED", clientId=user))
    send(running, f"/v1/links/ifcgate/{case}", method="PUT", token=LINKER, external_user_id=user)
    running.told("ifcgate", payloads.ifcgate(case))
    shown = running.get(f"/v1/users/{user}").json
    assert (shown["external_user_id"], shown["environment"]) == (user, "live")
    assert sorted(shown["approving_vendors"]) == ["idngo", "ifcgate"]
    assert shown["blocking_vendors"] == ["idenfy"]
    assert {row["vendor"]: row for row in shown["data"]} == {
        "idngo": running.applicant("idngo", who),
        "idenfy": running.applicant("idenfy", scan),
        "ifcgate": running.applicant("ifcgate", case),
    }


def test_a_person_whom_no_vendor_knows_is_not_found(running: Service) -> None:
    user = someone()
    send(running, f"/v1/links/ifcgate/{payloads.new_case()}", method="PUT", token=LINKER, external_user_id=user)
    assert running.get(f"/v1/users/{user}").status == 404


def test_a_person_in_the_sandbox_is_no_person_in_the_live_world(population: Population) -> None:
    shown = population.service.get(f"/v1/users/{population.user}", environment="sandbox").json
    assert (shown["approving_vendors"], references(shown["data"])) == (["idngo"], {population.in_sandbox})


def test_what_is_under_way_neither_approves_nor_blocks(running: Service) -> None:
    user = someone()
    running.told("idngo", payloads.idngo(payloads.new_applicant(), "applicantPending", status="pending", externalUserId=user))
    running.told("idenfy", payloads.idenfy(payloads.new_scan(), "SUSPECTED", clientId=user))
    assert access_of(running, user) == ([], [])


def verified(service: Service, user: str, *answers: str) -> list[str]:
    """A person verified so often at one vendor, each time as a new applicant. Gives their references, oldest first."""
    found = [payloads.new_applicant() for _ in answers]
    for reference, answer in zip(found, answers, strict=True):
        labels = {"BLACKLISTED": ["BLACKLIST"]}.get(answer, [])
        result = {"answer": "GREEN"} if answer == "GREEN" else {"answer": "RED", "reject": "FINAL", "labels": labels}
        service.told("idngo", payloads.idngo(reference, externalUserId=user, **result))
    return found


@pytest.mark.parametrize(
    ("answers", "approving", "blocking"),
    [
        (["GREEN"], ["idngo"], []),
        (["RED"], [], ["idngo"]),
        (["RED", "GREEN"], ["idngo"], []),
        (["GREEN", "RED"], [], ["idngo"]),
        (["GREEN", "RED", "GREEN"], ["idngo"], []),
    ],
    ids=str,
)
def test_the_newest_verification_at_a_vendor_counts(
    running: Service, answers: list[str], approving: list[str], blocking: list[str]
) -> None:
    user = someone()
    verified(running, user, *answers)
    assert access_of(running, user) == (approving, blocking)


def test_late_news_of_an_older_verification_does_not_make_it_the_newest(running: Service) -> None:
    user = someone()
    older, _newer = verified(running, user, "GREEN", "RED")
    running.told("idngo", payloads.idngo(older, answer="GREEN", at=after(days=3), externalUserId=user))
    assert access_of(running, user) == ([], ["idngo"])


def test_verifying_again_does_not_launder_a_hit(running: Service) -> None:
    user = someone()
    verified(running, user, "BLACKLISTED", "GREEN", "GREEN")
    _approving, blocking = access_of(running, user)
    assert blocking == ["idngo"]


def test_verifying_again_does_not_launder_an_open_alert(running: Service) -> None:
    user, monitored, monitoring = someone(), payloads.new_scan(), someone()
    running.told("idenfy", payloads.idenfy(monitored, clientId=user))
    running.told("idenfy", payloads.idenfy_monitoring([monitored], monitoring=monitoring), event_type="AML_MONITORING")
    running.told("idenfy", payloads.idenfy(payloads.new_scan(), clientId=user))
    assert access_of(running, user)[1] == ["idenfy"]
    running.told("idenfy", payloads.idenfy_monitoring([monitored], "ACTIVE", monitoring=monitoring), event_type="AML_MONITORING")
    assert access_of(running, user) == (["idenfy"], [])


# conditional requests -----------------------------------------------------------------------------------------


def ask_again(service: Service, path: str, etag: str) -> Answer:
    return service.request("GET", path, headers={"If-None-Match": etag}, token=READER)


def test_an_answer_that_is_known_is_not_sent_again(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    path = f"/v1/applicants/idngo/{who}"
    etag = running.get(path).headers["etag"]
    answer = ask_again(running, path, etag)
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    assert answer.headers["x-request-id"]


def test_an_answer_that_changed_is_sent_again(running: Service) -> None:
    who = payloads.new_applicant()
    running.told("idngo", payloads.idngo(who, answer="GREEN"))
    path = f"/v1/applicants/idngo/{who}"
    etag = running.get(path).headers["etag"]
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(days=1)))
    answer = ask_again(running, path, etag)
    assert (answer.status, answer.json["status"]) == (200, "rejected")
    assert answer.headers["etag"] != etag


def test_knowing_an_answer_is_no_right_to_it(population: Population) -> None:
    path = f"/v1/applicants/idngo/{population.approved}"
    etag = population.service.get(path).headers["etag"]
    assert population.service.request("GET", path, headers={"If-None-Match": etag}).status == 401


# the feed -----------------------------------------------------------------------------------------------------


def test_a_change_in_the_feed_says_what_the_history_says_and_how_it_then_was(population: Population) -> None:
    service, who = population.service, population.approved
    entries = [row for row in walk_feed(service, limit=500) if row.get("reference") == who]
    own = {"cursor", "type", "vendor", "environment", "reference", "applicant"}
    shown = [{name: value for name, value in entry.items() if name not in own} for entry in entries]
    numbers = [{"number": int(entry["cursor"].partition(".")[2])} for entry in entries]
    assert [number | entry for number, entry in zip(numbers, shown, strict=True)] == service.history("idngo", who)
    assert [entry["applicant"]["status"] for entry in entries] == ["in_review", "approved"]
    # Until when it is kept is part of no change.
    assert entries[-1]["applicant"] | {"keep_until": None} == service.applicant("idngo", who)


def test_latest_is_the_end_of_the_feed(population: Population) -> None:
    service, who = population.service, payloads.new_applicant()
    come_to_rest(service)
    page = service.get("/v1/changes", after="latest").json
    assert (page["data"], page["has_more"]) == ([], False)
    assert service.get("/v1/changes", after=page["next_cursor"]).json == page
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    assert [entry["reference"] for entry in service.get("/v1/changes", after=page["next_cursor"]).json["data"]] == [who]


@dataclass
class Waiting:
    """A reader who waits for the next change, in a thread of its own."""

    thread: threading.Thread
    answers: list[tuple[float, Answer]]

    def ended(self) -> tuple[float, Answer]:
        """The seconds that it took, and the answer."""
        self.thread.join(60)
        return self.answers[0]


def come_to_rest(service: Service) -> None:
    """Wait until all that other tests sent is handled: what is handled later changes the feed."""
    for environment in ("live", "sandbox"):
        eventually(lambda: not service.get("/v1/events", status="pending", environment=environment).json["data"], "all to be handled")  # noqa: B023


def wait_for_a_change(service: Service, **query: object) -> Waiting:
    answers: list[tuple[float, Answer]] = []

    def ask() -> None:
        began = time.monotonic()
        answer = service.get("/v1/changes", **query)
        answers.append((time.monotonic() - began, answer))

    thread = threading.Thread(target=ask)
    thread.start()
    return Waiting(thread, answers)


@pytest.mark.parametrize("place", ["latest", "the last cursor"])
def test_waiting_on_the_feed_ends_when_a_change_comes(population: Population, place: str) -> None:
    service = population.service
    come_to_rest(service)
    waiting = wait_for_a_change(service, after="latest" if place == "latest" else end_of_feed(service), wait=25)
    time.sleep(0.6)
    assert waiting.answers == []
    told: list[str] = []
    while not waiting.answers:  # A busy machine may bring the reader's request later than the first change.
        told.append(payloads.new_applicant())
        service.told("idngo", payloads.idngo(told[-1], answer="GREEN"))
    seconds, answer = waiting.ended()
    assert answer.json["data"], "it waited in vain"
    assert {(row["reference"], row["type"]) for row in answer.json["data"]} <= {(who, "applicant.approved") for who in told}
    assert seconds < 25


def test_waiting_on_the_feed_is_in_vain_when_nothing_comes(population: Population) -> None:
    come_to_rest(population.service)
    end = population.service.get("/v1/changes", after="latest").json
    seconds, answer = wait_for_a_change(population.service, after="latest", wait=0.5).ended()
    assert answer.json == end
    assert 0.5 <= seconds < 20


def test_a_change_in_the_other_environment_ends_no_wait(population: Population) -> None:
    come_to_rest(population.service)
    waiting = wait_for_a_change(population.service, after="latest", wait=1)
    population.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN", sandboxMode=True))
    assert waiting.ended()[1].json["data"] == []


def test_who_does_not_need_to_wait_is_answered_at_once(population: Population) -> None:
    seconds, answer = wait_for_a_change(population.service, wait=25, limit=1).ended()
    assert len(answer.json["data"]) == 1
    assert seconds < 25


def test_a_cursor_of_another_epoch_is_refused(population: Population) -> None:
    _epoch, _, number = end_of_feed(population.service).partition(".")
    answer = population.service.get("/v1/changes", after=f"deadbeef.{number}")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "epoch" in answer.json["detail"]


def test_a_cursor_beyond_the_end_is_refused(population: Population) -> None:
    epoch, _, number = end_of_feed(population.service).partition(".")
    assert population.service.get("/v1/changes", after=f"{epoch}.{int(number) + 1_000_000}").status == 400


# events -------------------------------------------------------------------------------------------------------

BODIES = [
    b"",
    b" ",
    b'{"type" :\t"applicantReviewed",\r\n"applicantId":1 , "applicantId": 2}\n\n',
    '\ufeff{"name": "PERSÖN 🙂 \\u00e9"}'.encode(),
    b"\x00\xff\xfe\r\n\x1b[31m",
    bytes(range(256)) * 4,
]


@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
def test_a_body_is_given_back_byte_for_byte(running: Service, vendor: str) -> None:
    for body in BODIES:
        event_id = running.kept(vendor, body)
        answer = running.get(f"/v1/events/{event_id}/body?reason=ticket+7", token=OPERATOR)
        assert (answer.status, answer.body) == (200, body)
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/octet-stream", "no-store")


def test_who_reads_a_body_is_recorded(running: Service) -> None:
    event_id = running.kept("idngo", payloads.idngo(payloads.new_applicant()))
    running.get(f"/v1/events/{event_id}/body?reason=ticket+7", token=OPERATOR)
    assert [act for act in acts(running) if event_id in act[2]] == [("night", "read a body", f"event {event_id}")]


def test_a_body_may_be_read_without_a_reason_as_the_contract_has_it(running: Service) -> None:
    event_id = running.kept("idngo", payloads.idngo(payloads.new_applicant()))
    assert running.get(f"/v1/events/{event_id}/body", token=OPERATOR).status == 200
    assert [act for act in acts(running) if event_id in act[2]] == [("night", "read a body", f"event {event_id}")]


@pytest.mark.parametrize("reason", ["?reason=", "?reason=%20%20", "?reason=%E2%80%AEevil", f"?reason={'x' * 1001}"])
def test_a_reason_that_is_given_for_reading_a_body_can_be_read(running: Service, reason: str) -> None:
    event_id = running.kept("idngo", payloads.idngo(payloads.new_applicant()))
    answer = running.get(f"/v1/events/{event_id}/body{reason}", token=OPERATOR)
    assert (answer.status, answer.json["detail"]) == (400, "Invalid query parameter 'reason'.")
    assert [act for act in acts(running) if event_id in act[2]] == []


def test_who_only_reads_states_reads_no_body(running: Service) -> None:
    event_id = running.kept("idngo", payloads.idngo(payloads.new_applicant()))
    for token in (READER, LINKER):
        answer = running.get(f"/v1/events/{event_id}/body?reason=x", token=token)
        assert answer.status == 403
        assert b"applicantId" not in answer.body
    assert [act for act in acts(running) if event_id in act[2]] == [(name, "refused", f"event {event_id}") for name in ("reader", "linker")]


def test_an_event_is_described_without_its_body(running: Service) -> None:
    who = payloads.new_applicant()
    event = running.told("idngo", payloads.idngo(who, answer="GREEN"))
    assert {name: value for name, value in event.items() if not name.endswith(("_at", "id", "reason"))} == {
        "vendor": "idngo", "environment": "live", "event_type": "applicantReviewed", "reference": who, "status": "applied",
        "repeat": False, "deliveries": 1, "attempts": 1,
    }  # fmt: skip
    assert event["reason"]
    assert event["occurred_at"] == "2026-05-04T09:30:00.250Z"
    assert datetime.fromisoformat(event["received_at"]) <= datetime.fromisoformat(event["settled_at"])
    assert running.get("/v1/events", reference=who).json["data"] == [event]


def test_deliveries_of_one_event_are_counted(running: Service) -> None:
    body = payloads.idngo(payloads.new_applicant(), answer="GREEN")
    first = running.told("idngo", body)
    for _ in range(2):
        assert running.deliver("idngo", body).json == {"status": "duplicate", "event_id": first["id"]}
    assert running.get(f"/v1/events/{first['id']}").json["deliveries"] == 3


def replayed(service: Service, event: dict[str, Any]) -> dict[str, Any]:
    """Ask for an event to be handled again, and wait until it was. Gives the event."""
    answer = send(service, f"/v1/events/{event['id']}/replay", token=OPERATOR)
    assert (answer.status, answer.json) == (202, {"status": "accepted", "event_id": event["id"]})

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = service.get(f"/v1/events/{event['id']}").json
        return found if found["settled_at"] and found["settled_at"] != event["settled_at"] else None

    return eventually(look, "the event to be handled again")


def test_an_event_is_handled_again_when_asked(running: Service) -> None:
    who = payloads.new_applicant()
    event = running.told("idngo", payloads.idngo(who, answer="GREEN"))
    before = running.applicant("idngo", who)
    again = replayed(running, event)
    assert again["status"] in ("applied", "unchanged")
    assert running.applicant("idngo", who) == before
    assert len(running.history("idngo", who)) == 1


def test_who_asks_for_a_replay_is_recorded(running: Service) -> None:
    event = running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    replayed(running, event)
    assert [act for act in acts(running) if event["id"] in act[2]] == [("night", "replay", f"event {event['id']}")]


def test_who_only_reads_replays_nothing(running: Service) -> None:
    event = running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    for token in (READER, LINKER, None):
        assert running.request("POST", f"/v1/events/{event['id']}/replay", token=token).status in (401, 403)
    assert running.get(f"/v1/events/{event['id']}").json == event


# links --------------------------------------------------------------------------------------------------------


def test_a_case_is_whose_the_linker_says_before_its_events_and_after(running: Service) -> None:
    case, first, second = payloads.new_case(), someone(), someone()
    send(running, f"/v1/links/ifcgate/{case}", method="PUT", token=LINKER, external_user_id=first)
    assert running.get(f"/v1/applicants/ifcgate/{case}").status == 404
    running.told("ifcgate", payloads.ifcgate(case))
    assert running.applicant("ifcgate", case)["external_user_id"] == first
    refusal = send(running, f"/v1/links/ifcgate/{case}", method="PUT", token=LINKER, external_user_id=second)
    assert (refusal.status, running.applicant("ifcgate", case)["external_user_id"]) == (403, first)
    assert send(running, f"/v1/links/ifcgate/{case}", method="PUT", token=OPERATOR, external_user_id=second).status == 200
    assert running.applicant("ifcgate", case)["external_user_id"] == second
    last = running.history("ifcgate", case)[-1]
    assert (last["from"], last["to"], last["changed"], last["event_id"]) == ("approved", "approved", ["external_user_id"], None)
    assert last["linked"] == {"by": "night", "from": first, "to": second}
    moved = [act for act in running.get("/v1/audit", token=OPERATOR, action="link", actor="night").json["data"] if case in act["subject"]]
    assert [act["reason"] for act in moved] == [f"{first} → {second}"]


def test_a_linker_moves_a_case_that_has_no_verdict(running: Service) -> None:
    case, first, second = payloads.new_case(), someone(), someone()
    running.told("ifcgate", payloads.ifcgate(case, "in_review", "case.opened"))
    for user in (first, second, second):
        assert send(running, f"/v1/links/ifcgate/{case}", method="PUT", token=LINKER, external_user_id=user).status == 200
    assert running.applicant("ifcgate", case)["external_user_id"] == second


def test_a_link_that_says_nothing_new_changes_nothing(running: Service) -> None:
    case, user = payloads.new_case(), someone()
    running.told("ifcgate", payloads.ifcgate(case))
    for _ in range(3):
        assert send(running, f"/v1/links/ifcgate/{case}", method="PUT", token=LINKER, external_user_id=user).status == 200
    assert running.applicant("ifcgate", case)["version"] == 2
    assert [act for act in acts(running) if case in act[2]] == [("linker", "link", f"ifcgate live {case}")]


# the description, and the metrics -----------------------------------------------------------------------------

PAGE = {"environment", "limit", "cursor"}
ORDERED = PAGE | {"order"}

DESCRIBED = {
    ("post", "/webhooks/{vendor}"): set(),
    ("get", "/v1/applicants"): ORDERED
    | {"external_user_id", "vendor", "reference", "status", "hit", "flag", "updated_after", "updated_before", "expiring"},
    ("get", "/v1/applicants/{vendor}/{reference}"): {"environment", "at"},
    ("get", "/v1/applicants/{vendor}/{reference}/explanation"): PAGE | {"at"},
    ("get", "/v1/applicants/{vendor}/{reference}/history"): PAGE,
    ("post", "/v1/applicants/{vendor}/{reference}/decisions"): {"environment"},
    ("get", "/v1/decisions"): ORDERED | {"waiting"},
    ("post", "/v1/decisions/{event_id}/confirm"): set(),
    ("post", "/v1/decisions/{event_id}/withdraw"): set(),
    ("get", "/v1/users/{external_user_id}"): PAGE,
    ("get", "/v1/sessions"): set(),
    ("delete", "/v1/sessions/{session_id}"): set(),
    ("get", "/v1/changes"): {"environment", "limit", "after", "wait"},
    ("get", "/v1/changes/stream"): {"environment", "after"},
    ("get", "/v1/reactions"): ORDERED | {"status", "subscriber"},
    ("get", "/v1/reactions/{reaction_id}"): set(),
    ("post", "/v1/reactions/{reaction_id}/run"): set(),
    ("get", "/v1/events"): ORDERED | {"vendor", "status", "event_type", "error", "reference", "received_after"},
    ("post", "/v1/reactions/run"): set(),
    ("get", "/v1/subscribers"): set(),
    ("get", "/v1/reconciliations"): {"environment"},
    ("post", "/v1/reconciliations"): set(),
    ("get", "/v1/reconciliations/{vendor}/findings"): PAGE,
    ("post", "/v1/subscribers/{key}/resume"): set(),
    ("get", "/v1/events/{event_id}"): set(),
    ("get", "/v1/events/{event_id}/applicants"): {"limit", "cursor"},
    ("get", "/v1/events/{event_id}/body"): {"reason"},
    ("get", "/v1/events/{event_id}/masked"): set(),
    ("post", "/v1/events/{event_id}/dismiss"): set(),
    ("post", "/v1/events/{event_id}/replay"): set(),
    ("put", "/v1/links/ifcgate/{case_id}"): {"environment"},
    ("get", "/v1/review"): PAGE | {"older_than"},
    ("put", "/v1/review/{entry}/claim"): {"environment"},
    ("delete", "/v1/review/{entry}/claim"): {"environment"},
    ("get", "/v1/reversals"): ORDERED | {"since", "kind"},
    ("get", "/v1/reversals/current"): ORDERED | {"since", "kind"},
    ("get", "/v1/failed"): {"environment"},
    ("get", "/v1/replays"): {"limit"},
    ("get", "/v1/replays/{replay_id}"): set(),
    ("post", "/v1/replays/{replay_id}/cancel"): set(),
    ("post", "/v1/replays"): set(),
    ("post", "/v1/replays/{replay_id}/run"): set(),
    ("get", "/v1/audit"): ORDERED | {"actor", "action", "since", "vendor", "reference", "external_user_id"},
    ("get", "/v1/log"): set(),
    ("get", "/v1/log/checkpoint"): {"origin"},
    ("get", "/v1/log/proof"): {"event", "change", "act", "erasure", "hold", "leaf", "body", "reason"},
    ("get", "/v1/log/consistency"): {"from"},
    ("get", "/v1/log/entries"): {"start", "limit"},
    ("get", "/v1/log/keys"): set(),
    ("get", "/v1/status"): {"environment"},
    ("get", "/v1/vendors"): {"environment"},
    ("get", "/v1/overview"): {"environment", "days"},
    ("get", "/healthz"): set(),
    ("get", "/readyz"): set(),
    ("get", "/metrics"): set(),
    ("get", "/openapi.json"): set(),
    ("put", "/v1/users/{external_user_id}/relationship"): {"environment"},
    ("get", "/v1/users/{external_user_id}/relationship"): {"environment"},
    ("post", "/v1/users/{external_user_id}/access-exports"): {"environment"},
    ("get", "/v1/retention"): {"environment"},
    ("post", "/v1/retention/runs"): {"environment"},
    ("post", "/v1/holds"): {"environment"},
    ("get", "/v1/holds"): {"environment", "limit", "cursor", "lifted", "external_user_id", "vendor", "reference"},
    ("post", "/v1/holds/{hold_id}/lift"): {"environment"},
    ("post", "/v1/erasures"): {"environment"},
    ("get", "/v1/erasures"): {"environment", "limit", "cursor", "status", "external_user_id", "vendor", "reference"},
    ("get", "/v1/erasures/{erasure_id}"): {"environment"},
    ("get", "/v1/erasures/{erasure_id}/certificate"): {"environment"},
    ("post", "/v1/erasures/{erasure_id}/approve"): {"environment"},
    ("post", "/v1/erasures/{erasure_id}/refuse"): {"environment"},
    ("post", "/v1/erasures/{erasure_id}/readmit"): {"environment"},
    ("get", "/v1/verifications"): ORDERED | {"external_user_id", "vendor", "status"},
    ("post", "/v1/verifications"): set(),
    ("get", "/v1/verifications/{verification_id}"): set(),
    **{("post", f"/v1/verifications/{{verification_id}}/{act}"): set() for act in ("cancel", "documents", "retry", "submit")},
}


def operations(service: Service) -> dict[tuple[str, str], dict[str, Any]]:
    paths = service.get("/openapi.json", token=None).json["paths"]
    return {(method, path): operation for path, methods in paths.items() for method, operation in methods.items()}


def parameters(operation: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    return {parameter["name"]: parameter["schema"] for parameter in operation["parameters"] if parameter["in"] == place}


def test_the_description_tells_of_every_route_and_every_parameter(running: Service) -> None:
    told = operations(running)
    assert {key: set(parameters(operation, "query")) for key, operation in told.items()} == DESCRIBED
    for (_, path), operation in told.items():
        assert set(parameters(operation, "path")) == set(re.findall(r"{(\w+)}", path))
        assert operation["summary"]


def test_the_description_tells_which_calls_need_a_token(running: Service) -> None:
    for (method, path), operation in operations(running).items():
        if path.startswith("/webhooks"):
            continue
        answer = running.request(method.upper(), re.sub(r"{\w+}", "x", path))
        # An empty requirement among them makes the token optional.
        assert (answer.status == 401) is (bool(operation["security"]) and {} not in operation["security"]), path


def allowed_words(schema: Any, shapes: dict[str, Any]) -> list[str]:
    """The words that a described parameter may be."""
    if isinstance(schema, list):
        return [word for part in schema for word in allowed_words(part, shapes)]
    if isinstance(schema, dict):
        named = shapes[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
        parts = [*schema.values(), *named.values()]
        return schema.get("enum", []) + named.get("enum", []) + [word for part in parts for word in allowed_words(part, shapes)]
    return []


def test_every_word_that_the_description_allows_is_allowed(running: Service) -> None:
    shapes = running.get("/openapi.json", token=None).json["components"]["schemas"]
    tried = set()
    for (method, path), operation in operations(running).items():
        if path.endswith("/stream"):
            continue  # It has no end. Its words are those of the feed.
        for name, schema in parameters(operation, "query").items():
            for word in allowed_words(schema, shapes):
                if method == "get" and word is not None:
                    whole = {name: word} | ({"reference": "x"} if (path, name) == ("/v1/audit", "vendor") else {})
                    token = OFFICER if "privacy" in json.dumps(operation["security"]) else OPERATOR
                    answer = running.get(f"{re.sub(r'{.+?}', 'x', path)}?{urlencode(whole)}", token=token)
                    assert answer.status in (200, 404), (path, name, word)
                    tried.add((name, word))
    assert {("environment", "sandbox"), ("hit", "pep"), ("kind", "adverse"), ("vendor", "idngo"), ("status", "unreadable")} <= tried


@pytest.mark.parametrize(("path", "name"), [("applicants", "hit"), ("applicants", "flag"), ("events", "status"), ("reactions", "status")])
def test_the_word_null_is_not_taken_for_none_at_all(running: Service, path: str, name: str) -> None:
    answer = running.get(f"/v1/{path}?{name}=null")
    assert (answer.status, answer.json["detail"]) == (400, f"Invalid query parameter '{name}'.")


def test_the_description_names_no_reference_that_leads_nowhere(running: Service) -> None:
    description = running.get("/openapi.json", token=None).json
    for reference in re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(description)):
        place: Any = description
        for step in reference.split("/"):
            place = place[step]
        assert place


def counted(service: Service) -> dict[tuple[str, str], float]:
    """Deliveries by vendor and answer, as the metrics count them."""
    time.sleep(REMEMBERED_SECONDS + 0.1)  # What was told a moment ago is notified again.
    told = eventually(lambda: answer if (answer := service.get("/metrics", token=None)).status == 200 else None, "the metrics")
    text = told.body.decode()
    found = re.findall(r'^standing_deliveries_total{answer="(\w+)",vendor="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {(vendor, answer): float(count) for answer, vendor, count in found}


def since(service: Service, before: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """What was counted since then."""
    return {key: count - before.get(key, 0) for key, count in counted(service).items() if count != before.get(key, 0)}


@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
def test_deliveries_are_counted_by_what_was_answered(running: Service, vendor: str) -> None:
    before = counted(running)
    body = json.dumps({"scanRef": someone()}).encode()
    headers = signing.headers(vendor, body)
    for _ in range(3):
        assert running.request("POST", f"/webhooks/{vendor}", body, headers).status == 200
    for _ in range(4):
        assert running.request("POST", f"/webhooks/{vendor}", body + b" ", headers).status == 401
    assert since(running, before) == {(vendor, "accepted"): 1, (vendor, "duplicate"): 2, (vendor, "forged"): 4}


def test_a_stale_delivery_is_counted_as_such(running: Service) -> None:
    before = counted(running)
    assert running.deliver("ifcgate", b"{}", timestamp=int(time.time()) - 3600).status == 401
    assert since(running, before) == {("ifcgate", "stale"): 1}


def test_what_is_not_for_a_known_vendor_is_not_counted(running: Service) -> None:
    before = counted(running)
    running.request("POST", "/webhooks/nobody", b"{}")
    running.request("GET", "/webhooks/idngo")
    assert since(running, before) == {}


def test_the_metrics_tell_how_the_service_is(running: Service) -> None:
    def gauges() -> dict[str, float]:
        text = running.get("/metrics", token=None).body.decode()
        return {name: float(value) for name, value in re.findall(r"^(standing_\w+) (\S+)$", text, re.MULTILINE)}

    def settled() -> dict[str, float] | None:
        told = gauges()
        return told if told.get("standing_workers") and told.get("standing_events_pending") == 0 else None

    # Each web process makes its metrics every few seconds, the first perhaps before the worker's first heartbeat.
    told = eventually(settled, "the worker to be seen, and everything to be handled")
    assert (told["standing_workers"], told["standing_queue_up"], told["standing_events_failed"]) == (1, 1, 0)
    assert told["standing_oldest_pending_age_seconds"] == 0
