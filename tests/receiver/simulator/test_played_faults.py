"""Faults of the played vendors: lost answers, connections that are cut, and faults of one step alone."""

from __future__ import annotations

import http.client
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support.vendors.played import play, seen
from tests.support.vendors.vendor_calls import authorized, call, png, upload

CREATE = "/resources/applicants?levelName=basic-kyc-level"


def test_a_lost_answer_leaves_what_was_done(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"fault": "lost", "times": 1})
    with pytest.raises(http.client.RemoteDisconnected):
        call(vendors, "idenfy", "POST", "/api/v2/token", {"clientId": "user-1"})
    assert seen(vendors, "idenfy")["credits"] == 1
    assert [asked["status"] for asked in seen(vendors, "idenfy")["requests"]] == [None]
    found = call(vendors, "idenfy", "GET", "/kyc/identifications/?clientId=user-1").content
    assert found["count"] == 1


def test_a_connection_that_is_cut_in_the_request_leaves_nothing(vendors: Vendors) -> None:
    reference = call(vendors, "idngo", "POST", CREATE, {"externalUserId": "u"}).content["id"]
    play(vendors, "idngo", {"fault": "cut", "times": 1, "path": "/info/idDoc"})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        upload(vendors, reference, {"idDocType": "PASSPORT", "country": "EST"}, png("a") + bytes(8_000_000))
    assert seen(vendors, "idngo")["uploads"] == []
    assert upload(vendors, reference, {"idDocType": "PASSPORT", "country": "EST"}, png("a")).status == 200


def test_a_connection_that_is_cut_in_the_answer(vendors: Vendors) -> None:
    play(vendors, "ifcgate", {"fault": "half"})
    with pytest.raises(http.client.IncompleteRead):
        call(vendors, "ifcgate", "POST", "/v1/verifications", {"workflow": "w", "applicant_id": "u"})
    assert seen(vendors, "ifcgate")["credits"] == 1


def test_a_fault_of_one_path_leaves_the_others(vendors: Vendors) -> None:
    play(vendors, "idngo", {"fault": "500", "path": "POST /idngo/resources/applicants?"})
    assert call(vendors, "idngo", "POST", CREATE, {"externalUserId": "u"}).status == 500
    assert call(vendors, "idngo", "GET", "/resources/applicants/-/byExternalUserId/u").content == {"exists": False}
    faults = [(asked["fault"], asked["status"]) for asked in seen(vendors, "idngo")["requests"]]
    assert faults == [("500", 500), (None, 200)]


def test_a_verdict_to_come_leaves_the_fault_as_it_is(vendors: Vendors) -> None:
    play(vendors, "ifcgate", {"fault": "402"})
    play(vendors, "ifcgate", {"next": "rejected"})
    assert call(vendors, "ifcgate", "GET", "/v1/cases").status == 402
    play(vendors, "ifcgate", {"fault": None})
    assert call(vendors, "ifcgate", "GET", "/v1/cases").status == 200


@pytest.mark.parametrize("fault", ["tired", "token_limit", "1012"])
def test_a_fault_that_the_vendor_does_not_know_is_refused(fault: str, vendors: Vendors) -> None:
    with pytest.raises(HTTPError, match="400"):
        play(vendors, "idngo", {"fault": fault})


def test_a_client_that_hangs_up_in_its_request_leaves_nothing(vendors: Vendors) -> None:
    body = b'{"clientId": "user-1"}'
    headers = authorized("idenfy", "POST", "/idenfy/api/v2/token", body) | {"Content-Length": str(len(body) + 1)}
    connection = http.client.HTTPConnection(urlsplit(vendors.url).netloc)
    connection.request("POST", "/idenfy/api/v2/token", body, headers)
    connection.close()
    assert call(vendors, "idenfy", "GET", "/kyc/identifications/?clientId=user-1").content["count"] == 0
