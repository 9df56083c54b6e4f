"""The privacy desk: requests, the decisions about them, holds, retention and relationships."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import NullPool, create_engine, text

from tests.conftest import KEY, empty_database, next_part
from tests.support import payloads
from tests.support.browser.consoles import DEPUTY, NIGHT, OFFICER, READER, beside
from tests.support.browser.visitor import Visitor
from tests.support.privacy import calls
from tests.support.service import Service, eventually

PAGES = ("privacy", "erasures", "erasures/new", "holds", "holds/new", "retention", "relationship")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on each database, of its own: what is erased here leaves marks in the feed."""
    folder = tmp_path_factory.mktemp("desk")
    with empty_database(request, folder) as url:
        settings = {"DATABASE_URL": url, "REDIS_URL": f"{valkey_url}?db={next_part()}", "ENCRYPTION_KEYS": KEY}
        with Service(folder, settings) as service:
            yield service


@pytest.fixture(scope="module")
def port(desk: Service) -> Iterator[int]:
    """The port of a console beside the service."""
    with beside(desk) as port:
        yield port


@pytest.fixture(scope="module")
def deputy(port: int) -> Visitor:
    return Visitor(port, DEPUTY)


def approved(service: Service, **more: object) -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN", **more))
    return who


def requested(service: Service, who: str, token: str = NIGHT) -> str:
    """The path of an erasure that waits for a decision."""
    return f"/console/erasures/{calls.requested(service, token=token, vendor='idngo', reference=who)}"


def status(service: Service, who: str, token: str = READER) -> int:
    return service.get(f"/v1/applicants/idngo/{who}", token=token).status


# requests and decisions -----------------------------------------------------------------------------------------


def test_an_operator_requests_an_erasure_and_sees_no_more_of_the_desk(desk: Service, operator: Visitor, officer: Visitor) -> None:
    who = approved(desk)
    form = operator.get("/console/erasures/new", vendor="idngo", reference=who)
    assert f'value="{who}"' in form.content
    said = operator.follow("/console/erasures/new", vendor="idngo", reference=who, reason="asked by mail", received_at="2026-03-31T10:00")
    assert "Another person decides" in said.says
    assert who not in said.content
    assert 'href="/console/privacy"' not in said.content
    assert who in officer.get("/console/privacy").content


def test_what_was_typed_stays_when_a_request_is_refused(operator: Visitor) -> None:
    said = operator.post("/console/erasures/new", vendor="idngo", reason="asked by mail")
    assert said.status == 400
    assert re.search(r'name="reason"[^>]* value="asked by mail"', said.content)


def test_whoever_requested_an_erasure_is_shown_no_decision(desk: Service, officer: Visitor, deputy: Visitor) -> None:
    path = requested(desk, approved(desk), token=OFFICER)
    said = officer.get(path)
    assert "another person decides" in said.says
    assert not said.has_form("/approve")
    assert officer.post(f"{path}/approve", reason="mine").status == 403
    assert deputy.get(path).has_form("/approve")


def test_an_approved_erasure_erases_and_its_certificate_names_no_person(desk: Service, officer: Visitor) -> None:
    who = approved(desk)
    path = requested(desk, who)
    assert who in officer.get(path).content
    assert "a worker erases" in officer.follow(f"{path}/approve", reason="nothing keeps it").says
    eventually(lambda: status(desk, who) == 410, "the erasure")
    done = eventually(lambda: found if (found := officer.get(path)).has_form("/readmit") else None, "the page to say so")
    assert who not in done.content
    certificate = officer.get(f"{path}/certificate")
    assert (certificate.status, who in certificate.content) == (200, False)
    assert "may begin again" in officer.follow(f"{path}/readmit", reason="a new customer").says


def test_a_hold_keeps_an_erasure_from_being_approved_until_another_person_lifts_it(
    desk: Service, operator: Visitor, officer: Visitor
) -> None:
    who = approved(desk)
    path, held = requested(desk, who), {"vendor": "idngo", "reference": who, "reason": "a lawsuit", "review_at": "2030-01-01T00:00"}
    assert "Nothing of them is erased" in operator.follow("/console/holds/new", **held).says
    assert "A hold is on it" in officer.get(path).says
    said = officer.post(f"{path}/approve", reason="please", early="yes", basis="a law")
    assert (said.status, "A hold is on it." in said.says) == (409, True)
    assert re.search(r'name="basis" value="a law"', said.content)
    assert status(desk, who) == 200
    assert "is lifted" in officer.follow("/console/holds", hold=hold_on(officer, who), reason="settled").says
    assert officer.post(f"{path}/approve", reason="please").status == 303


def test_whoever_placed_a_hold_cannot_lift_it(desk: Service, officer: Visitor, deputy: Visitor) -> None:
    who = approved(desk)
    officer.follow("/console/holds/new", vendor="idngo", reference=who, reason="a lawsuit", review_at="2030-01-01T00:00")
    hold = hold_on(officer, who)
    assert re.search(rf'value="{hold}" disabled', officer.get("/console/holds").content)
    said = officer.post("/console/holds", hold=hold, reason="settled")
    assert (said.status, "another person" in said.says) == (403, True)
    assert deputy.post("/console/holds", hold=hold, reason="settled").status == 303


def hold_on(officer: Visitor, who: str) -> str:
    """The id of the hold on an applicant, in the form that lifts it."""
    [found] = re.findall(rf'<option value="([\w-]+)"[^>]*>[^<]*{who}', officer.get("/console/holds").content)
    return str(found)


def test_a_refused_erasure_can_keep_all_but_officers_from_looking(desk: Service, officer: Visitor) -> None:
    who = approved(desk)
    path = requested(desk, who)
    said = officer.follow(f"{path}/refuse", reason="the law keeps it", basis="AMLR", until="2040-01-01T00:00", restrict="yes")
    assert "2040-01-01 00:00:00 UTC" in said.says
    assert (status(desk, who), status(desk, who, OFFICER)) == (403, 200)
    assert who in said.content


def test_every_page_of_the_desk_is_marked_as_part_of_it(officer: Visitor) -> None:
    marks = {page: re.findall(r'aria-current="(\w+)">Privacy<', officer.get(f"/console/{page}").content) for page in PAGES}
    assert marks == {page: ["page" if page == "privacy" else "true"] for page in PAGES}


# retention and relationships ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def retaining(desk: Service) -> Iterator[Visitor]:
    """An officer at a console whose settings have a rule."""
    with beside(desk, RETENTION="rejected:1y") as port:
        yield Visitor(port, OFFICER)


def test_what_is_due_is_shown_and_a_run_erases_no_more_than_was_said(desk: Service, retaining: Visitor) -> None:
    some = [rejected_long_ago(desk) for _ in range(2)]
    shown = retaining.get("/console/retention")
    assert all(who in shown.content for who in some)
    assert re.search(r'name="max"[^>]* value="2"', shown.content)
    assert retaining.post("/console/retention", max="many", reason="monthly").status == 400
    said = retaining.follow("/console/retention", max="1", reason="monthly")
    assert "1 applicant, 0 events, 0 acts" in said.says
    eventually(lambda: sorted(status(desk, who) for who in some) == [200, 410], "the erasure of one of the two")


def rejected_long_ago(desk: Service) -> str:
    who = payloads.new_applicant()
    desk.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["FORGERY"]))
    engine = create_engine(desk.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE events SET received_at = '2020-02-29 00:00:00.000000' WHERE reference = :who"), {"who": who})
    return who


def test_without_a_rule_nothing_can_be_erased_by_one(officer: Visitor) -> None:
    shown = officer.get("/console/retention")
    assert "RETENTION names no rule" in shown.says
    assert not shown.has_form("/console/retention")


def test_the_end_of_a_relationship_is_recorded_and_shown(desk: Service, officer: Visitor) -> None:
    who, user = approved(desk, externalUserId="person-of-the-desk"), "person-of-the-desk"
    page = officer.get("/console/relationship", external_user_id=user)
    assert (who in page.content, "No relationship with this user is recorded" in page.says) == (True, True)
    given = {"external_user_id": user, "basis": "the account was closed"}
    assert officer.post("/console/relationship", **given).status == 400
    ended = officer.follow("/console/relationship", ended_at="2026-01-31T00:00", **given)
    assert "The relationship ended at 2026-01-31 00:00:00 UTC" in ended.says
    assert "The relationship goes on." in officer.follow("/console/relationship", goes_on="yes", **given).says
