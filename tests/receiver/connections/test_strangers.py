"""Whatever a stranger sends, the answer is a problem that says what is wrong, and never that something broke here."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import BODY_BYTES_MAX
from tests.support import payloads, signing
from tests.support.network.wire import send
from tests.support.service import Answer, Service

READER, LINKER, OPERATOR = "read-me-if-you-may", "link-me-if-you-may", "operate-me-if-you-may"
#: Another person.
OTHER_OPERATOR = "confirm-me-if-you-may"

#: The form of an event's id, and no event's.
NO_EVENT = "00000000-0000-7000-8000-000000000000"

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def is_a_problem(answer: Answer, status: int) -> dict[str, Any]:
    """Whether an answer is that status, told as RFC 9457 wants it, and under a request id. Gives the problem."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert (problem["type"], problem["status"], problem["request_id"]) == ("about:blank", status, answer.headers["x-request-id"])
    assert problem["title"]
    assert problem["detail"]
    assert SANE_ID.fullmatch(problem["request_id"])
    return problem


def cursor(place: object) -> str:
    """A cursor as a page gives it, for a place that no page ends at."""
    raw = place if isinstance(place, bytes) else json.dumps(place).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//",
        "///",
        "/.env",
        "/favicon.ico",
        "/static/x",
        "/v1",
        "/v1/",
        "/v1//applicants",
        "/v1/applicants/",
        "/v1/applicants//x",
        "/v1/applicants/idngo",
        "/v1/applicants/idngo/",
        "/v1/applicants/idngo/a/b",
        "/v1/applicants/idngo/x",
        "/v1/applicants/nobody/x",
        "/v1/applicants/idngo/x/history",
        "/v1/applicants/idngo/x/history/",
        "/v1/applicants/idngo/%00",
        "/v1/applicants/idngo/a%00b",
        "/v1/applicants/%00/x",
        "/v1/applicants/idngo/%2F",
        "/v1/applicants/idngo/%2f%2F%2f",
        "/v1/applicants%2Fidngo%2Fx",
        "/v1/applicants/idngo/%25",
        "/v1/applicants/idngo/%252F",
        "/v1/applicants/idngo/%2500",
        "/v1/applicants/idngo/%",
        "/v1/applicants/idngo/%zz",
        "/v1/applicants/idngo/%ff",
        "/v1/applicants/%ff%fe/x",
        "/v1/applicants/idngo/%ED%A0%80",
        "/v1/applicants/idngo/%20",
        "/v1/applicants/idngo/..",
        "/v1/applicants/../applicants",
        "/v1/applicants/idngo/%2e%2e%2fhistory",
        "/v1/applicants/idngo/'%20OR%20''='",
        "/v1/applicants/idngo/" + "x" * 200,
        "/v1/applicants/idngo/" + "x" * 201,
        "/v1/applicants/idngo/" + "x" * 7000,
        "/v1/applicants/" + "x" * 201 + "/x",
        "/v1/applicants/idngo/x/history?cursor=" + cursor([1]),
        "/v1/users/",
        "/v1/users/%00",
        "/v1/users/nobody",
        "/v1/users/%2F",
        "/v1/events/",
        "/v1/events/x",
        "/v1/events/1",
        "/v1/events/%00",
        "/v1/events/" + "9" * 300,
        f"/v1/events/{NO_EVENT}",
        f"/v1/events/{NO_EVENT[:-1]}g",
        f"/v1/events/{NO_EVENT}%00",
        f"/v1/events/{NO_EVENT.replace('-', '')}",
        f"/v1/events/%7B{NO_EVENT}%7D",
        f"/v1/events/{NO_EVENT}/body?reason=x",
        "/v1/events/x/body?reason=x",
        "/v1/events/%00/body?reason=x",
        "/healthz/",
        "/HEALTHZ",
        "/healthz;x",
        "/healthz%00",
        "/v1/../healthz",
        "/openapi.json/",
        "/webhooks",
        "/webhooks/",
        "/webhooks%2Fidngo",
    ],
)
def test_what_is_not_there_is_not_found(running: Service, target: str) -> None:
    is_a_problem(send(running, "GET", target, token=OPERATOR), 404)


@pytest.mark.parametrize(
    "target",
    [
        "/webhooks/nobody",
        "/webhooks/IDNGO",
        "/webhooks/idngo/",
        "/webhooks/idngo/x",
        "/webhooks//idngo",
        "/webhooks/idngo%00",
        "/webhooks/idngo%2F",
        "/webhooks/idngo%2Fx",
        "/webhooks/idngo%20",
        "/webhooks/%25",
        "/webhooks/%ff",
        "/webhooks/..",
        "/webhooks/__class__",
        "/webhooks/" + "x" * 7000,
    ],
)
def test_an_unknown_vendor_is_not_found(running: Service, target: str) -> None:
    body = json.dumps(payloads.idngo(payloads.new_applicant())).encode()
    is_a_problem(send(running, "POST", target, headers=signing.idngo(body).items(), body=body), 404)


@pytest.mark.parametrize("target", ["//v1/applicants", "///v1/applicants", "/v1//applicants", "//v1//applicants", "/v1/applicants//"])
def test_a_slash_too_many_is_never_redirected(running: Service, target: str) -> None:
    answer = send(running, "GET", target, token=READER)
    assert answer.status in (200, 404)
    assert "location" not in answer.headers


@pytest.mark.parametrize("target", ["http://elsewhere.example/v1/applicants/idngo/x", "http://a@b:1/v1/applicants/idngo/x?", "//x/y"])
def test_an_address_may_be_absolute(running: Service, target: str) -> None:
    is_a_problem(send(running, "GET", target, token=READER), 404)


@pytest.mark.parametrize("host", ["..", "a" * 300, "x" * 64 + ".example"])
def test_a_host_that_cannot_be_is_a_bad_request(running: Service, host: str) -> None:
    is_a_problem(send(running, "GET", "/v1/applicants", headers=[("Host", host)], token=READER), 400)


def test_nobody_is_let_into_a_websocket(running: Service) -> None:
    upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "eA==")]
    is_a_problem(send(running, "GET", "/v1/changes", headers=upgrade, token=READER), 400)


# methods ------------------------------------------------------------------------------------------------------

READING = {"GET", "HEAD", "OPTIONS"}

ROUTES = {
    "/webhooks/idngo": {"POST"},
    "/webhooks/nobody": {"POST"},
    "/v1/applicants": READING,
    "/v1/applicants/idngo/x": READING,
    "/v1/applicants/idngo/x/history": READING,
    "/v1/users/x": READING,
    "/v1/changes": READING,
    "/v1/events": READING,
    f"/v1/events/{NO_EVENT}": READING,
    f"/v1/events/{NO_EVENT}/body": READING,
    f"/v1/events/{NO_EVENT}/replay": {"POST", "OPTIONS"},
    "/v1/links/ifcgate/x": {"PUT", "OPTIONS"},
    "/healthz": READING,
    "/readyz": READING,
    "/metrics": READING,
    "/openapi.json": READING,
}

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BREW"]


@pytest.mark.parametrize("path", ROUTES)
def test_a_method_that_is_not_for_an_address_is_told_which_ones_are(running: Service, path: str) -> None:
    for method in METHODS:
        if method in ROUTES[path]:
            continue
        answer = send(running, method, path, token=OPERATOR)
        if method == "HEAD":
            assert (answer.status, answer.headers["content-type"]) == (405, "application/problem+json")
        else:
            is_a_problem(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == ROUTES[path], method


@pytest.mark.parametrize("path", ROUTES)
def test_no_method_on_any_address_redirects_or_breaks(running: Service, path: str) -> None:
    for method in METHODS:
        for token in (None, READER, LINKER, OPERATOR):
            answer = send(running, method, path, token=token)
            assert answer.status < 300 or 400 <= answer.status < 500, (method, answer.status)
            assert answer.status != 410
            assert SANE_ID.fullmatch(answer.headers["x-request-id"])


# queries ------------------------------------------------------------------------------------------------------

LISTS = {"/v1/applicants": ["2026-05-04T09:30:00Z", "idngo", "x"], "/v1/events": [1]}

#: What no page of any list gives: `None` is nothing at all.
CURSORS_OF_NOTHING = [
    "", "x", "****", "%00", "%ff", "%C3%A9", "a" * 3000, "latest", "=", "eyJ9",
    cursor(None), cursor(True), cursor("x"), cursor({}), cursor([]), cursor([[]]), cursor([None]), cursor([{"$gt": 0}]),
    cursor([1.5]), cursor([-1.5e300]), cursor(["1"]), cursor([True]), cursor([1, 1]), cursor([1, "a", "b"]),
    cursor(["yesterday", "a", "b"]), cursor(["2026-05-04T09:30:00Z", "a"]), cursor(["2026-05-04T09:30:00Z", 1, 2]),
    cursor(["2026-05-04T09:30:00Z", "a", None]), cursor(["2026-05-04T09:30:00Z", "a", "b", "c"]), cursor(["9" * 30, "a", "b"]),
    cursor(b'["2026-05-04T09:30:00Z", "\\ud800", "b"]'), cursor(b"[" * 500), cursor(b"\xff\xfe"),
]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_that_no_list_gave_is_refused(running: Service, path: str) -> None:
    for crafted in CURSORS_OF_NOTHING:
        problem = is_a_problem(send(running, "GET", f"{path}?cursor={crafted}", token=READER), 400)
        assert "'cursor'" in problem["detail"], crafted
    assert send(running, "GET", f"{path}?cursor={cursor(LISTS[path])}", token=READER).status == 200


@pytest.mark.parametrize(
    "crafted",
    [
        "x",
        ".",
        "x.1",
        "1",
        "%00",
        "LATEST",
        "latest.1",
        "deadbeef.",
        "deadbeef.-1",
        "deadbeef.1.5",
        "deadbeef." + "9" * 30,
        "deadbeef.%D9%A1",
    ],
)
def test_a_place_that_the_feed_never_gave_is_refused(running: Service, crafted: str) -> None:
    problem = is_a_problem(send(running, "GET", f"/v1/changes?after={crafted}", token=READER), 400)
    assert "'after'" in problem["detail"]


TIMES_THAT_ARE_NONE = [
    "yesterday", "2026", "2026-13-01T00:00:00Z", "2026-05-04T09:30:00", "2026-05-04", "0000-01-01T00:00:00Z", "1777886100",
    "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59", "2026-05-04T09:30:00%2B99:00", "%00", "%ff", "now()",
]  # fmt: skip
NUMBERS_THAT_ARE_NONE = ["", "x", "%00", "%ff", "1.5", "1;2", "nan", "inf", "1e999", "%D9%A3", "None", "-1", "99999999999999999999999"]


@pytest.mark.parametrize(
    ("path", "name", "values"),
    [
        ("/v1/applicants", "limit", [*NUMBERS_THAT_ARE_NONE, "0", "501"]),
        ("/v1/applicants", "environment", ["", "LIVE", "mars", "%00", "live%00", "live,sandbox"]),
        ("/v1/applicants", "vendor", ["", "nobody", "IDNGO", "%00"]),
        ("/v1/applicants", "status", ["", "Approved", "pending", "%00"]),
        ("/v1/applicants", "hit", ["", "%25", "%22", "sanction", "%00"]),
        ("/v1/applicants", "updated_after", TIMES_THAT_ARE_NONE),
        ("/v1/applicants", "external_user_id", ["%00", "a%00b"]),
        ("/v1/applicants", "name", ["x"]),
        ("/v1/applicants/idngo/x", "environment", ["", "mars"]),
        ("/v1/applicants/idngo/x", "limit", ["1"]),
        ("/v1/applicants/idngo/x/history", "limit", ["0", "501", "x"]),
        ("/v1/applicants/idngo/x/history", "cursor", ["", "x", cursor(["1"]), cursor([None])]),
        ("/v1/users/x", "environment", ["mars"]),
        ("/v1/events", "limit", [*NUMBERS_THAT_ARE_NONE, "0", "501"]),
        ("/v1/events", "status", ["", "approved", "%00"]),
        ("/v1/events", "vendor", ["nobody"]),
        ("/v1/events", "reference", ["%00"]),
        ("/v1/events", "received_after", TIMES_THAT_ARE_NONE),
        ("/v1/events", "wait", ["1"]),
        ("/v1/changes", "limit", [*NUMBERS_THAT_ARE_NONE, "0", "501"]),
        ("/v1/changes", "wait", ["", "x", "-1", "30.001", "nan", "inf", "-inf", "1e999"]),
        ("/v1/changes", "environment", ["mars"]),
        ("/v1/changes", "cursor", ["x"]),
    ],
)
def test_a_query_that_cannot_be_right_is_told_by_its_name(running: Service, path: str, name: str, values: list[str]) -> None:
    for value in values:
        problem = is_a_problem(send(running, "GET", f"{path}?{name}={value}", token=READER), 400)
        assert f"'{name}'" in problem["detail"], value


@pytest.mark.parametrize("query", ["%00=1", "=1", "=", "a-b=1", "%C3%A9=1", "__class__=1", "limit%00=1", "x" * 3000, "[]=1", "limit[]=1"])
def test_a_parameter_that_no_call_has_is_refused(running: Service, query: str) -> None:
    is_a_problem(send(running, "GET", f"/v1/applicants?{query}", token=READER), 400)


@pytest.mark.parametrize("query", ["?", "?&", "?&&&", "?limit=1&"])
def test_a_query_of_nothing_asks_for_nothing(running: Service, query: str) -> None:
    assert send(running, "GET", f"/v1/applicants{query}", token=READER).status == 200


# bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"{}",
        b"{",
        b"\xff\xfe",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b"external_user_id=someone",
        b'{"external_user_id": null}',
        b'{"external_user_id": 7}',
        b'{"external_user_id": true}',
        b'{"external_user_id": ["a"]}',
        b'{"external_user_id": {"a": "b"}}',
        b'{"external_user_id": ""}',
        b'{"external_user_id": "   "}',
        b'{"external_user_id": "a\\u0000b"}',
        b'{"external_user_id": "\\ud800"}',
        b'{"external_user_id": "\\udc00\\ud800"}',
        b'{"external_user_id": "\xff"}',
        b'{"external_user_id": "\xed\xa0\x80"}',
        b'{"external_user_id": "' + b"x" * 201 + b'"}',
        b'{"External_User_Id": "a"}',
        b'{"external_user_id": "a"} {}',
        b'{"external_user_id": "a",}',
        b"{'external_user_id': 'a'}",
        b'{"external_user_id": NaN}',
        b"[" * 3000,
        b'{"external_user_id": ' + b"[" * 3000,
        b'{"external_user_id": "a", "more": ' + b"[" * 3000,
        b'{"a":' * 700,
    ],
)
def test_a_link_to_no_one_is_refused(running: Service, body: bytes) -> None:
    is_a_problem(send(running, "PUT", "/v1/links/ifcgate/case_1", body=body, token=LINKER), 400)


@pytest.mark.parametrize("case", ["%00", "a%00b", "x" * 201, "%20", "%20%20"])
def test_a_case_that_cannot_be_is_not_linked(running: Service, case: str) -> None:
    body = b'{"external_user_id": "someone"}'
    is_a_problem(send(running, "PUT", f"/v1/links/ifcgate/{case}", body=body, token=LINKER), 404)


@pytest.mark.parametrize("vendor", ["idngo", "idenfy", "nobody"])
def test_only_ifcgates_cases_are_linked(running: Service, vendor: str) -> None:
    body = b'{"external_user_id": "someone"}'
    is_a_problem(send(running, "PUT", f"/v1/links/{vendor}/x", body=body, token=LINKER), 404)


@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_body_over_the_limit_is_refused(running: Service, vendor: str, signed: bool) -> None:
    body = b"x" * (BODY_BYTES_MAX + 1)
    headers = signing.headers(vendor, body).items() if signed else ()
    is_a_problem(send(running, "POST", f"/webhooks/{vendor}", headers=headers, body=body), 413)


def test_a_link_over_the_limit_is_refused(running: Service) -> None:
    body = b'{"external_user_id": "someone"' + b" " * BODY_BYTES_MAX + b"}"
    is_a_problem(send(running, "PUT", "/v1/links/ifcgate/x", body=body, token=LINKER), 413)


@pytest.mark.parametrize("length", [0, 1, BODY_BYTES_MAX - 1, BODY_BYTES_MAX])
@pytest.mark.parametrize("chunks", [None, 1, 3])
def test_a_body_up_to_the_limit_is_kept(running: Service, length: int, chunks: int | None) -> None:
    body = json.dumps([length, chunks]).encode().ljust(length)[:length]
    answer = send(running, "POST", "/webhooks/idngo", headers=signing.idngo(body).items(), body=body, chunks=chunks)
    assert answer.status == 200, answer.body
    assert running.get(f"/v1/events/{answer.json['event_id']}/body?reason=ticket+7", token=OPERATOR).body == body


CONTENT_TYPES = [
    "text/plain", "application/json; charset=nonsense", "multipart/form-data; boundary=x", "multipart/form-data",
    "application/x-www-form-urlencoded", "application/xml", "é", "", ";", "x" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
def test_no_content_type_is_demanded(running: Service, vendor: str) -> None:
    for number, content_type in enumerate(CONTENT_TYPES):
        body = f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{number}&b=c%00\r\n--x--\r\n'.encode()
        headers = [*signing.headers(vendor, body).items(), ("Content-Type", content_type)]
        answer = send(running, "POST", f"/webhooks/{vendor}", headers=headers, body=body)
        assert answer.status == 200, content_type
        assert running.get(f"/v1/events/{answer.json['event_id']}/body?reason=ticket+7", token=OPERATOR).body == body


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_link_needs_no_content_type(running: Service, content_type: str) -> None:
    body = b'{"external_user_id": "someone"}'
    answer = send(running, "PUT", "/v1/links/ifcgate/any_type", headers=[("Content-Type", content_type)], body=body, token=LINKER)
    assert answer.status == 200


@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[" * 3900, b"\xff\xfe\x00", b'{"sandboxMode": ' + b"[" * 3900, b'{"scanRef": ' + b"9" * 3900 + b"}"]
)
def test_what_is_not_signed_is_not_looked_at(running: Service, vendor: str, body: bytes) -> None:
    is_a_problem(send(running, "POST", f"/webhooks/{vendor}", body=body), 401)


@pytest.mark.parametrize("vendor", ["ifcgate", "idngo", "idenfy"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 3900,
        b"\xff\xfe\x00",
        b'{"sandboxMode": ' + b"[" * 3900,
        b'{"scanRef": ' + b"9" * 3900 + b"}",
        b'{"monitoringId": -' + b"9" * 3900 + b"}",
        b'{"scanRef": 1e999}',
        b'{"scanRef": "\\ud800", "applicantId": "\\ud800", "case_id": "\\ud800"}',
        b'{"scanRef": "a\\u0000", "applicantId": "a\\u0000", "case_id": "a\\u0000"}',
        b'{"scanRef": "' + b"x" * 3000 + b'"}',
    ],
)
def test_what_is_signed_is_kept_however_strange(running: Service, vendor: str, body: bytes) -> None:
    assert send(running, "POST", f"/webhooks/{vendor}", headers=signing.headers(vendor, body).items(), body=body).status == 200


# rights -------------------------------------------------------------------------------------------------------

#: Each call with the tokens that are too small for it, and what it answers to the right one when the rest is wrong, too.
CALLS = [
    ("GET", "/v1/applicants?environment=mars", [LINKER], 400),
    ("GET", "/v1/applicants/idngo/x", [LINKER], 404),
    ("GET", "/v1/applicants/idngo/x?environment=mars", [LINKER], 400),
    ("GET", "/v1/applicants/idngo/x/history", [LINKER], 404),
    ("GET", "/v1/applicants/idngo/x/history?cursor=x", [LINKER], 400),
    ("GET", "/v1/users/nobody", [LINKER], 404),
    ("GET", "/v1/changes?wait=x", [LINKER], 400),
    ("GET", "/v1/events?limit=0", [LINKER], 400),
    ("GET", f"/v1/events/{NO_EVENT}", [LINKER], 404),
    ("GET", f"/v1/events/{NO_EVENT}/body?reason=x", [LINKER, READER], 404),
    ("POST", f"/v1/events/{NO_EVENT}/replay", [LINKER, READER], 404),
    ("GET", "/v1/events/x/body?reason=x", [LINKER, READER], 404),
    ("POST", "/v1/events/x/replay", [LINKER, READER], 404),
    ("PUT", "/v1/links/ifcgate/x", [READER], 400),
    ("PUT", "/v1/links/ifcgate/x?environment=mars", [READER], 400),
]


@pytest.mark.parametrize(("method", "target", "too_small", "otherwise"), CALLS)
def test_rights_are_asked_for_before_anything_else(
    running: Service, method: str, target: str, too_small: list[str], otherwise: int
) -> None:
    for unknown in (None, "nobody's"):
        answer = send(running, method, target, token=unknown)
        is_a_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    for token in too_small:
        is_a_problem(send(running, method, target, token=token), 403)
    is_a_problem(send(running, method, target, token=OPERATOR), otherwise)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "read-me-if-you-may",
        "Basic cmVhZC1tZTo=",
        "Basic read-me-if-you-may",
        "Token read-me-if-you-may",
        "Bearerread-me",
        "Bearer:read-me-if-you-may",
        "Bearer read-me-if-you-may, Bearer read-me-if-you-may",
        "Bearer read-me-if-you-may;",
        'Bearer "read-me-if-you-may"',
        "Bearer read-m",
        "Bearer read-mee",
        "Bearer READ-ME",
        "Bearer reader=read-me-if-you-may",
        "Bearer reader",
        "Bearer é",
        "Bearer ÿþ",
        "ÿþ",
        "Bearer réad-me",
        "Bearer read-meé",
        "Bearer read%2Dme",
        "Bearer " + "x" * 5000,
        "Bearer {}",
        "Bearer None",
        "Bearer sha256:a634909363dad0200568001ff356af5dc4bc08557a35a6354e36c694081cbc5f",
    ],
)
def test_what_is_not_a_known_bearer_token_is_none(running: Service, authorization: str) -> None:
    is_a_problem(send(running, "GET", "/v1/applicants", headers=[("Authorization", authorization)]), 401)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer read-me-if-you-may", "bearer read-me-if-you-may", "BEARER  read-me-if-you-may ", "Bearer operate-me-if-you-may"],
)
def test_a_known_bearer_token_may_read(running: Service, authorization: str) -> None:
    assert send(running, "GET", "/v1/applicants", headers=[("Authorization", authorization)]).status == 200


# ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        "a/b",
        "/",
        "//",
        "100%",
        "%2F",
        "%252F",
        "a%2Fb/c%",
        "%00",
        "..",
        "a b",
        "+",
        "?a=b&c#d",
        ";x",
        "Jürgen",
        "案件",
        "🙂",
        "a\nb",
        "\\",
        "x" * 200,
    ],
)
def test_an_id_of_any_letters_can_be_linked_and_read(running: Service, case: str) -> None:
    address = quote(case, safe="")
    linked = running.request("PUT", f"/v1/links/ifcgate/{address}", b'{"external_user_id": "whose/100%"}', token=LINKER)
    running.told("ifcgate", payloads.ifcgate(case))
    assert linked.json == {"vendor": "ifcgate", "environment": "live", "reference": case, "external_user_id": "whose/100%"}
    state = running.applicant("ifcgate", case)
    assert (state["reference"], state["external_user_id"], state["status"]) == (case, "whose/100%", "approved")
    assert len(running.history("ifcgate", case)) == 1
    assert case in [row["reference"] for row in running.get("/v1/users/whose%2F100%25").json["data"]]
    assert [row["reference"] for row in running.get("/v1/events", reference=case).json["data"]] == [case]


# what is told, and what is not --------------------------------------------------------------------------------

MARK = "marked-7f3a9"


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "status"),
    [
        ("GET", f"/{MARK}", [], b"", 404),
        ("GET", f"/v1/applicants/{MARK}/{MARK}", [], b"", 404),
        ("GET", f"/v1/applicants/idngo/{MARK}/history", [], b"", 404),
        ("GET", f"/v1/events/{MARK}", [], b"", 404),
        ("GET", f"/v1/events/{MARK}/body?reason=x", [], b"", 404),
        ("GET", f"/v1/users/{MARK}", [], b"", 404),
        ("POST", f"/webhooks/{MARK}", [], b"", 404),
        ("PATCH", f"/v1/applicants/idngo/{MARK}", [], b"", 405),
        (MARK.upper(), "/v1/applicants", [], b"", 405),
        ("GET", f"/v1/applicants?cursor={MARK}", [], b"", 400),
        ("GET", f"/v1/applicants?limit={MARK}", [], b"", 400),
        ("GET", f"/v1/applicants?status={MARK}", [], b"", 400),
        ("GET", f"/v1/applicants?vendor={MARK}", [], b"", 400),
        ("GET", f"/v1/applicants?updated_after={MARK}", [], b"", 400),
        ("GET", f"/v1/applicants?{MARK}=1", [], b"", 400),
        ("GET", f"/v1/applicants?environment=live&external_user_id=%00{MARK}", [], b"", 400),
        ("GET", f"/v1/changes?after={MARK}", [], b"", 400),
        ("GET", f"/v1/changes?after={MARK}.1", [], b"", 400),
        ("GET", "/v1/applicants", [("Authorization", f"Bearer {MARK}")], b"", 401),
        ("GET", "/v1/applicants", [("Authorization", f"{MARK} read-me-if-you-may")], b"", 401),
        ("GET", f"/{MARK}", [("X-Request-Id", f"not sane {MARK}")], b"", 404),
        ("PUT", f"/v1/links/ifcgate/{MARK}", [], b'{"external_user_id": ["marked-7f3a9"]}', 400),
        ("PUT", f"/v1/links/ifcgate/{MARK}", [], b'{"marked-7f3a9": "marked-7f3a9"}', 400),
        ("PUT", f"/v1/links/ifcgate/{MARK}", [], b'{"external_user_id": "marked-7f3a9\\u0000"}', 400),
        ("PUT", f"/v1/links/ifcgate/{MARK}", [], b"marked-7f3a9", 400),
        ("POST", "/webhooks/idngo", [("x-payload-digest", MARK)], b"marked-7f3a9", 401),
        ("POST", "/webhooks/idngo", [("x-payload-digest-alg", MARK)], b"marked-7f3a9", 401),
        ("POST", "/webhooks/idenfy", [("Idenfy-Signature", MARK), ("Idenfy-Event-Type", MARK)], b"marked-7f3a9", 401),
        ("POST", "/webhooks/ifcgate", [("webhook-id", MARK), ("webhook-signature", MARK)], b"marked-7f3a9", 401),
        ("POST", "/webhooks/idngo", [], b"marked-7f3a9" * 1000, 413),
    ],
)
def test_nothing_that_was_sent_is_repeated(
    running: Service, method: str, target: str, headers: list[tuple[str, str]], body: bytes, status: int
) -> None:
    tokens = [] if any(name == "Authorization" for name, _ in headers) else [("Authorization", f"Bearer {OPERATOR}")]
    answer = send(running, method, target, headers=[*headers, *tokens], body=body)
    is_a_problem(answer, status)
    told = str(answer.headers) + answer.body.decode()
    assert MARK not in told.lower()
    assert MARK not in running.logged().lower()


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/v1/applicants", 200),
        ("OPTIONS", "/v1/applicants", 200),
        ("HEAD", "/v1/applicants", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/applicants", 405),
        ("POST", "/webhooks/idngo", 401),
        ("POST", "/webhooks/nobody", 404),
        ("GET", "/v1/applicants?limit=0", 400),
    ],
)
def test_the_request_id_and_the_trace_of_the_sender_are_on_every_answer(running: Service, method: str, target: str, status: int) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736"
    given = [("X-Request-Id", "req-1_2.3"), ("traceparent", f"{trace}-00f067aa0ba902b7-00")]
    answer = send(running, method, target, headers=given, token=READER)
    assert (answer.status, answer.headers["x-request-id"], answer.headers["traceparent"][:35]) == (status, "req-1_2.3", trace)


def test_of_two_traces_none_is_taken(running: Service) -> None:
    given = [("traceparent", f"00-4bf92f3577b34da6a3ce929d0e0e473{digit}-00f067aa0ba902b7-00") for digit in "67"]
    assert not send(running, "GET", "/nowhere", headers=given).headers["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e473")


@pytest.mark.parametrize("given", ["", " ", "x" * 129, "a b", "a,b", "a/b", "é", "<script>", "a;b", '"a"', "%0d%0a", "${jndi:ldap://x}"])
def test_a_request_id_that_is_not_sane_is_replaced(running: Service, given: str) -> None:
    is_a_problem(send(running, "GET", "/nowhere", headers=[("X-Request-Id", given)]), 404)


def test_each_request_without_an_id_gets_its_own(running: Service) -> None:
    assert len({send(running, "GET", "/healthz").headers["x-request-id"] for _ in range(20)}) == 20


@pytest.mark.parametrize("given", ["x" * 128, "0", "...", "-", "A-Z_a.z-09"])
def test_a_sane_request_id_is_taken(running: Service, given: str) -> None:
    problem = is_a_problem(send(running, "GET", "/nowhere", headers=[("X-Request-Id", given)]), 404)
    assert problem["request_id"] == given
