"""What the console refuses, whatever a browser or a stranger sends."""

from __future__ import annotations

import html
import re
import socket
import time
from urllib.parse import quote

import pytest

from tests.support import payloads
from tests.support.browser.consoles import NIGHT, OFFICER, READER, beside
from tests.support.browser.visitor import Page, Visitor
from tests.support.service import Service

NO_SESSION = "/console/sessions/00000000-0000-0000-0000-000000000000/end"


@pytest.mark.parametrize("origin", ["http://[", "http://a]b", "null", "", "http://127.0.0.1:1"])
def test_a_form_from_elsewhere_is_refused(operator: Visitor, origin: str) -> None:
    assert operator.ask("POST", NO_SESSION, f"csrf={operator.csrf}", Origin=origin).status == 403
    assert operator.post(NO_SESSION).status == 404


def test_a_form_that_is_too_large_gets_a_page(operator: Visitor) -> None:
    page = operator.post(NO_SESSION, reason="x" * 200_000)
    assert (page.status, "larger than this service accepts" in page.says) == (413, True)


@pytest.mark.parametrize("name", ["endpoint", "self", "_method", "_external", "_scheme", "_anchor", "values"])
def test_a_filter_of_any_name_stays_in_the_address(operator: Visitor, name: str) -> None:
    page = operator.get(f"/console/sessions?{name}=GET")
    links = re.findall(r'href="([^"]*format=csv[^"]*)"', page.content)
    assert page.status == 200
    assert links == [f"/console/sessions?{name}=GET&amp;format=csv"]


@pytest.mark.parametrize("name", ["%ff", "%ED%A0%80", "%00"])
def test_what_can_be_no_name_is_not_found(operator: Visitor, name: str) -> None:
    for path in (f"/console/applicants/idngo/{name}", f"/console/applicants/{name}/x", f"/console/persons/{name}"):
        assert operator.get(path).status == 404


def test_a_run_of_retention_takes_no_number_of_any_length(officer: Visitor) -> None:
    # Which of both says that it is too long depends on MAX_BODY_BYTES.
    assert officer.post("/console/retention", reason="too many", max="9" * 5000).status in (400, 413)


@pytest.mark.one_database
def test_wrong_tokens_before_a_sensitive_act_are_counted(running: Service) -> None:
    with beside(running) as port:
        officer = Visitor(port, OFFICER)
        form = {"hold": "x", "reason": "over", "token": "not-the-officers-token"}
        pages = [officer.post("/console/holds", **form) for _ in range(11)]
        assert [page.status for page in pages] == [403] * 10 + [429]
        assert 'name="reason" value="over"' in pages[-1].content
        assert officer.post("/console/holds", **form | {"token": OFFICER}).status == 429


def test_a_page_that_needs_another_right_is_recorded_as_refused(running: Service, port: int) -> None:
    reader, user = Visitor(port, READER), payloads.new_applicant()
    assert (reader.get("/console/audit").status, reader.post(f"/console/persons/{user}/access-export", reason="x").status) == (403, 403)
    acts = running.get("/v1/audit", token=NIGHT, order="newest", action="refused", limit=20).json["data"]
    calls = {act["reason"] for act in acts}
    assert {"right: GET /console/audit", "right: POST /console/persons/<external_user_id>/access-export"} <= calls


@pytest.mark.one_database
def test_strangers_who_send_forms_slowly_do_not_keep_others_out(port: int) -> None:
    head = f"POST /console/sign-in HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 90000\r\n\r\ncsrf="
    strangers = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(250)]
    for one in strangers:
        one.sendall(head.encode())
    began = time.monotonic()
    assert Visitor(port, READER).get("/console/sessions").status == 200
    assert time.monotonic() - began < 4
    assert b" 408 " in strangers[0].recv(100)
    for one in strangers:
        one.close()


def test_what_was_typed_outlives_the_session(port: int) -> None:
    operator, who = Visitor(port, NIGHT), payloads.new_applicant()
    operator.post(f"/console/sessions/{operator.session()}/end")
    form = {"vendor": "idngo", "reference": who, "reason": 'a "lawsuit"', "review_at": "2030-01-01T00:00"}
    path, token = "/console/holds/new?environment=sandbox", NIGHT
    ended = operator.post(path, **form)
    assert (ended.status, "The session has ended" in ended.says) == (403, True)
    wrong = operator.post("/console/sign-in", **hidden(ended), token="of-nobody-in-particular")
    assert (wrong.status, hidden(wrong)) == (403, hidden(ended))
    again = operator.post("/console/sign-in", **hidden(wrong), token=token)
    assert 'Reason a "lawsuit"'.lower() in again.says.lower()
    assert {name: text for name, text in hidden(again).items() if name != "csrf"} == form
    assert f'action="{path}"' in again.content
    assert operator.post(path, **hidden(again)).status == 303


def hidden(page: Page) -> dict[str, str]:
    """The hidden fields of the page's main part."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.content.partition("<main")[2])
    return {name: html.unescape(value) for name, value in fields}


@pytest.mark.parametrize("vendor", ["x;id", 'x"; filename="evil.exe', "%0d%0aX-Other: 1", "ü"])
def test_findings_of_what_is_no_vendor_are_not_found(operator: Visitor, vendor: str) -> None:
    for query in ("", "?format=csv"):
        assert operator.get(f"/console/reconcile/{quote(vendor, safe='%')}{query}").status == 404


def test_no_address_leads_away_from_tls(operator: Visitor) -> None:
    found = {
        path: operator.get(path) for path in ("/console", "/console/", "/console//applicants", "/console/applicants/", "/console/sign-in")
    }
    assert [page.leads_to for page in found.values()] == [""] * len(found)
    assert (found["/console"].status, found["/console//applicants"].status) == (200, 404)


def test_a_session_ends_with_its_own_token(running: Service, port: int, operator: Visitor) -> None:
    [name] = re.findall(r'class="person">(\S+)', operator.get("/console/").content)
    replaced = f"{name}=the-token-after-a-replacement"
    for settings, status in (({}, 200), ({"OPERATOR_TOKENS": f"{replaced},{name}={NIGHT}"}, 200), ({"OPERATOR_TOKENS": replaced}, 303)):
        with beside(running, **settings) as port:
            same = Visitor(port)
            same.cookies = dict(operator.cookies)
            assert same.get("/console/sessions").status == status
    assert operator.get("/console/sessions").status == 200
