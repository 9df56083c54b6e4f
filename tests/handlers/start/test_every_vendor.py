"""What every call does that begins a verification, whichever vendor it is, when the vendor or the line to it fails."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.clients.pacing import Pacing
from handlers.config import IfcgateApi
from handlers.start.ifcgate import IfcgateStart
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, DocumentType, Person
from tests.support.downstream import Downstream, Dripping, Reply, answering, saying
from tests.support.vendors import starting
from tests.support.vendors.starting import HASTY, PATIENT, again, in_seconds, raised, refused

Call = Callable[..., Callable[[], Any]]


def _verify(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.ifcgate(url, patience)
    return lambda: vendor.verify(workflow="onboarding-default", applicant_id="app_1", documents=(), key="standing-1")


def _token(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idenfy(url, patience)
    return lambda: vendor.token(user="user-7")


def _find(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idenfy(url, patience)
    return lambda: vendor.find("user-7")


def _process(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idenfy(url, patience)
    return lambda: vendor.process(auth_token="token-1", country="LT", document_type=None, images={"FRONT": starting.image()})


def _create(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.create(user="user-7", level="basic-kyc-level")


def _find_applicant(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.find("user-7")


def _upload(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.upload("68a7d46b", Document(type=DocumentType.PASSPORT, country="KZ"), starting.image())


def _fixed_info(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.fixed_info("68a7d46b", Person(first_name="Anna"))


def _request_check(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.request_check("68a7d46b")


def _to_send_again(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.to_send_again("68a7d46b")


def _link(url: str, patience: Pacing = PATIENT) -> Callable[[], Any]:
    vendor = starting.idngo(url, patience)
    return lambda: vendor.link(user="user-7", level="basic-kyc-level")


#: Calls whose success says something that must be understood, and others.
CALLS: dict[str, Call] = {
    "ifcgate": _verify,
    "idenfy token": _token,
    "idenfy find": _find,
    "idenfy process": _process,
    "idngo create": _create,
    "idngo find": _find_applicant,
    "idngo check": _request_check,
    "idngo link": _link,
}
OTHERS: dict[str, Call] = {"idngo upload": _upload, "idngo fixed info": _fixed_info, "idngo to send again": _to_send_again}

each_call = pytest.mark.parametrize("begin", [*CALLS.values(), *OTHERS.values()], ids=[*CALLS, *OTHERS])


@each_call
@pytest.mark.parametrize("status", [429, 503])
def test_seconds_to_wait_are_kept(begin: Call, status: int, server: Downstream) -> None:
    server.answer = saying(answering(b"", status, Retry_After="100"))
    _is_in_seconds(again(begin(server.url(""))).again_at, 100)


@each_call
@pytest.mark.parametrize("status", [429, 503])
def test_a_date_to_come_back_at_is_kept(begin: Call, status: int, server: Downstream) -> None:
    server.answer = saying(answering(b"", status, Retry_After=in_seconds(100)))
    _is_in_seconds(again(begin(server.url(""))).again_at, 100)


def _is_in_seconds(moment: datetime | None, seconds: int) -> None:
    assert moment is not None
    assert abs(moment - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=30)


@each_call
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_vendor_that_cannot_now_is_asked_again_by_the_row(begin: Call, status: int, server: Downstream) -> None:
    server.answer = saying(answering(b"busy", status))
    found = again(begin(server.url("")))
    assert (found.again_at, found.may_have_arrived) == (None, status != 429)
    assert len(server.came) == 1


@each_call
def test_a_busy_conflict_is_asked_again_when_it_says(begin: Call, server: Downstream) -> None:
    server.answer = saying(answering({"description": "Please retry later", "code": 409}, 409, Retry_After="10"))
    _is_in_seconds(again(begin(server.url(""))).again_at, 10)


@each_call
@pytest.mark.parametrize("status", [401, 402, 403])
def test_money_and_credentials_are_for_the_operator(begin: Call, status: int, server: Downstream) -> None:
    server.answer = saying(answering({"message": "Partner inactive", "description": "none"}, status))
    assert refused(begin(server.url(""))).fault == FailureKind.CONTRACT


@each_call
def test_a_refused_connection_has_surely_not_arrived(begin: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = again(begin(f"http://127.0.0.1:{port}"))
    assert not found.may_have_arrived
    assert "no answer" in found.says


@each_call
def test_a_host_without_a_name_has_surely_not_arrived(begin: Call) -> None:
    assert not again(begin("http://vendor.invalid")).may_have_arrived


def test_a_private_address_is_refused_unless_it_is_allowed(server: Downstream) -> None:
    vendor = IfcgateStart(IfcgateApi(url=server.url(""), key="a-key"), private_hosts=frozenset(), patience=PATIENT)
    found = refused(lambda: vendor.verify(workflow="w", applicant_id="a", documents=(), key="k"))
    assert found.fault == FailureKind.PERSON
    assert server.came == []


@each_call
def test_a_slow_vendor_may_have_the_call(begin: Call, server: Downstream) -> None:
    server.answer = saying(Reply(body=b"{}", seconds=10))
    assert again(begin(server.url(""), HASTY)).may_have_arrived


@each_call
def test_a_vendor_that_drips_is_given_up(begin: Call) -> None:
    dripping = Dripping()
    assert again(begin(dripping.url.rstrip("/"), HASTY)).may_have_arrived
    dripping.close()


@each_call
def test_a_connection_that_is_cut_before_the_answer_may_have_the_call(begin: Call, server: Downstream) -> None:
    server.answer = saying(Reply(raw=b""))
    assert again(begin(server.url(""))).may_have_arrived


@each_call
def test_an_answer_that_is_cut_may_be_that_of_a_success(begin: Call, server: Downstream) -> None:
    server.answer = saying(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"))
    assert again(begin(server.url(""))).may_have_arrived


NONSENSE = {
    "a page": b"<html>Welcome</html>",
    "a list": b"[]",
    "null": b"null",
    "no id": b"{}",
    "numbers for words": b'{"case_id": 1, "id": 1, "scanRef": 1, "authToken": 1, "url": 1}',
    "empty words": b'{"case_id": "", "id": "", "scanRef": "", "authToken": "", "url": ""}',
    "half a letter": b'{"case_id": "\\ud800", "id": "\\ud800", "scanRef": "\\ud800"}',
    "deep": b'{"a":' * 100_000,
    "cut": b'{"case_id": "case_10308", "id": "68a7',
}


@pytest.mark.parametrize("begin", list(CALLS.values()), ids=list(CALLS))
@pytest.mark.parametrize("nonsense", list(NONSENSE.values()), ids=list(NONSENSE))
def test_a_success_that_is_not_understood_may_be_one(begin: Call, nonsense: bytes, server: Downstream) -> None:
    server.answer = saying(answering(nonsense))
    assert again(begin(server.url(""))).may_have_arrived


@pytest.mark.parametrize("begin", list(OTHERS.values()), ids=list(OTHERS))
@pytest.mark.parametrize("nonsense", [b"<html>Welcome</html>", b"[]", b"null", b'{"errors": 5, "IDENTITY": 5'])
def test_a_success_that_is_no_object_may_be_one(begin: Call, nonsense: bytes, server: Downstream) -> None:
    server.answer = saying(answering(nonsense))
    assert again(begin(server.url(""))).may_have_arrived


@each_call
def test_an_answer_without_end_is_not_read_to_its_end(begin: Call, server: Downstream) -> None:
    server.answer = saying(answering(b'{"a": "' + b" " * 6 * 1024 * 1024))
    assert again(begin(server.url(""))).may_have_arrived


@each_call
def test_a_message_is_bounded_and_obeyed_by_no_terminal(begin: Call, server: Downstream) -> None:
    long = "\x1b[31m\u202e\n" + "a" * 100_000
    content = {"error": {"code": long, "message": [long]}, "description": long, "identifier": long, "message": {"a": long}}
    server.answer = saying(answering(content, 422))
    raised(begin(server.url("")))
