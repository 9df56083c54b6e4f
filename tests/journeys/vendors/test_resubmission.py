"""RED:RETRY with what to send again: the vendor is asked, and whatever it answers delays nobody.

The answer is the sample that Sumsub publishes, on whose platform IDnGO runs
(https://docs.sumsub.com/reference/get-applicant-verification-steps-status), shortened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.clients import idngo
from handlers.clients.request_body import Pieces
from handlers.notify import resubmission
from handlers.notify.subscribers import Refused
from tests.conftest import KEY
from tests.support import payloads
from tests.support.downstream import Downstream, Reply
from tests.support.payloads import after
from tests.support.service import Service, eventually

STEPS = {
    "IDENTITY": {
        "reviewResult": {"moderationComment": "Please upload a photo of the front of your ID card.", "reviewAnswer": "RED"},
        "country": "LVA",
        "idDocType": "ID_CARD",
        "imageIds": [122352326, 34246467],
        "imageReviewResults": {
            "34246467": {"reviewAnswer": "GREEN"},
            "122352326": {
                "moderationComment": "Please upload a photo of the front of your ID card.",
                "clientComment": "One side of the document is missing.",
                "reviewAnswer": "RED",
                "rejectLabels": ["DOCUMENT_PAGE_MISSING", "FRONT_SIDE_MISSING"],
                "reviewRejectType": "RETRY",
            },
        },
    },
    "SELFIE": {"reviewResult": {"reviewAnswer": "GREEN"}, "country": "LVA", "idDocType": "SELFIE", "imageReviewResults": None},
    "QUESTIONNAIRE": None,
}

ASKED_FOR = [
    {
        "step": "IDENTITY", "type": "ID_CARD", "country": "LVA",
        "comment": "Please upload a photo of the front of your ID card.", "internal_comment": None, "reasons": [], "may_retry": None,
        "images": [
            {
                "id": "122352326", "comment": "Please upload a photo of the front of your ID card.",
                "internal_comment": "One side of the document is missing.",
                "reasons": ["DOCUMENT_PAGE_MISSING", "FRONT_SIDE_MISSING"], "may_retry": True,
            }
        ],
    }
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/resources/accessTokens", "600e8a7e7d46253d468afed77a578e0e89daef2dfd580161d86d7b949b7cb4c1"),
        ("/resources/accessTokens?name=value", "3f559b485473b32b8e4d0a422fa6201fdb4839e4d23a66d2fb24c97b7baf6a12"),
    ],
)
def test_requests_are_signed_as_the_published_vectors_are(path: str, expected: str) -> None:
    # github.com/FaritSlv/sumsub-client, tests/unit/Request/RequestSignerTest.php
    secret, body = b"Hej2ch71kG2kTd1iIUDZFNsO5C1lh5Gq", (b'{"userId"', b': "123"}')
    assert idngo.signature(secret, timestamp="1599219016", method="POST", path=path, body=Pieces(body)) == expected


def test_what_may_be_shown_is_kept_apart_from_what_may_not() -> None:
    assert resubmission.problems(json.dumps(STEPS).encode()) == ASKED_FOR


@pytest.mark.parametrize("nonsense", [b"", b"[]", b"nothing", b'{"IDENTITY": 3}', b"\xff", b"[" * 100_000])
def test_an_answer_that_is_not_understood_is_refused(nonsense: bytes) -> None:
    with pytest.raises(Refused):
        resubmission.problems(nonsense)


@pytest.fixture
def vendor() -> Iterator[Downstream]:
    with Downstream(lambda _: Reply(body=json.dumps(STEPS).encode())) as server:
        yield server


@pytest.fixture
def asking(vendor: Downstream, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ENCRYPTION_KEYS": KEY,
        "IDNGO_API_URL": vendor.url(""),
        "IDNGO_APP_TOKEN": "prd:a-token",
        "IDNGO_APP_SECRET": "a secret of the API",
        "NOTIFY_PRIVATE_HOSTS": "127.0.0.1",
        "NOTIFY_PLAIN_HTTP": "yes",
        "WEB_CONCURRENCY": "1",
    }
    with Service(tmp_path, settings) as service:
        eventually(lambda: len(service.subscribers()) == 2, "it to be known who asks")
        yield service


def retry(service: Service, who: str, minute: int = 0) -> None:
    service.told("idngo", payloads.idngo(who, answer="RED", reject="RETRY", labels=["FRONT_SIDE_MISSING"], at=after(minutes=minute)))


def documents(service: Service, who: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.applicant("idngo", who)["problem_documents"]
    return found


def test_what_to_send_again_is_asked_for_kept_told_and_forgotten_once_it_was_sent(asking: Service, vendor: Downstream) -> None:
    who = payloads.new_applicant()
    retry(asking, who)
    assert eventually(lambda: documents(asking, who), "the documents to be asked for") == ASKED_FOR
    [asked] = vendor.came
    assert asked.path == f"/resources/applicants/{who}/requiredIdDocsStatus"
    timestamp, signed = asked.headers["x-app-access-ts"], asked.headers["x-app-access-sig"]
    assert asked.headers["x-app-token"] == "prd:a-token"
    assert signed == idngo.signature(b"a secret of the API", timestamp=timestamp, method="GET", path=asked.path)
    assert [change["changed"] for change in asking.history("idngo", who)][-1] == ["problem_documents"]
    asking.told("idngo", payloads.idngo(who, "applicantPending", status="pending", at=after(minutes=1)))
    assert documents(asking, who) == []
    retry(asking, who, 2)
    eventually(lambda: documents(asking, who), "them to be asked for anew")
    asking.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=3)))
    assert documents(asking, who) == []
    assert asking.standing("rebuild").returncode == 0
    # Neither a secret of the API nor what the vendor says for our eyes is in the log.
    assert "a secret of the API" not in asking.logged()
    assert "One side of the document" not in asking.logged()


def test_a_rebuild_does_not_forget_what_is_asked_for(asking: Service) -> None:
    who = payloads.new_applicant()
    retry(asking, who)
    eventually(lambda: documents(asking, who), "the documents to be asked for")
    assert asking.standing("rebuild").returncode == 0
    event = asking.get("/v1/events", reference=who).json["data"][0]["id"]
    assert asking.standing("replay", event, "--reason", "look", "--yes").returncode == 0
    assert documents(asking, who) == ASKED_FOR


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(body=b"nonsense"), Reply(401), Reply(seconds=3)], ids=["500", "nonsense", "401", "slow"]
)
def test_a_vendor_that_is_down_or_answers_nonsense_delays_nobody(asking: Service, vendor: Downstream, reply: Reply) -> None:
    vendor.answer = lambda _: reply
    who = payloads.new_applicant()
    retry(asking, who)
    eventually(lambda: vendor.came, "it to be asked")
    retry(asking, who, 1)
    asking.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=2)))
    assert asking.applicant("idngo", who)["status"] == "approved"
    assert documents(asking, who) == []
