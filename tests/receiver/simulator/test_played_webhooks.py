"""The results of the played vendors: which webhooks follow a submission, how they are signed, and that they insist."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from receiver import config
from receiver.simulator import scenarios
from receiver.simulator.played.webhooks import Target
from receiver.simulator.vendor_server import Vendors
from store.system.environment import Environment
from tests.support import signing
from tests.support.downstream import Downstream, Message, Reply
from tests.support.vendors.played import play, playing, seen, visit
from tests.support.vendors.vendor_calls import CREDENTIALS, call, png, upload

SECRETS = {
    "IFCGATE_SANDBOX_SECRETS": signing.IFCGATE_SECRET,
    "IDNGO_SANDBOX_SECRETS": signing.IDNGO_SANDBOX_SECRET,
    "IDENFY_SANDBOX_SECRETS": signing.IDENFY_SECRET,
}
CREATE = "/resources/applicants?levelName=basic-kyc-level"


@pytest.fixture
def service() -> Iterator[Downstream]:
    with Downstream() as downstream:
        yield downstream


@pytest.fixture
def vendors(service: Downstream) -> Iterator[Vendors]:
    settings = config.read(Environment(SECRETS | {"VAR_DIR": "/nonexistent"}))
    signers = scenarios.signers(settings, "sandbox")
    target = Target(base=service.url(""), environment="sandbox", signers=signers, review_seconds=0.02)
    with playing(CREDENTIALS, target) as played:
        yield played


def arrived(service: Downstream, count: int) -> list[Message]:
    """The first webhooks, once they are there and no more follow for a moment."""
    deadline = time.monotonic() + 10
    while len(service.came) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(service.came) == count, [message.body for message in service.came]
    return service.came


def submitted(vendors: Vendors, user: str = "user-1") -> str:
    """An IDnGO applicant whose check is requested."""
    reference: str = call(vendors, "idngo", "POST", CREATE, {"externalUserId": user}).content["id"]
    for document in ("PASSPORT", "SELFIE"):
        upload(vendors, reference, {"idDocType": document, "country": "EST"}, png(document))
    assert call(vendors, "idngo", "POST", f"/resources/applicants/{reference}/status/pending").content == {"ok": 1}
    return reference


def test_idngo_reports_each_step_of_an_approval_in_the_order_of_its_times(vendors: Vendors, service: Downstream) -> None:
    reference = submitted(vendors)
    came = arrived(service, 3)
    said = [message.json for message in came]
    assert [one["type"] for one in said] == ["applicantCreated", "applicantPending", "applicantReviewed"]
    assert said[2]["reviewResult"] == {"reviewAnswer": "GREEN"}
    assert {(one["applicantId"], one["externalUserId"], one["sandboxMode"]) for one in said} == {(reference, "user-1", True)}
    times = [one["createdAtMs"] for one in said]
    assert times == sorted(set(times))
    for message in came:
        expected = signing.idngo(message.body, secret=signing.IDNGO_SANDBOX_SECRET)
        assert (message.path, message.headers["x-payload-digest"]) == ("/webhooks/idngo", expected["x-payload-digest"])
    review = call(vendors, "idngo", "GET", f"/resources/applicants/{reference}/status").content
    assert review["reviewResult"] == {"reviewAnswer": "GREEN"}


def test_a_retry_names_what_failed_and_the_next_check_is_approved(vendors: Vendors, service: Downstream) -> None:
    play(vendors, "idngo", {"next": ["RED:RETRY", "GREEN"], "user": "user-1", "failed": ["SELFIE"]})
    reference = submitted(vendors)
    verdict = arrived(service, 3)[-1].json["reviewResult"]
    assert (verdict["reviewAnswer"], verdict["reviewRejectType"]) == ("RED", "RETRY")
    upload(vendors, reference, {"idDocType": "SELFIE", "country": "EST"}, png("a better selfie"))
    call(vendors, "idngo", "POST", f"/resources/applicants/{reference}/status/pending")
    said = [message.json for message in arrived(service, 5)]
    assert said[-1]["reviewResult"]["reviewAnswer"] == "GREEN"
    assert [one["createdAtMs"] for one in said] == sorted({one["createdAtMs"] for one in said})


def test_a_verdict_of_one_user_leaves_the_others(vendors: Vendors, service: Downstream) -> None:
    play(vendors, "idngo", {"next": "RED:FINAL", "user": "user-2"})
    for user in ("user-1", "user-2"):
        submitted(vendors, user)
    verdicts = {one.json["externalUserId"]: one.json.get("reviewResult", {}).get("reviewAnswer") for one in arrived(service, 6)}
    assert verdicts == {"user-1": "GREEN", "user-2": "RED"}


def test_a_later_rejection_is_sent_if_the_play_says_so(vendors: Vendors, service: Downstream) -> None:
    reference = submitted(vendors)
    arrived(service, 3)
    told = {"status": "RED:FINAL", "at": "2199-01-01T00:00:00Z", "labels": ["BLACKLIST"], "webhook": True}
    play(vendors, f"idngo/{reference}", told)
    said = arrived(service, 4)[-1].json
    assert (said["reviewResult"]["rejectLabels"], said["createdAtMs"]) == (["BLACKLIST"], "2199-01-01 00:00:00.000")
    play(vendors, f"idngo/{reference}", {"status": "GREEN"})
    arrived(service, 4)


def test_idenfy_reports_an_automatic_result_and_a_final_one(vendors: Vendors, service: Downstream) -> None:
    reference = call(vendors, "idenfy", "POST", "/api/v2/token", {"clientId": "user-1"}).content["scanRef"]
    play(vendors, "idenfy", {"next": "DENIED"})
    visit(vendors, f"idenfy/{reference}")
    came = arrived(service, 2)
    types = [message.headers["idenfy-event-type"] for message in came]
    assert types == ["IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_MANUAL_FINISHED"]
    said = [message.json for message in came]
    assert [(one["scanRef"], one["clientId"], one["final"]) for one in said] == [(reference, "user-1", last) for last in (False, True)]
    assert said[1]["status"]["overall"] == "DENIED"
    assert [message.headers["idenfy-signature"] for message in came] == [signing.idenfy(one.body)["Idenfy-Signature"] for one in came]


def test_a_dummy_status_decides(vendors: Vendors, service: Downstream) -> None:
    asked = {"clientId": "user-1", "dummyStatus": "EXPIRED"}
    visit(vendors, f"idenfy/{call(vendors, 'idenfy', 'POST', '/api/v2/token', asked).content['scanRef']}")
    assert arrived(service, 1)[0].headers["idenfy-event-type"] == "IDENTIFICATION_EXPIRED"


def test_ifcgate_reports_a_case_that_is_started_and_one_that_is_completed(vendors: Vendors, service: Downstream) -> None:
    case = call(vendors, "ifcgate", "POST", "/v1/verifications", {"workflow": "w", "applicant_id": "u"}).content["case_id"]
    said = [message.json for message in arrived(service, 2)]
    assert [(one["event"], one["status"]) for one in said] == [("case.review.started", "in_review"), ("case.review.completed", "approved")]
    assert {one["case_id"] for one in said} == {case}
    assert said[0]["processed_at"] < said[1]["processed_at"]
    [first, _] = service.came
    identity, at = first.headers["webhook-id"], int(first.headers["webhook-timestamp"])
    assert first.headers["webhook-signature"] == signing.ifcgate(first.body, message_id=identity, timestamp=at)["webhook-signature"]


def test_a_webhook_that_is_refused_is_sent_again_as_it_was(vendors: Vendors, service: Downstream) -> None:
    statuses = iter([503, 200])
    service.answer = lambda _: Reply(next(statuses, 200))
    call(vendors, "idngo", "POST", CREATE, {"externalUserId": "user-1"})
    first, second = arrived(service, 2)
    assert (first.body, first.headers["x-payload-digest"]) == (second.body, second.headers["x-payload-digest"])
    [told] = seen(vendors, "idngo")["webhooks"]
    assert (told["type"], told["status"], told["attempts"]) == ("applicantCreated", 200, 2)


def test_an_applicant_whose_status_the_play_changed_gets_no_other_verdict(vendors: Vendors, service: Downstream) -> None:
    may_answer = threading.Event()
    service.answer = lambda _: Reply() if may_answer.wait(10) else Reply(503)

    def began(user: str) -> str:
        reference: str = call(vendors, "idenfy", "POST", "/api/v2/token", {"clientId": user}).content["scanRef"]
        visit(vendors, f"idenfy/{reference}")
        return reference

    earlier = began("user-1")
    arrived(service, 1)  # The vendor waits for its answer, and takes nothing up meanwhile.
    changed = began("user-2")
    play(vendors, f"idenfy/{changed}", {"status": "SUSPECTED"})
    later = began("user-3")
    may_answer.set()
    assert {message.json["scanRef"] for message in arrived(service, 4)} == {earlier, later}
    assert seen(vendors, "idenfy")["applicants"][changed] == "SUSPECTED"
