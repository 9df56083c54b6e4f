"""Every route of the console: who may use it, and from where. Whatever route is added is tried here."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from receiver.web.auth import Right
from tests.support.browser.consoles import NIGHT, OFFICER, READER, Console, Night
from tests.support.browser.routes import Route, routes
from tests.support.browser.visitor import Page, Visitor

#: The rights of each person. Who operates may also start and link; no view is about that.
RIGHTS = {
    READER: {Right.READ},
    NIGHT: {Right.READ, Right.OPERATE, Right.REQUEST, Right.LINK, Right.START},
    OFFICER: {Right.READ, Right.PRIVACY, Right.REQUEST},
}

#: The routes that need no session.
OPEN = {"signing_in.show", "signing_in.sign_in"}

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
frame-ancestors 'none'; base-uri 'none'"

ELSEWHERE = (
    "http://elsewhere.test",
    "null",
    "https://127.0.0.1",
    "http://127.0.0.1:1",
    "http://{host}.elsewhere.test",
    "http://me@elsewhere.test",
)

#: Values of a path that nothing has.
NOTHING = {
    "vendor": "idngo", "reference": "nothing", "external_user_id": "nothing", "key": "nothing", "reaction_id": "0",
    **dict.fromkeys(("change", "act_id"), "99999999"),
    **dict.fromkeys(("event_id", "replay_id", "erasure_id", "hold_id", "session_id"), "00000000-0000-7000-8000-000000000000"),
}  # fmt: skip

GETS, POSTS = [one for one in routes("GET") if one.endpoint not in OPEN], routes("POST")
SIGNED_IN = [one for one in POSTS if one.endpoint not in OPEN]
every_get = pytest.mark.parametrize("route", GETS, ids=str)


@pytest.fixture(scope="module")
def visitors(console: Console, night: Night) -> dict[str, Visitor]:
    """Each person, by the token."""
    return {token: console.visitor(token) for token in RIGHTS}


def changed(console: Console, before: dict[str, list[Any]]) -> set[str]:
    """The tables that are not as they were."""
    return {table for table, rows in console.all_rows().items() if rows != before[table]}


def test_every_route_but_those_of_signing_in_states_its_right() -> None:
    assert {one.endpoint for one in routes("GET", "POST", "PUT", "PATCH", "DELETE") if one.right is None} == OPEN
    assert len(GETS) > 2
    assert len(SIGNED_IN) > 1


def test_nothing_is_changed_but_by_a_form() -> None:
    assert routes("PUT", "PATCH", "DELETE") == []


# who ------------------------------------------------------------------------------------------------------------


@every_get
def test_a_page_is_shown_to_whoever_has_its_right_and_to_no_other_person(
    console: Console, night: Night, visitors: dict[str, Visitor], route: Route
) -> None:
    for token, visitor in visitors.items():
        page = visitor.get(route.of(night))
        if route.right in RIGHTS[token]:
            assert page.status in (200, 302, 303, 404), (route.right, token, page.says)
        else:
            assert (page.status, f"the right to {route.right}" in page.says) == (403, True), (route.right, token)


@pytest.mark.parametrize("route", SIGNED_IN, ids=str)
def test_a_form_is_taken_from_whoever_has_its_right_and_from_no_other_person(
    console: Console, visitors: dict[str, Visitor], route: Route
) -> None:
    for token in RIGHTS:
        before = console.all_rows() if route.right not in RIGHTS[token] else {}
        visitor = visitors[token] if route.endpoint != "signing_in.sign_out" else console.visitor(token)
        page = visitor.post(route.path(NOTHING))
        if route.right in RIGHTS[token]:
            assert page.status in (200, 303, 400, 404, 409, 410, 422), (route.right, token, page.status, page.says)
        else:
            assert (page.status, f"the right to {route.right}" in page.says) == (403, True), (route.right, token)
            assert changed(console, before) <= {"acts"}, "the refusal alone is recorded"


@every_get
def test_a_person_who_is_not_signed_in_is_led_to_signing_in(console: Console, night: Night, route: Route) -> None:
    stranger, path = console.visitor(), route.of(night)
    page = stranger.get(path, environment="sandbox")
    assert (page.status, page.leads_to.partition("?")[0]) == (303, "/console/sign-in")
    assert "<main" not in page.content
    assert parse_qs(urlsplit(page.leads_to).query) == {"next": [f"{path}?environment=sandbox"]}


@pytest.mark.parametrize("route", SIGNED_IN, ids=str)
def test_a_form_of_whoever_is_not_signed_in_changes_nothing(console: Console, night: Night, route: Route) -> None:
    before = console.all_rows()
    page = console.visitor().post(route.of(night), reason="of a stranger")
    if route.endpoint == "signing_in.sign_out":
        assert (page.status, page.leads_to) == (303, "/console/sign-in?next=")
    else:
        assert (page.status, "The session has ended" in page.says, "of a stranger" in page.content) == (403, True, True)
    assert console.all_rows() == before


# from where -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", POSTS, ids=str)
def test_a_form_that_no_page_of_ours_sent_changes_nothing(
    console: Console, night: Night, visitors: dict[str, Visitor], route: Route
) -> None:
    token = next(token for token, rights in RIGHTS.items() if route.right in rights or route.right is None)
    visitor, path = visitors[token], route.of(night)
    fields = {
        "reason": "forged",
        "token": token,
        "decision": "approve",
        "name": f"idenfy/{night.suspected}",
        "external_user_id": night.user,
    }
    before = console.all_rows()

    def refused(fields: dict[str, str], **headers: str | None) -> None:
        page = visitor.ask("POST", path, fields, **headers)
        assert (page.status, page.leads_to) == (403, ""), (fields, headers, page.says)

    for wrong in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": console.visitor().csrf}, {"csrf": visitor.csrf[:-1]}, {"csrf": "é"}):
        refused(fields | wrong)
    for origin in ELSEWHERE:
        refused(fields | {"csrf": visitor.csrf}, Origin=origin.format(host=visitor.host))
    refused(fields | {"csrf": visitor.csrf}, Origin=None)
    refused(fields | {"csrf": visitor.csrf}, Origin=None, Referer=f"{visitor.origin}/console/")
    assert visitor.ask("POST", f"{path}?csrf={visitor.csrf}", fields).status == 403
    assert console.all_rows() == before


def test_a_form_of_another_persons_browser_is_refused(console: Console, visitors: dict[str, Visitor]) -> None:
    taken = visitors[NIGHT].ask("POST", "/console/sign-out", {"csrf": visitors[READER].csrf})
    assert (taken.status, visitors[NIGHT].get("/console/").status) == (403, 200)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_other_methods_do_nothing(visitors: dict[str, Visitor], method: str) -> None:
    for path in ("/console/", "/console/sessions", "/console/sign-in"):
        assert visitors[NIGHT].ask(method, path, Origin=visitors[NIGHT].origin).status in (403, 405)


# what every answer says -----------------------------------------------------------------------------------------


def is_closed(page: Page) -> None:
    """An answer that runs no foreign script, is framed by no site, and is kept by no cache."""
    wanted = {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    assert {name: page.headers.get(name) for name in wanted} == wanted
    assert "access-control-allow-origin" not in page.headers


@every_get
def test_every_page_is_closed(night: Night, visitors: dict[str, Visitor], route: Route) -> None:
    token = next(token for token, rights in RIGHTS.items() if route.right in rights)
    page = visitors[token].get(route.of(night))
    is_closed(page)
    if page.headers.get("content-type", "").startswith("text/html"):
        for inline in ("<style", " style=", "javascript:", " onclick=", " onload=", "http-equiv"):
            assert inline not in page.content


@every_get
def test_every_page_says_what_it_is_and_which_command_does_the_same(night: Night, visitors: dict[str, Visitor], route: Route) -> None:
    token = NIGHT if route.right in RIGHTS[NIGHT] else OFFICER
    page = visitors[token].get(route.of(night))
    if page.headers["content-type"].startswith("text/html"):
        assert page.status == 200
        assert re.search(r"<title>[^<]*\S · Standing</title>", page.content)
        assert page.content.count("<h1") == 1
        assert re.search(r'class="command">[^<]*(<[^>]*>)*standing ', page.content)


def test_refusals_and_errors_are_closed_too(console: Console, visitors: dict[str, Visitor]) -> None:
    stranger, reader = console.visitor(), visitors[READER]
    for page, status in (
        (stranger.get("/console/sign-in"), 200),
        (stranger.get("/console/"), 303),
        (stranger.get("/"), 404),
        (reader.get("/console/nowhere"), 404),
        (reader.get("/console/applicants", cursor="x"), 400),
        (reader.ask("POST", "/console/sign-out", {}), 403),
        (reader.ask("DELETE", "/console/"), 405),
    ):
        assert page.status == status
        is_closed(page)


def test_files_are_served_with_their_kind_and_need_no_session(console: Console) -> None:
    for name, kind in (("console.css", "text/css"), ("console.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        file = console.visitor().get(f"/console/static/{name}")
        assert (file.status, file.headers["content-type"].partition(";")[0]) == (200, kind)
        assert (file.headers["content-security-policy"], file.headers["x-content-type-options"]) == (POLICY, "nosniff")
        assert file.set_cookies == []
    assert console.visitor().get("/console/static/..%2f__init__.py").status == 404


def test_the_console_takes_no_delivery_and_is_no_api(console: Console) -> None:
    for path in ("/webhooks/idngo", "/v1/applicants", "/metrics", "/healthz", "/openapi.json"):
        assert console.visitor().get(path).status == 404
