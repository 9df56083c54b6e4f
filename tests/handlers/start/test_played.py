"""Verifications begun at the vendors that `standing simulate --vendors` plays, from the first call to the check.

The played vendors are written down apart from the calls: they verify signatures, count credits, and have each documented trap.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handlers.config import IdenfyApi, IdngoApi, IfcgateApi
from handlers.start.idenfy import ACTIVE, IdenfyStart
from handlers.start.idngo import IdngoStart
from handlers.start.ifcgate import IfcgateStart
from handlers.start.images import Image
from receiver.simulator.vendor_server import Vendors
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, DocumentType, Person, Side
from tests.support.vendors.played import play, playing, seen
from tests.support.vendors.starting import LOCAL, PATIENT, again, refused
from tests.support.vendors.vendor_calls import CREDENTIALS, png

LEVEL = "basic-kyc-level"

FRONT = Document(type=DocumentType.ID_CARD, side=Side.FRONT, country="EE")
BACK = Document(type=DocumentType.ID_CARD, side=Side.BACK, country="EE")
FACE = Document(type=DocumentType.SELFIE, country="EE")


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with playing(CREDENTIALS) as running:
        yield running


@pytest.fixture
def idngo(vendors: Vendors) -> IdngoStart:
    secret = CREDENTIALS["IDNGO_APP_SECRET"].encode()
    api = IdngoApi(url=f"{vendors.url}/idngo", token=CREDENTIALS["IDNGO_APP_TOKEN"], secret=secret)
    return IdngoStart(api, private_hosts=LOCAL, patience=PATIENT)


@pytest.fixture
def idenfy(vendors: Vendors) -> IdenfyStart:
    pair = {"key": CREDENTIALS["IDENFY_API_KEY"], "secret": CREDENTIALS["IDENFY_API_SECRET"]}
    api = IdenfyApi(url=f"{vendors.url}/idenfy", reads_per_minute=600, **pair)
    return IdenfyStart(api, private_hosts=LOCAL, patience=PATIENT)


@pytest.fixture
def ifcgate(vendors: Vendors) -> IfcgateStart:
    api = IfcgateApi(url=f"{vendors.url}/ifcgate", key=CREDENTIALS["IFCGATE_API_KEY"])
    return IfcgateStart(api, private_hosts=LOCAL, patience=PATIENT)


def image(marked: str) -> Image:
    content = png(marked)
    return Image(pieces=(content[:30], content[30:]), content_type="image/png")


def bought(vendors: Vendors, vendor: str) -> int:
    return int(seen(vendors, vendor)["credits"])


# IDnGO --------------------------------------------------------------------------------------------------------


def test_an_applicant_goes_from_the_first_call_to_the_check(vendors: Vendors, idngo: IdngoStart) -> None:
    person = Person(first_name="Анна", last_name="Tamm", date_of_birth="1990-02-28", nationality="EE", country="EE")
    reference = idngo.create(user="user-7", level=LEVEL, person=person).reference
    idngo.fixed_info(reference, person)
    assert refused(lambda: idngo.request_check(reference)).missing == ("IDENTITY", "SELFIE")
    for document in (FRONT, FACE):
        assert idngo.upload(reference, document, image(document.type)).errors == ()
    assert refused(lambda: idngo.request_check(reference)).missing == ("IDENTITY",)
    idngo.upload(reference, BACK, image("back"))
    idngo.request_check(reference)
    idngo.request_check(reference)
    assert idngo.status(reference) == "pending"
    assert bought(vendors, "idngo") == 1


def test_a_lost_answer_buys_no_second_applicant(vendors: Vendors, idngo: IdngoStart) -> None:
    play(vendors, "idngo", {"fault": "lost", "times": 1})
    assert again(lambda: idngo.create(user="user-7", level=LEVEL)).may_have_arrived
    found = idngo.create(user="user-7", level=LEVEL)
    assert found.adopted
    assert idngo.find("user-7", level=LEVEL) == found
    assert idngo.find("user-8") is None
    assert refused(lambda: idngo.create(user="user-7", level="another")).fault == FailureKind.PERSON
    assert bought(vendors, "idngo") == 1


def test_a_lost_answer_to_an_upload_is_known_by_the_same_image(vendors: Vendors, idngo: IdngoStart) -> None:
    reference = idngo.create(user="user-7", level=LEVEL).reference
    play(vendors, "idngo", {"fault": "lost", "times": 1, "path": "/info/idDoc"})
    assert again(lambda: idngo.upload(reference, FACE, image("face"))).may_have_arrived
    assert idngo.upload(reference, FACE, image("face")).known
    play(vendors, "idngo", {"fault": "cut", "times": 1, "path": "/info/idDoc"})
    large = Image(pieces=(png("front"), bytes(4_000_000)), content_type="image/png")
    assert again(lambda: idngo.upload(reference, FRONT, large)).may_have_arrived
    assert not idngo.upload(reference, FRONT, large).known


def test_a_lost_answer_to_the_check_is_found_in_the_status(vendors: Vendors, idngo: IdngoStart) -> None:
    reference = idngo.create(user="user-7", level=LEVEL).reference
    for document, marked in ((FRONT, "front"), (BACK, "back"), (FACE, "face")):
        idngo.upload(reference, document, image(marked))
    play(vendors, "idngo", {"fault": "lost", "times": 1, "path": "/status/pending"})
    assert again(lambda: idngo.request_check(reference)).may_have_arrived
    idngo.request_check(reference)
    play(vendors, "idngo", {"fault": "busy", "times": 1})
    assert again(lambda: idngo.request_check(reference)).again_at is not None


def test_what_failed_is_sent_again_to_the_same_applicant(vendors: Vendors, idngo: IdngoStart) -> None:
    reference = idngo.create(user="user-7", level=LEVEL).reference
    for document, marked in ((FRONT, "front"), (BACK, "back"), (FACE, "face")):
        idngo.upload(reference, document, image(marked))
    idngo.request_check(reference)
    play(vendors, "idngo", {"failed": ["IDENTITY/FRONT_SIDE"]})
    play(vendors, f"idngo/{reference}", {"status": "RED:RETRY"})
    [wanted] = idngo.to_send_again(reference)
    assert (wanted.step, wanted.type, wanted.country, wanted.sides) == ("IDENTITY", DocumentType.ID_CARD, "EST", (Side.FRONT, Side.BACK))
    assert wanted.comment
    assert "alone" not in wanted.comment
    for document, marked in ((FRONT, "front again"), (BACK, "back again")):
        idngo.upload(reference, document, image(marked))
    idngo.request_check(reference)
    assert idngo.status(reference) == "pending"


def test_a_bad_image_says_so_at_once(vendors: Vendors, idngo: IdngoStart) -> None:
    reference = idngo.create(user="user-7", level=LEVEL).reference
    play(vendors, "idngo", {"fault": "bad_image", "times": 1})
    assert idngo.upload(reference, FRONT, image("front")).errors == ("dataNotReadable",)
    play(vendors, "idngo", {"fault": "image_warning", "times": 1})
    found = idngo.upload(reference, FRONT, image("front"))
    assert (found.errors, found.warnings) == ((), ("maybeExpiredDoc",))
    assert found.image_id is not None


def test_a_person_can_be_sent_to_the_pages_of_idngo(idngo: IdngoStart) -> None:
    assert "/websdk/p/" in idngo.link(user="user 7", level=LEVEL)


# iDenfy -------------------------------------------------------------------------------------------------------


def images() -> dict[str, Image]:
    return {"FRONT": image("front"), "BACK": image("back"), "FACE": image("face")}


def process(idenfy: IdenfyStart, auth_token: str, *, skip_analysis: bool = False) -> None:
    told = {"auth_token": auth_token, "country": "EST", "document_type": DocumentType.ID_CARD}
    idenfy.process(**told, images=images(), skip_analysis=skip_analysis)  # type: ignore[arg-type]


def test_a_token_and_its_images_begin_one_verification(vendors: Vendors, idenfy: IdenfyStart) -> None:
    made = idenfy.token(user="user-7", person=Person(first_name="Anna", last_name="Tamm", nationality="EST"), countries=["EST"])
    assert idenfy.status(made.reference) == ACTIVE
    process(idenfy, made.auth_token)
    assert idenfy.status(made.reference) == "REVIEWING"
    found = refused(lambda: process(idenfy, made.auth_token))
    assert found.identifier == "TOKEN_NOT_VALID"
    assert bought(vendors, "idenfy") == 1


def test_a_lost_token_is_found_before_another_is_bought(vendors: Vendors, idenfy: IdenfyStart) -> None:
    assert idenfy.find("user-7") == []
    play(vendors, "idenfy", {"fault": "lost", "times": 1})
    assert again(lambda: idenfy.token(user="user-7")).may_have_arrived
    [found] = idenfy.find("user-7")
    assert found.status == ACTIVE
    assert bought(vendors, "idenfy") == 1


def test_more_verifications_than_a_page_are_all_found(idenfy: IdenfyStart) -> None:
    made = [idenfy.token(user="user-7").reference for _ in range(101)]
    assert [found.reference for found in idenfy.find("user-7")] == made


def test_images_in_which_nothing_is_seen_can_be_sent_without_that_check(vendors: Vendors, idenfy: IdenfyStart) -> None:
    play(vendors, "idenfy", {"fault": "unseen"})
    found = refused(lambda: process(idenfy, idenfy.token(user="user-7").auth_token))
    assert (found.fault, "not seen in the photo" in found.says) == (FailureKind.CALLER, True)
    process(idenfy, idenfy.token(user="user-7").auth_token, skip_analysis=True)


def test_a_lost_answer_to_images_is_found_in_the_status(vendors: Vendors, idenfy: IdenfyStart) -> None:
    made = idenfy.token(user="user-7")
    play(vendors, "idenfy", {"fault": "lost", "times": 1})
    assert again(lambda: process(idenfy, made.auth_token)).may_have_arrived
    assert idenfy.status(made.reference) != ACTIVE
    another = idenfy.token(user="user-8")
    play(vendors, "idenfy", {"fault": "cut", "times": 1})
    assert again(lambda: process(idenfy, another.auth_token)).may_have_arrived
    assert idenfy.status(another.reference) == ACTIVE


@pytest.mark.parametrize("fault", ["token_limit", "402", "unauthorized"])
def test_money_at_idenfy_is_for_the_operator(fault: str, vendors: Vendors, idenfy: IdenfyStart) -> None:
    play(vendors, "idenfy", {"fault": fault})
    assert refused(lambda: idenfy.token(user="user-7")).fault == FailureKind.CONTRACT


def test_an_active_session_is_told(vendors: Vendors, idenfy: IdenfyStart) -> None:
    play(vendors, "idenfy", {"one_session": True})
    idenfy.token(user="user-7")
    assert refused(lambda: idenfy.token(user="user-7")).code == 409


# IFCGATE ------------------------------------------------------------------------------------------------------


def test_one_key_begins_one_case(vendors: Vendors, ifcgate: IfcgateStart) -> None:
    begun = {"workflow": "onboarding-default", "applicant_id": "user-7", "key": "standing-1"}
    documents = [Document(type=DocumentType.PASSPORT, url="https://files.example.com/passport.png")]
    play(vendors, "ifcgate", {"fault": "lost", "times": 1})
    assert again(lambda: ifcgate.verify(**begun, documents=documents)).may_have_arrived
    case = ifcgate.verify(**begun, documents=documents)
    assert ifcgate.verify(**begun, documents=documents) == case
    assert bought(vendors, "ifcgate") == 1
    assert b"processed" in ifcgate.extract(template="invoice", file_url="https://files.example.com/a.pdf", key="standing-2")
    assert ifcgate.route(case_id=case, action="route_to_manual_review", queue="high-risk", key="standing-3")
