"""The clients of the vendors' read APIs, against vendors that are played over real HTTP.

The answers are those that the vendors publish: https://www.ifcgate.com/documentation.html (case, list, error), Sumsub's sample for
`GET /resources/applicants/{id}/one` and its errors (https://docs.sumsub.com/reference/run-aml-check, shortened), on whose platform IDnGO
runs, and https://documentation.idenfy.com (status, data, error of a direct processing).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from handlers import clients as reads
from handlers import config
from handlers.clients import idngo, public_addresses
from handlers.clients.idenfy import Idenfy
from handlers.clients.idngo import Idngo
from handlers.clients.ifcgate import Ifcgate
from handlers.clients.pacing import Pace, Pacing, Timer
from handlers.clients.vendor import CredentialsRefused, Listed, Unanswered, VendorAnswer
from handlers.config import Settings
from receiver.simulator.vendor_server import Vendors
from store.system.environment import Environment, Misconfigured
from tests.support.downstream import Downstream, Dripping, Reply, answering, saying
from tests.support.vendors import played

CREDENTIALS = {
    "IFCGATE_API_KEY": "ifcg_live_geheim",
    "IDNGO_APP_TOKEN": "prd:token-geheim",
    "IDNGO_APP_SECRET": "ein Geheimnis",
    "IDENFY_API_KEY": "key-geheim",
    "IDENFY_API_SECRET": "Geheimnis: zwei",
}

#: An applicant of each vendor, the path with which it is asked for, and an answer about it, as published.
REFERENCES = {
    "ifcgate": "case_10308",
    "idngo": "68a7d46b8a6f58bf219053c6",
    "idenfy": "328c6766-934e-11ed-bb9b-025ad99a18e7",
}
PATHS = {
    "ifcgate": "/v1/cases/case_10308",
    "idngo": "/resources/applicants/68a7d46b8a6f58bf219053c6/one",
    "idenfy": "/api/v2/status",
}
PUBLISHED = {
    "ifcgate": b"""{
"case_id": "case_10308",
"status": "in_review",
"owner": "Compliance Team",
"timeline": [
{
"event": "submitted",
"at": "2026-03-30T02:41:00Z"
}
]
}""",
    "idngo": b"""{
\t"id": "68a7d46b8a6f58bf219053c6",
\t"createdAt": "2025-08-22 02:22:35",
\t"externalUserId": "28",
\t"info": {"firstName": "John", "lastName": "Mock-Doe", "idDocs": [{"idDocType": "ID_CARD", "country": "VNM"}]},
\t"review": {"reviewId": "ujsDa", "reviewStatus": "completed", "reviewResult": {"reviewAnswer": "GREEN"}},
\t"type": "individual"
}""",
    "idenfy": b"""{
  "fraudTags": [],
  "mismatchTags": [],
  "autoDocument": "DOC_VALIDATED",
  "autoFace": "FACE_MATCH",
  "manualDocument": "DOC_VALIDATED",
  "manualFace": "FACE_MATCH",
  "scanRef": "328c6766-934e-11ed-bb9b-025ad99a18e7",
  "clientId": "W2GL2K333Y",
  "status": "APPROVED"
}""",
}

#: An error of each vendor, as published, and what of it a message must say.
ENVELOPES = {
    "ifcgate": (
        {"error": {"code": "workflow_validation_failed", "message": "A type is missing.", "request_id": "req_7f2a91", "status": 422}},
        ("workflow_validation_failed", "A type is missing.", "req_7f2a91"),
    ),
    "idngo": (
        {"description": "Request signature mismatch", "code": 401, "correlationId": "a84e29", "errorCode": 4003, "errorName": "mismatch"},
        ("4003", "Request signature mismatch", "a84e29"),
    ),
    "idenfy": (
        {"message": "No image provided for step 'BACK'", "identifier": "MISSING_VALUE", "documentation": "", "severity": "NOT_SEVERE"},
        ("MISSING_VALUE", "No image provided for step 'BACK'"),
    ),
}

each_vendor = pytest.mark.parametrize("vendor", list(REFERENCES))


@dataclass
class Waiting:
    """A watch on which time passes by sleeping alone, and which tells how long that was."""

    slept: list[float] = field(default_factory=list)
    at: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def watch(self) -> Timer:
        return Timer(monotonic=lambda: self.at, sleep=self.sleep)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "192.0.0.8", "192.88.99.1",
        "::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1",
        "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808",
        "2002:7f00:1::", "2001:0:7f00:1::f7f7:f7f7", "2001:0:808:808::8000:fffe", "2a00:1450:4001::5efe:7f00:1",
        "2a00:1450:4001::200:5efe:a00:1",
    ],
)  # fmt: skip
def test_an_address_that_leads_to_a_private_one_is_not_public(address: str) -> None:
    assert not public_addresses.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_an_address_that_leads_to_a_public_one_is_public(address: str) -> None:
    assert public_addresses.is_public(address)


def patience(waiting: Waiting, **different: Any) -> Pacing:
    return Pacing(watch=waiting.watch(), **different)


def configured(**variables: str) -> Settings:
    """The settings of a worker with these variables. Raises Misconfigured."""
    environment = Environment({"VAR_DIR": "/nonexistent"} | variables)
    settings = config.read(environment)
    environment.check()
    return settings


def clients_of(url: str, given: Pacing) -> dict[str, Any]:
    """Clients of vendors that are all at one address, without a vendor's name in the path."""
    urls = {f"{vendor.upper()}_API_URL": url for vendor in REFERENCES}
    local = {"NOTIFY_PLAIN_HTTP": "yes", "NOTIFY_PRIVATE_HOSTS": "127.0.0.1"}
    return dict(reads.clients(configured(**CREDENTIALS, **urls, **local), patience=given))


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def server() -> Iterator[Downstream]:
    """A server that answers as it is told to, for what the played vendors never do."""
    with Downstream() as running:
        yield running


@pytest.fixture
def clients(server: Downstream, waiting: Waiting) -> dict[str, Any]:
    return clients_of(server.url(""), patience(waiting))


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    """The vendors that `standing simulate --vendors` plays."""
    with played.playing(CREDENTIALS) as running:
        yield running


@pytest.fixture
def playing(vendors: Vendors, waiting: Waiting) -> Iterator[dict[str, Any]]:
    """Clients of the played vendors."""
    yield dict(reads.clients(configured(**CREDENTIALS, **vendors.settings()), patience=patience(waiting)))
    for vendor in REFERENCES:
        played.play(vendors, vendor, {"fault": None})


def complaint_of(client: Any, reference: str) -> Unanswered:
    with pytest.raises(Unanswered) as raised:
        client.read(reference)
    return raised.value


# what is answered ---------------------------------------------------------------------------------------------


@each_vendor
def test_a_published_answer_is_given_byte_for_byte(vendor: str, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(PUBLISHED[vendor]))
    assert clients[vendor].read(REFERENCES[vendor]) == VendorAnswer(reference=REFERENCES[vendor], body=PUBLISHED[vendor])
    [asked] = server.came
    assert asked.path == PATHS[vendor]


def test_every_client_knows_its_name(clients: dict[str, Any]) -> None:
    assert {name: client.vendor for name, client in clients.items()} == {name: name for name in REFERENCES}


def test_ifcgate_is_shown_a_bearer_token(server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(PUBLISHED["ifcgate"]))
    clients["ifcgate"].read(REFERENCES["ifcgate"])
    assert server.came[0].headers["authorization"] == "Bearer ifcg_live_geheim"


def test_idenfy_is_shown_key_and_secret_and_told_the_scan_ref(server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(PUBLISHED["idenfy"]))
    clients["idenfy"].read(REFERENCES["idenfy"])
    [asked] = server.came
    # printf 'key-geheim:Geheimnis: zwei' | base64
    assert asked.headers["authorization"] == "Basic a2V5LWdlaGVpbTpHZWhlaW1uaXM6IHp3ZWk="
    assert asked.json == {"scanRef": "328c6766-934e-11ed-bb9b-025ad99a18e7"}


def test_idngo_is_asked_with_the_exact_path_and_query_signed() -> None:
    # printf '1599219016GET/a/resources/x?b=c%%2Fd' | openssl dgst -sha256 -hmac 'ein Geheimnis'
    api = config.IdngoApi(url="http://127.0.0.1/a", token="prd:token", secret=b"ein Geheimnis")
    moment = datetime.fromtimestamp(1599219016, UTC)
    found = idngo.credentials(api, method="GET", url="http://127.0.0.1/a/resources/x?b=c%2Fd", now=moment)
    assert found == {
        "X-App-Token": "prd:token",
        "X-App-Access-Ts": "1599219016",
        "X-App-Access-Sig": "b18b060d173eba6a3dcc15c679d93782c8b285af151aa0ea3a8cb0c2858e8070",
    }


@each_vendor
def test_a_played_vendor_is_asked_and_answers(vendor: str, vendors: Vendors, playing: dict[str, Any]) -> None:
    played.play(vendors, f"{vendor}/who-{vendor}", {"status": "approved", "at": "2026-03-30T03:00:00Z"})
    found = playing[vendor].read(f"who-{vendor}")
    assert found.reference == f"who-{vendor}"
    assert b"approved" in found.body


@each_vendor
def test_a_vendor_that_knows_no_such_applicant_says_nothing_of_it(vendor: str, vendors: Vendors, playing: dict[str, Any]) -> None:
    played.play(vendors, f"{vendor}/gone", {"status": "approved"})
    played.play(vendors, f"{vendor}/gone", None)
    assert playing[vendor].read("gone") is None


@each_vendor
def test_a_404_of_a_proxy_does_not_say_that_there_is_no_such_applicant(vendor: str, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(b"<html>Not Found</html>", 404))
    assert complaint_of(clients[vendor], "who").status == 404


@pytest.mark.parametrize("user", ["a user/with; what=ever?&#%", "пользователь", ".", "a.b"])
def test_idngo_is_asked_by_an_id_of_ours_whatever_is_in_it(user: str, vendors: Vendors, playing: dict[str, Any]) -> None:
    played.play(vendors, "idngo/68a7d46b", {"status": "GREEN", "user": user})
    if user == ".":
        with pytest.raises(Unanswered, match="cannot be asked for"):
            playing["idngo"].read_by_user(user)
        return
    found = playing["idngo"].read_by_user(user)
    assert found.reference == "68a7d46b"
    assert json.loads(found.body)["review"]["reviewResult"] == {"reviewAnswer": "GREEN"}
    assert playing["idngo"].read_by_user(f"not {user}") is None


@each_vendor
@pytest.mark.parametrize("reference", ["", ".", "..", "\ud800"])
def test_what_no_path_can_hold_is_not_asked_for(vendor: str, reference: str, server: Downstream, clients: dict[str, Any]) -> None:
    complaint_of(clients[vendor], reference)
    assert server.came == []


def test_idenfy_shows_data_and_files_on_demand(vendors: Vendors, playing: dict[str, Any]) -> None:
    played.play(vendors, "idenfy/scan-1", {"status": "APPROVED"})
    client: Idenfy = playing["idenfy"]
    assert json.loads(client.data("scan-1"))["docType"] == "PASSPORT"
    assert set(json.loads(client.files("scan-1"))) == {"fileUrls", "videoUrls", "additionalStepPdfUrls"}
    for show in (client.data, client.files):
        with pytest.raises(Unanswered, match="no such verification"):
            show("scan-2")


# the list of cases --------------------------------------------------------------------------------------------


def test_every_case_is_listed_page_by_page(waiting: Waiting) -> None:
    with played.playing(CREDENTIALS) as running:
        for number in range(230):
            played.play(running, f"ifcgate/case_{number:03}", {"status": "approved" if number % 2 else "in_review"})
        client = reads.clients(configured(**CREDENTIALS, **running.settings()), patience=patience(waiting))["ifcgate"]
        assert isinstance(client, Ifcgate)
        listed = list(client.listing())
    assert listed == [Listed(reference=f"case_{number:03}", status="approved" if number % 2 else "in_review") for number in range(230)]
    assert running.played["ifcgate"].asked == [
        "/ifcgate/v1/cases?limit=100",
        "/ifcgate/v1/cases?limit=100&cursor=cur_case_099",
        "/ifcgate/v1/cases?limit=100&cursor=cur_case_199",
    ]


@pytest.mark.parametrize(
    "ending",
    [{}, {"next_cursor": None}, {"next_cursor": ""}, {"next_cursor": "cur_2", "has_more": False}, {"next_cursor": None, "has_more": False}],
)
def test_the_last_page_is_known_however_it_says_so(ending: dict[str, Any], server: Downstream, clients: dict[str, Any]) -> None:
    # The published page: an entry with `workflow`, `next_cursor`, no `has_more`.
    first = {"data": [{"case_id": "case_1", "workflow": "verification-priority", "status": "in_review"}], "next_cursor": "cur_1"}
    server.answer = saying(answering(first), answering({"data": [{"case_id": "case_2", "status": 5}]} | ending))
    assert list(clients["ifcgate"].listing()) == [Listed(reference="case_1", status="in_review"), Listed(reference="case_2", status=None)]
    assert len(server.came) == 2


@pytest.mark.parametrize("cursors", [["a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_a_list_that_goes_round_ends_with_an_error(cursors: list[str], server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(*(answering({"data": [], "next_cursor": cursor}) for cursor in cursors))
    with pytest.raises(Unanswered, match="goes round"):
        list(clients["ifcgate"].listing())


@pytest.mark.parametrize(
    "page",
    [
        {"data": [], "has_more": True},
        {"data": [{"status": "approved"}]},
        {"data": [{"case_id": 5}]},
        {"data": {}},
        {"next_cursor": "a"},
        {"data": [], "next_cursor": 5},
        [],
    ],
)
def test_a_page_that_is_not_understood_is_an_error_and_not_the_end(page: object, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(page))
    with pytest.raises(Unanswered):
        list(clients["ifcgate"].listing())


def test_a_list_that_is_not_there_is_not_an_empty_list(server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering({"error": {"code": "not_found"}}, 404))
    with pytest.raises(Unanswered):
        list(clients["ifcgate"].listing())


# what is not understood ---------------------------------------------------------------------------------------

NONSENSE = {
    "nothing": b"",
    "no JSON": b"<html>Welcome</html>",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "no id": b"{}",
    "numbers for words": b'{"case_id": 1, "id": 1, "scanRef": 1}',
    "nulls": b'{"case_id": null, "id": null, "scanRef": null}',
    "no UTF-8": b'{"case_id": "\xff", "id": "\xff", "scanRef": "\xff"}',
    "half a letter": b'{"case_id": "\\ud800", "id": "\\ud800", "scanRef": "\\ud800"}',
    "deep": b'{"a":' * 100_000,
    "cut": b'{"case_id": "case_10308", "id": "68a7d46b8a6f58bf219053c6", "scanRef": "328c',
    "another applicant": b'{"case_id": "case_1", "id": "68a7d46b8a6f58bf219053c7", "scanRef": "428c6766", "externalUserId": "2"}',
    "a complaint": b'{"error": 3, "ok": 0, "identifier": 3}',
}


@each_vendor
@pytest.mark.parametrize("nonsense", list(NONSENSE.values()), ids=list(NONSENSE))
def test_an_answer_that_is_not_understood_is_no_answer(vendor: str, nonsense: bytes, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(nonsense))
    said = str(complaint_of(clients[vendor], REFERENCES[vendor]))
    assert said.isprintable()
    assert len(server.came) == 1


def test_an_answer_about_another_user_is_not_understood(server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(PUBLISHED["idngo"]))
    assert clients["idngo"].read_by_user("28").reference == REFERENCES["idngo"]
    with pytest.raises(Unanswered, match="another applicant"):
        clients["idngo"].read_by_user("29")


@each_vendor
def test_an_answer_without_end_is_not_read_to_its_end(vendor: str, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(PUBLISHED[vendor][:-1] + b" " * 6 * 1024 * 1024 + b"}"))
    assert "larger than" in str(complaint_of(clients[vendor], REFERENCES[vendor]))


# errors -------------------------------------------------------------------------------------------------------


@each_vendor
def test_an_error_says_what_the_vendor_says_and_is_not_tried_again(vendor: str, server: Downstream, clients: dict[str, Any]) -> None:
    envelope, words = ENVELOPES[vendor]
    server.answer = saying(answering(envelope, 422))
    error = complaint_of(clients[vendor], "who")
    assert error.status == 422
    assert [word for word in ("422", *words) if word not in str(error)] == []
    assert len(server.came) == 1


@each_vendor
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_apart_and_not_tried_again(
    vendor: str, status: int, server: Downstream, clients: dict[str, Any]
) -> None:
    server.answer = saying(answering(ENVELOPES[vendor][0], status))
    assert isinstance(complaint_of(clients[vendor], "who"), CredentialsRefused)
    assert len(server.came) == 1


@each_vendor
def test_a_played_vendor_refuses_other_credentials(vendor: str, vendors: Vendors, waiting: Waiting) -> None:
    played.play(vendors, f"{vendor}/who", {"status": "approved"})
    others = {name: f"not-{value}" for name, value in CREDENTIALS.items()}
    client = reads.clients(configured(**others, **vendors.settings()), patience=patience(waiting))[vendor]
    assert isinstance(complaint_of(client, "who"), CredentialsRefused)


def test_idenfy_says_by_its_identifier_that_the_credentials_are_wrong(server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering({"identifier": "UNAUTHORIZED", "message": "Invalid key."}, 400))
    assert isinstance(complaint_of(clients["idenfy"], "who"), CredentialsRefused)


@pytest.mark.parametrize("identifier", ["INTERNAL_ERROR", "TOO_MANY_REQUESTS"])
@pytest.mark.parametrize("status", [200, 400])
def test_idenfy_says_by_its_identifier_that_it_cannot_now(
    identifier: str, status: int, server: Downstream, clients: dict[str, Any]
) -> None:
    busy = answering({"identifier": identifier, "message": "Later."}, status)
    server.answer = saying(busy, answering(PUBLISHED["idenfy"]))
    assert clients["idenfy"].read(REFERENCES["idenfy"]).body == PUBLISHED["idenfy"]


def test_an_error_with_the_status_of_success_is_an_error(server: Downstream, clients: dict[str, Any]) -> None:
    for vendor, content, word in [("idenfy", ENVELOPES["idenfy"][0], "MISSING_VALUE"), ("idngo", {"ok": 0}, "ok: 0")]:
        server.answer = saying(answering(content))
        assert word in str(complaint_of(clients[vendor], REFERENCES[vendor]))
    server.answer = saying(answering(ENVELOPES["idenfy"][0]))
    for show in (clients["idenfy"].data, clients["idenfy"].files):
        with pytest.raises(Unanswered, match="MISSING_VALUE"):
            show("who")


ECHOES = {
    "ifcgate": lambda heard: {"error": {"code": heard["authorization"], "message": f"Key ifcg_live_geheim of {heard['authorization']}"}},
    "idngo": lambda heard: {
        "description": f"{heard['x-app-token']} with ein Geheimnis gives {heard['x-app-access-sig']} and not PRD:TOKEN-GEHEIM",
        "code": 400, "correlationId": heard["x-app-token"],
    },
    "idenfy": lambda heard: {"identifier": "BAD_VALUE", "message": f"{heard['authorization']} is key-geheim and Geheimnis: zwei"},
}  # fmt: skip


@each_vendor
@pytest.mark.parametrize("status", [200, 401, 422, 500])
def test_a_credential_that_a_vendor_echoes_is_in_no_message(vendor: str, status: int, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = lambda message: answering(ECHOES[vendor](message.headers), status)
    said = str(complaint_of(clients[vendor], "who"))
    asked = server.came[-1].headers
    secrets = [*CREDENTIALS.values(), asked.get("x-app-access-sig", "none"), asked.get("authorization", "none").split()[-1], "geheim"]
    assert [secret for secret in secrets if secret.lower() in said.lower()] == []
    assert "[cut out]" in said


@each_vendor
def test_a_message_is_bounded_and_obeyed_by_no_terminal(vendor: str, server: Downstream, clients: dict[str, Any]) -> None:
    long = "\x1b[31m\u202e\n" + "a" * 100_000
    content = {"error": {"code": long, "message": [long]}, "description": long, "identifier": long, "message": {"a": long}}
    server.answer = saying(answering(content, 422))
    said = str(complaint_of(clients[vendor], "who"))
    assert said.isprintable()
    assert len(said) < 300


@each_vendor
def test_a_redirect_is_not_followed(vendor: str, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(b"", 302, Location=server.url("/elsewhere")))
    assert "redirect" in str(complaint_of(clients[vendor], "who"))
    assert len(server.came) == 1


# trying again -------------------------------------------------------------------------------------------------


@each_vendor
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_vendor_that_cannot_now_is_asked_again(vendor: str, status: int, server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(b"busy", status), answering(b"busy", status), answering(PUBLISHED[vendor]))
    assert clients[vendor].read(REFERENCES[vendor]).body == PUBLISHED[vendor]
    assert len(server.came) == 3


@pytest.mark.parametrize("fault", ["500", "429", "down"])
@each_vendor
def test_a_played_fault_passes(vendor: str, fault: str, vendors: Vendors, playing: dict[str, Any]) -> None:
    played.play(vendors, f"{vendor}/who", {"status": "approved"})
    played.play(vendors, vendor, {"fault": fault, "times": 3, "retry_after": "2"})
    assert playing[vendor].read("who").reference == "who"


@each_vendor
def test_a_played_fault_that_stays_ends_with_an_error(vendor: str, vendors: Vendors, playing: dict[str, Any]) -> None:
    played.play(vendors, f"{vendor}/who", {"status": "approved"})
    before = len(vendors.played[vendor].asked)
    for fault, asked in {"500": 5, "down": 5, "nonsense": 1, "unauthorized": 1}.items():
        played.play(vendors, vendor, {"fault": fault})
        complaint_of(playing[vendor], "who")
        assert len(vendors.played[vendor].asked) - before == asked
        before += asked


@each_vendor
def test_a_vendor_is_asked_five_times_and_waited_for_longer_each_time(
    vendor: str, server: Downstream, clients: dict[str, Any], waiting: Waiting
) -> None:
    server.answer = saying(answering(ENVELOPES[vendor][0], 503))
    error = complaint_of(clients[vendor], "who")
    assert (error.status, error.again_at) == (503, None)
    assert "attempt 5" in str(error)
    assert len(server.came) == 5
    # One, two, four and eight seconds, less up to a half each; what its pace asks for comes on top.
    assert 7.5 <= waiting.at <= 15 + 5 * 2


def test_each_attempt_is_signed_for_itself(server: Downstream, clients: dict[str, Any]) -> None:
    server.answer = saying(answering(b"", 500))
    complaint_of(clients["idngo"], "who")
    for message in server.came:
        timestamp, signed = message.headers["x-app-access-ts"], message.headers["x-app-access-sig"]
        assert signed == idngo.signature(b"ein Geheimnis", timestamp=timestamp, method="GET", path=message.path)


@each_vendor
def test_a_vendor_is_left_alone_for_as_long_as_it_asks(vendor: str, server: Downstream, clients: dict[str, Any], waiting: Waiting) -> None:
    server.answer = saying(answering(b"", 429, Retry_After="100"), answering(PUBLISHED[vendor]))
    clients[vendor].read(REFERENCES[vendor])
    assert waiting.slept[0] == 100


@each_vendor
def test_a_date_to_come_back_at_is_kept(vendor: str, server: Downstream, clients: dict[str, Any], waiting: Waiting) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    server.answer = saying(answering(b"", 503, Retry_After=date), answering(PUBLISHED[vendor]))
    clients[vendor].read(REFERENCES[vendor])
    # The test itself takes some of the time, and a date has no parts of a second.
    assert 60 <= waiting.slept[0] <= 100


@each_vendor
@pytest.mark.parametrize("rest", [121, 3600, 999_999_999])
def test_a_vendor_that_asks_for_more_than_two_minutes_is_not_waited_for(
    vendor: str, rest: int, server: Downstream, clients: dict[str, Any], waiting: Waiting
) -> None:
    server.answer = saying(answering(b"", 429, Retry_After=str(rest)))
    error = complaint_of(clients[vendor], "who")
    assert error.again_at is not None
    assert error.again_at - datetime.now(UTC) <= timedelta(seconds=min(rest, 30 * 24 * 3600))
    assert f"{error.again_at:%Y-%m-%dT%H:%M}" in str(error)
    assert len(server.came) == 1
    assert waiting.slept == []


@pytest.mark.parametrize("text", ["soon", "-5", "1e9", "٣", "Wed, 99 Oct 2015 07:28:00 GMT", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_says_nothing_is_passed_over(text: str, server: Downstream, clients: dict[str, Any], waiting: Waiting) -> None:
    reply = Reply(429, raw=f"HTTP/1.1 429 Busy\r\nRetry-After: {text}\r\nContent-Length: 0\r\n\r\n".encode())
    server.answer = saying(reply, answering(PUBLISHED["ifcgate"]))
    clients["ifcgate"].read(REFERENCES["ifcgate"])
    assert waiting.slept[0] <= 1


@each_vendor
def test_a_vendor_that_is_slow_or_drips_is_given_up(vendor: str, waiting: Waiting) -> None:
    impatient = patience(waiting, attempts_max=2, answer_seconds_max=0.3)
    dripping = Dripping()
    assert "no answer" in str(complaint_of(clients_of(dripping.url, impatient)[vendor], "who"))
    dripping.close()
    with Downstream(lambda _: Reply(body=PUBLISHED[vendor], seconds=10)) as slow:
        error = complaint_of(clients_of(slow.url(""), impatient)[vendor], REFERENCES[vendor])
        assert "no answer" in str(error)
        assert "attempt 2" in str(error)


@each_vendor
def test_nobody_there_is_told_so(vendor: str, waiting: Waiting) -> None:
    error = complaint_of(clients_of("http://127.0.0.1:9", patience(waiting))[vendor], "who")
    assert error.status is None
    assert "attempt 5" in str(error)


def test_a_private_address_is_refused_unless_it_is_allowed(server: Downstream, waiting: Waiting) -> None:
    settings = configured(IFCGATE_API_KEY="a-key", IFCGATE_API_URL=server.url(""), NOTIFY_PLAIN_HTTP="yes")
    error = complaint_of(reads.clients(settings, patience=patience(waiting))["ifcgate"], "who")
    assert "NOTIFY_PRIVATE_HOSTS" in str(error)
    assert (server.came, waiting.slept) == ([], [])


# how often ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_minute", [30, 540, 1200])
def test_no_minute_sees_more_than_its_share(per_minute: int, waiting: Waiting) -> None:
    pace, passed = Pace(per_minute=per_minute, watch=waiting.watch()), []
    for _ in range(3 * per_minute):
        pace.wait()
        passed.append(waiting.at)
    assert max(sum(begin <= at < begin + 59.99 for at in passed) for begin in passed) <= per_minute


@pytest.mark.parametrize(("vendor", "allowed", "seconds"), [("ifcgate", 600, 60), ("idngo", 300, 5), ("idenfy", 30, 60)])
def test_a_vendor_is_asked_no_more_often_than_it_allows(
    vendor: str, allowed: int, seconds: int, server: Downstream, clients: dict[str, Any], waiting: Waiting
) -> None:
    server.answer = saying(answering(PUBLISHED[vendor]))
    for _ in range(20):
        clients[vendor].read(REFERENCES[vendor])
    assert len(server.came) == 20
    assert waiting.at >= 19 * seconds / allowed


def test_how_often_idenfy_is_asked_is_a_setting(server: Downstream, waiting: Waiting) -> None:
    api = config.IdenfyApi(url=server.url(""), key="a", secret="b", reads_per_minute=6)
    client = Idenfy(api, patience=patience(waiting), private_hosts=frozenset({"127.0.0.1"}))
    server.answer = saying(answering(PUBLISHED["idenfy"]))
    for _ in range(3):
        client.read(REFERENCES["idenfy"])
    assert waiting.slept == [10, 10]


def test_attempts_keep_the_pace_too(server: Downstream, clients: dict[str, Any], waiting: Waiting) -> None:
    server.answer = saying(answering(b"", 500))
    complaint_of(clients["idenfy"], "who")
    assert waiting.at >= 4 * 2


def test_several_threads_ask_one_after_the_other(server: Downstream, clients: dict[str, Any], waiting: Waiting) -> None:
    server.answer = saying(answering(PUBLISHED["idngo"]))
    threads = [threading.Thread(target=clients["idngo"].read, args=(REFERENCES["idngo"],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.came) == 8
    assert waiting.at == pytest.approx(7 * 60 / 1200)


def test_a_connection_is_kept_between_requests(vendors: Vendors, playing: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    accept = vendors.get_request
    monkeypatch.setattr(vendors, "get_request", lambda: (made.append(None), accept())[1])
    client: Idngo = playing["idngo"]
    for _ in range(5):
        assert client.read("nobody") is None
    assert len(made) == 1


# settings -----------------------------------------------------------------------------------------------------


def test_nobody_is_asked_unless_configured() -> None:
    assert reads.clients(configured()) == {}


def test_the_vendors_own_addresses_are_the_default() -> None:
    settings = configured(IFCGATE_API_KEY="a", IDENFY_API_KEY="b", IDENFY_API_SECRET="c")
    assert settings.ifcgate_api == config.IfcgateApi(url="https://api.ifcgate.com", key="a")
    assert settings.idenfy_api == config.IdenfyApi(url="https://ivs.idenfy.com", key="b", secret="c", reads_per_minute=30)
    assert set(reads.clients(settings)) == {"ifcgate", "idenfy"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"IFCGATE_API_URL": "https://api.example.com"}, "IFCGATE_API_KEY"),
        ({"IFCGATE_API_KEY": "geheim", "IFCGATE_API_URL": "http://api.example.com"}, "IFCGATE_API_URL"),
        ({"IFCGATE_API_KEY": "geheim", "IFCGATE_API_URL": "https://api.example.com/v1/"}, "IFCGATE_API_URL"),
        ({"IFCGATE_API_KEY": "geheim", "IFCGATE_API_URL": "https://api.example.com?geheim"}, "IFCGATE_API_URL"),
        ({"IFCGATE_API_KEY": "geheim\nX: y"}, "IFCGATE_API_KEY"),
        ({"IFCGATE_API_KEY": "geheimé"}, "IFCGATE_API_KEY"),
        ({"IDENFY_API_KEY": "geheim"}, "IDENFY_API_SECRET"),
        ({"IDENFY_API_SECRET": "geheim"}, "IDENFY_API_KEY"),
        ({"IDENFY_API_URL": "https://ivs.example.com"}, "IDENFY_API_KEY"),
        ({"IDENFY_API_KEY": "geheim:x", "IDENFY_API_SECRET": "geheim"}, "IDENFY_API_KEY"),
        ({"IDENFY_API_KEY": "a", "IDENFY_API_SECRET": "geheim\udcff"}, "IDENFY_API_SECRET"),
        ({"IDENFY_API_KEY": "a", "IDENFY_API_SECRET": "geheim", "IDENFY_API_URL": "geheim"}, "IDENFY_API_URL"),
        ({"IDENFY_READS_PER_MINUTE": "0"}, "IDENFY_READS_PER_MINUTE"),
        ({"IDENFY_READS_PER_MINUTE": "geheim"}, "IDENFY_READS_PER_MINUTE"),
        ({"IDNGO_APP_TOKEN": "geheim"}, "IDNGO_APP_SECRET"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named_and_not_repeated(given: dict[str, str], wrong: str) -> None:
    with pytest.raises(Misconfigured) as told:
        configured(**given)
    assert wrong in {line.split()[0] for line in str(told.value).splitlines()[1:]}
    assert "geheim" not in str(told.value)


def test_credentials_are_not_in_what_settings_look_like() -> None:
    settings = configured(**CREDENTIALS, IDNGO_API_URL="https://api.idngo.kz")
    assert [secret for secret in CREDENTIALS.values() if secret in repr(settings)] == []
