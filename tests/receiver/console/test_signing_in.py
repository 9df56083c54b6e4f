"""Signing in: whose token opens a session, where it leads, and how often somebody may guess."""

from __future__ import annotations

import re
import time
from urllib.parse import quote

import pytest
from flask import Flask

from receiver.console.attempts import Attempts
from tests.receiver.console.test_sessions import FIRST, SIGN_IN, acts, is_signed_in, secret
from tests.support.browser.consoles import NIGHT, READER, Console, beside
from tests.support.browser.visitor import Page, Visitor

ATTACKER = "192.0.2.66"

# signing in -----------------------------------------------------------------------------------------------------


def test_a_token_is_given_once_and_becomes_a_session_of_its_owner(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.post(SIGN_IN, token=f"  {NIGHT}\n", next="/console/applicants?status=approved")
    assert (page.status, page.leads_to) == (303, "/console/applicants?status=approved")
    shown = visitor.get(page.leads_to)
    assert ("night" in shown.content, "Sign out" in shown.content, NIGHT in shown.content) == (True, True, False)
    assert ("night", f"session {visitor.session()}") in acts(console, "sign in")


def test_the_cookie_goes_to_this_host_alone_and_to_no_script(console: Console) -> None:
    visitor = console.visitor()
    before = secret(visitor)
    page = visitor.post(SIGN_IN, token=READER)
    [cookie] = page.set_cookies
    assert cookie == f"__Host-standing={secret(visitor)}; Secure; HttpOnly; Path=/; SameSite=Lax"
    assert secret(visitor) != before
    assert len(secret(visitor)) >= 43
    for shown in (page, visitor.get(FIRST), visitor.get("/console/sessions")):
        assert secret(visitor) not in shown.content
    assert visitor.get(FIRST).set_cookies == []


def test_the_database_holds_no_secret_of_a_session(console: Console) -> None:
    visitor = console.visitor(READER)
    assert is_signed_in(visitor)
    assert secret(visitor) not in str(console.all_rows())


def test_a_secret_that_somebody_chose_beforehand_opens_no_session(console: Console) -> None:
    planted, victim = console.visitor(), console.visitor()
    victim.cookies = dict(planted.cookies)
    victim.csrf = planted.csrf
    assert victim.post(SIGN_IN, token=NIGHT).status == 303
    assert (is_signed_in(victim), is_signed_in(planted)) == (True, False)


@pytest.mark.parametrize("token", ["", "nobodys-token", "link-me-if-you-may", "night=" + NIGHT, NIGHT + "x", "é" * 40, "\0" * 40])
def test_what_is_no_token_of_a_person_who_may_read_opens_nothing(console: Console, token: str) -> None:
    visitor = console.visitor()
    page = visitor.ask("POST", SIGN_IN, {"csrf": visitor.csrf, "token": token}, **{"X-Forwarded-For": "192.0.2.7"})
    assert (page.status, "This token is not known here" in page.says) == (403, True)
    assert not token or token not in page.content
    assert not is_signed_in(visitor)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//elsewhere.test/",
        "https://elsewhere.test/console/",
        "/console/\\elsewhere.test",
        "/console/\r\nX-Other: 1",
        "/console/\t/x",
        "http://elsewhere.test/console/",
        "/\\elsewhere.test",
        "/console/\\..\\x",
        "javascript:alert(1)",
        "/v1/applicants",
        "console/",
    ],
)
def test_signing_in_leads_to_no_other_host(console: Console, elsewhere: str) -> None:
    visitor = console.visitor()
    assert f'name="next" value="{FIRST}"' in visitor.get(SIGN_IN, next=elsewhere).content
    assert visitor.post(SIGN_IN, token=READER, next=elsewhere).leads_to == FIRST


def test_a_link_that_was_shared_is_shown_after_signing_in(console: Console) -> None:
    visitor, wanted = console.visitor(), "/console/applicants?status=approved&reference=a%20b"
    form = visitor.get(wanted).leads_to
    assert form == f"{SIGN_IN}?next={quote(wanted, safe='/?')}"
    [kept] = re.findall(r'name="next" value="([^"]*)"', visitor.get(form).content)
    assert kept.replace("&amp;", "&") == wanted
    assert visitor.post(SIGN_IN, token=READER, next=wanted).leads_to == wanted


# too many attempts ----------------------------------------------------------------------------------------------


def guess(visitor: Visitor, token: str, address: str) -> Page:
    return visitor.ask("POST", SIGN_IN, {"csrf": visitor.csrf, "token": token}, **{"X-Forwarded-For": address})


def test_an_address_that_guesses_is_no_longer_looked_at_and_others_are(console: Console) -> None:
    visitor = console.visitor()
    assert {guess(visitor, f"guess-{number}", ATTACKER).status for number in range(10)} == {403}
    for token in ("guess-10", NIGHT):
        page = guess(visitor, token, ATTACKER)
        assert (page.status, page.headers["retry-after"], "Too many tokens" in page.says) == (429, "60", True)
    assert guess(visitor, "spoofed", f"203.0.113.9, {ATTACKER}").status == 429
    assert guess(visitor, NIGHT, "192.0.2.67").status == 303
    assert ATTACKER in console.logged()
    assert not re.search("guess-|spoofed", console.logged())


def test_many_addresses_together_may_not_guess_on(console: Console) -> None:
    with beside(console) as port:
        visitor = Visitor(port)
        for number in range(100):
            assert guess(visitor, "guessed", f"192.0.2.{number}").status == 403
        assert guess(visitor, NIGHT, "198.51.100.1").status == 429


@pytest.mark.one_database
@pytest.mark.usefixtures("kept")
def test_a_minute_later_tokens_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    attempts = Attempts()
    with Flask(__name__).test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}):
        for _ in range(10):
            assert attempts.may_try()
            attempts.refused()
        assert not attempts.may_try()
        now += 59
        assert not attempts.may_try()
        now += 2
        assert attempts.may_try()
