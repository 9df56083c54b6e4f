"""Sessions: how long one lasts, what ends it, and which acts ask for the token again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from store.database.operations_tables import ConsoleSession
from store.system import clock
from tests.receiver.console.test_routes import NOTHING, RIGHTS, SIGNED_IN
from tests.support.browser import consoles
from tests.support.browser.consoles import DAY, NIGHT, OFFICER, READER, Console, Night
from tests.support.browser.routes import Route
from tests.support.browser.visitor import Page, Visitor
from tests.support.service import end, eventually, free_port

#: What asks for the token again: it reveals personal data, or cannot be taken back.
SENSITIVE = {
    "event.reveal",
    "proofs.of_event_with_body",
    "decisions.confirm",
    "person.export_access",
    "erasure.approve",
    "holds.lift",
    "retention.run",
}

FIRST, SIGN_IN = "/console/", "/console/sign-in"
WRONG = "This is not the token of the person who is signed in"


def is_signed_in(visitor: Visitor) -> bool:
    page = visitor.get(FIRST)
    assert page.status == 200 or page.leads_to.startswith(SIGN_IN)
    return page.status == 200


def secret(visitor: Visitor) -> str:
    return visitor.cookies["__Host-standing"]


def long_ago(console: Console, visitor: Visitor, column: str, **passed: float) -> None:
    """Have a time of a person's session be so long ago."""
    mine = update(ConsoleSession).where(ConsoleSession.id == visitor.session())
    console.change(mine.values({column: clock.now() - timedelta(**passed)}))


def acts(console: Console, action: str) -> list[tuple[str, str]]:
    listed = console.get("/v1/audit", token=NIGHT, action=action, limit=500).json["data"]
    return [(act["actor"], act["subject"]) for act in listed]


@pytest.mark.parametrize(
    ("column", "within", "after"),
    [("seen_at", {"minutes": 14.5}, {"minutes": 15.1}), ("began_at", {"hours": 7.9}, {"hours": 8.01})],
    ids=["idle", "absolute"],
)
def test_a_session_ends_after_its_time(console: Console, column: str, within: dict[str, float], after: dict[str, float]) -> None:
    visitor = console.visitor(READER)
    long_ago(console, visitor, column, **within)
    assert is_signed_in(visitor)
    long_ago(console, visitor, column, **after)
    assert not is_signed_in(visitor)
    assert visitor.post("/console/sign-out").leads_to.startswith(SIGN_IN)


def test_a_use_of_a_session_is_written_down_so_that_it_goes_on(console: Console) -> None:
    visitor = console.visitor(READER)
    for _ in range(2):
        long_ago(console, visitor, "seen_at", minutes=10)
        assert is_signed_in(visitor)
    long_ago(console, visitor, "began_at", hours=7.99)
    assert is_signed_in(visitor)


def test_a_tab_that_is_left_open_is_no_use_of_a_session(console: Console) -> None:
    visitor = console.visitor(READER)
    long_ago(console, visitor, "seen_at", minutes=10)
    before = console.all_rows()["console_sessions"]
    assert visitor.ask("GET", FIRST, **{"Standing-Again": "yes"}).status == 200
    assert console.all_rows()["console_sessions"] == before
    assert is_signed_in(visitor)
    assert console.all_rows()["console_sessions"] != before


def test_who_signs_out_is_signed_out_everywhere_where_the_cookie_is(console: Console) -> None:
    visitor = console.visitor(NIGHT)
    session = visitor.session()
    copied = dict(visitor.cookies)
    page = visitor.post("/console/sign-out")
    assert (page.status, page.leads_to) == (303, SIGN_IN)
    assert secret(visitor) != copied["__Host-standing"]
    visitor.cookies = copied
    assert not is_signed_in(visitor)
    assert ("night", f"session {session}") in acts(console, "sign out")


def test_an_operator_ends_any_session_and_others_their_own(console: Console) -> None:
    operator, reader, officer = console.visitor(NIGHT), console.visitor(READER), console.visitor(OFFICER)
    theirs = officer.session()
    assert theirs in operator.get("/console/sessions").content
    assert theirs not in reader.get("/console/sessions").content
    refused = reader.post(f"/console/sessions/{theirs}/end")
    assert (refused.status, is_signed_in(officer)) == (404, True)
    assert "The session is ended." in operator.follow(f"/console/sessions/{theirs}/end").says
    assert not is_signed_in(officer)
    assert operator.post(f"/console/sessions/{theirs}/end").status == 404
    own = reader.session()
    assert reader.post(f"/console/sessions/{own}/end").status == 303
    assert not is_signed_in(reader)


def test_a_person_whose_token_is_taken_from_the_settings_is_signed_out(console: Console) -> None:
    file = console.folder / "operators"
    file.write_text(f"night={NIGHT}\nday={DAY}\n")
    port, gone, stays = free_port(), console.visitor(NIGHT), console.visitor(DAY)
    process = consoles.start(console, port, OPERATOR_TOKENS=None, OPERATOR_TOKENS_FILE=str(file))
    try:
        for visitor in (gone, stays):
            visitor.host = f"127.0.0.1:{port}"
            assert is_signed_in(visitor)
        file.write_text(f"day={DAY}\nanother={NIGHT}\n")
        process.send_signal(signal.SIGHUP)
        eventually(lambda: not is_signed_in(gone), "the settings to be read again")
        assert is_signed_in(stays)
    finally:
        end(process)


def test_a_person_who_may_do_less_than_before_is_signed_out(console: Console) -> None:
    visitor = console.visitor(NIGHT)
    with consoles.beside(console, OPERATOR_TOKENS=f"day={DAY}", READ_TOKENS=f"night={NIGHT}") as port:
        visitor.host = f"127.0.0.1:{port}"
        assert not is_signed_in(visitor)


# sensitive acts -------------------------------------------------------------------------------------------------


@pytest.fixture
def confirm(console: Console, night: Night) -> Callable[..., Page]:
    """What sends the form that confirms a decision of another person."""
    who = consoles.blacklisted(console, "PEP")
    path = f"/console/applicants/idngo/{who}/decisions/{consoles.decided(console, who)}/confirm"
    return lambda visitor, **fields: visitor.post(path, reason="seen, too", **fields)


def test_a_sensitive_act_needs_no_token_for_five_minutes(console: Console, confirm: Callable[..., Page]) -> None:
    visitor = console.visitor(DAY)
    long_ago(console, visitor, "proved_at", minutes=4.8)
    assert confirm(visitor).status == 303


def test_a_sensitive_act_asks_for_the_token_again_after_five_minutes(console: Console, confirm: Callable[..., Page]) -> None:
    visitor = console.visitor(DAY)
    long_ago(console, visitor, "proved_at", minutes=5.1)
    before = console.all_rows()
    asked = confirm(visitor)
    assert (asked.status, "Nothing was done yet" in asked.says, 'value="seen, too"' in asked.content) == (403, True, True)
    for wrong in ("nobodys-token-at-all", NIGHT, READER, f"day={DAY}"):
        assert WRONG in confirm(visitor, token=wrong).says
    assert console.all_rows() == before
    given = confirm(visitor, token=f" {DAY} ")
    assert (given.status, DAY in given.leads_to) == (303, False)
    assert DAY not in console.logged()
    assert "Sessions" in visitor.get("/console/sessions").says


@pytest.mark.parametrize("route", SIGNED_IN, ids=str)
def test_sensitive_acts_and_no_others_ask_for_the_token_again(console: Console, route: Route) -> None:
    token = next(token for token, rights in RIGHTS.items() if route.right in rights)
    visitor = console.visitor(token)
    long_ago(console, visitor, "proved_at", minutes=6)
    before = console.all_rows() if route.endpoint in SENSITIVE else {}
    page = visitor.post(route.path(NOTHING), reason="because")
    assert ("Nothing was done yet" in page.says) == (route.endpoint in SENSITIVE)
    assert not before or console.all_rows() == before
