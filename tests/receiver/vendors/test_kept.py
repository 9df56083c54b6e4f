"""What is kept of an authentic delivery, what the simulator sends as a vendor, and which settings of a scheme are refused.

Identities are literals, made with `sha256sum`: with other ones a redelivery to the next version would be an event of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
import standardwebhooks
from werkzeug.datastructures import Headers

from receiver.vendors import VENDORS, idenfy
from receiver.vendors.base import Scheme, SigningKey
from store.inbox.deliveries import Delivery
from store.system.environment import Environment
from tests.receiver.vendors.test_signatures import (
    DIALECTS,
    IDENFY,
    IDNGO,
    IDNGO_512,
    IFCGATE_HEX,
    NOW,
    STANDARD,
    Dialect,
    every_dialect,
)
from tests.support import signing


def configured(vendor: str, **settings: str) -> tuple[Scheme, list[str]]:
    """The scheme that settings make, and what is wrong with them."""
    environment = Environment({"VAR_DIR": "/nonexistent"} | settings)
    return VENDORS[vendor].configure(environment), environment.problems


def scheme_and_key(dialect: Dialect) -> tuple[Scheme, SigningKey]:
    scheme, _ = configured(dialect.vendor, **dialect.settings)
    secret = VENDORS[dialect.vendor].parse_secret(dialect.secret, scheme)
    return scheme, SigningKey(secret=secret, environment="live", fingerprints=("by the newest key", "by the one before"))


def received(dialect: Dialect, headers: dict[str, str], body: bytes) -> Delivery:
    scheme, key = scheme_and_key(dialect)
    return scheme.authenticate(Headers(headers), body, (key,), now=NOW)


def from_idenfy(body: bytes, event_type: str) -> Delivery:
    return received(IDENFY, signing.idenfy(body, secret=IDENFY.secret, event_type=event_type), body)


# what is kept -------------------------------------------------------------------------------------------------

IDENTITIES = {
    "ifcgate: standard webhooks": "a71ac60218f96659837b2b1da029db4f664a7158735516e4b12ff60159ee22c4",
    "ifcgate: hex": "5c9d64c469b050ebb510416d11323c5b1d399778bc9761de212edb2edc0a5856",
    "idngo: sha256": "50a378cc695b52d8fb1e18317a95afa7a9efc50aefd30c9a7c299a6233b2f20a",
    "idngo: sha512": "50a378cc695b52d8fb1e18317a95afa7a9efc50aefd30c9a7c299a6233b2f20a",
    "idenfy": "a776f6083b53b297f1e79fffbb49ae789cafcdd58becb8479b04b8c802f50c37",
}
OF_SCAN_1 = "2a5baf0d63f76b4a5587add0cb6c63c8a60e084d5fba272151e8472a5b75a506"


@every_dialect
def test_a_delivery_is_kept_with_its_own_headers_its_identity_and_the_name_of_its_secret(dialect: Dialect) -> None:
    assert received(dialect, dialect.signed() | {"X-Other": "not kept"}, dialect.body) == Delivery(
        vendor=dialect.vendor,
        environment="live",
        headers=dialect.headers,
        body=dialect.body,
        identity=bytes.fromhex(IDENTITIES[dialect.name]),
        subject=bytes.fromhex(OF_SCAN_1) if dialect is IDENFY else None,
        signed_with="by the newest key",
    )


def test_a_delivery_without_its_optional_header_is_kept_without_it() -> None:
    assert received(IDENFY, {"Idenfy-Signature": IDENFY.signature}, IDENFY.body).headers == {}
    assert received(IDNGO, {"x-payload-digest": IDNGO.signature}, IDNGO.body).headers == {"x-payload-digest-alg": "HMAC_SHA256_HEX"}


def test_a_secret_without_a_fingerprint_is_not_counted() -> None:
    scheme, _ = scheme_and_key(IDENFY)
    key = SigningKey(secret=IDENFY.secret.encode(), environment="live")
    assert scheme.authenticate(Headers(IDENFY.signed()), IDENFY.body, (key,), now=NOW).signed_with is None


@pytest.mark.parametrize(
    ("body", "event_type", "identity", "subject"),
    [
        (
            b"{}",
            "NOBODY_KNOWS",
            "37565a40bec7a4a0b3d597673b099629792c853c28b922bcfcb2472243b5004b",
            "317bb251e72182526ee5ca9f6e0a56cf01555b88be35d8f3b1a08cd73ec000bd",
        ),
        (b'{"monitoringId": 7}', "AML_MONITORING", None, "552dd84ee248f9e6419c8ee91053d4b2231e50c452adf02d8d9b006ed5deb68c"),
        (b'{"monitoringId": {}}', "aml monitoring", None, "daa88d383c6b6274a7cf34d2c0fa3e6590e2f54794e226707e8bfc7438e9f39b"),
        (b'{"scanRef": "\\ud800"}', "X", None, "3c340098629498264906f29f9eb398ab60a9ed00fdfd8df71e703200e1a1aa20"),
    ],
)
def test_idenfys_events_keep_their_identity_and_subject(body: bytes, event_type: str, identity: str | None, subject: str) -> None:
    delivery = from_idenfy(body, event_type)
    assert identity is None or delivery.identity.hex() == identity
    assert delivery.subject is not None
    assert delivery.subject.hex() == subject


@pytest.mark.parametrize("event_type", sorted(idenfy.TYPES))
def test_each_documented_type_makes_an_event_of_its_own(event_type: str) -> None:
    assert from_idenfy(b"{}", event_type).identity != from_idenfy(b"{}", "NOBODY_KNOWS").identity


@pytest.mark.parametrize("spelled", ["id verification expired", "ID_VERIFICATION_EXPIRED", " Identification_Expired "])
def test_a_type_has_several_spellings(spelled: str) -> None:
    assert from_idenfy(b"{}", spelled).identity == from_idenfy(b"{}", "IDENTIFICATION_EXPIRED").identity


@pytest.mark.parametrize("spelled", ["IDENTIFICATION ID_VERIFICATION", "EXPIRED_ID_VERIFICATION", "XXID_VERIFICATION_EXPIRED"])
def test_a_type_that_only_holds_a_known_word_is_unknown(spelled: str) -> None:
    assert from_idenfy(b"{}", spelled).identity == from_idenfy(b"{}", "NOBODY_KNOWS").identity


def test_a_letter_of_an_id_beyond_latin_1_counts_as_a_question_mark() -> None:
    signed = signing.ifcgate(b"{}", secret=STANDARD.secret, message_id="msg_?", timestamp=int(NOW.timestamp()))
    sent = [received(STANDARD, signed | {"webhook-id": message_id}, b"{}") for message_id in ("msg_?", "msg_€")]
    assert sent[0].identity == sent[1].identity


# what the simulator sends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [IFCGATE_HEX, IDNGO, IDNGO_512, IDENFY], ids=lambda dialect: dialect.name)
def test_the_simulator_signs_as_the_vendor_does(dialect: Dialect) -> None:
    algorithm = {"IDNGO_DIGEST_ALGORITHMS": "HMAC_SHA512_HEX,HMAC_SHA256_HEX"} if dialect is IDNGO_512 else {}
    scheme, _ = configured(dialect.vendor, **dialect.settings, **algorithm)
    secret = dialect.secret.encode()
    assert scheme.sign(dialect.body, secret, event_type="IDENTIFICATION_MANUAL_FINISHED", now=NOW) == dialect.signed()


def test_the_simulator_signs_standard_webhooks_each_with_an_id_of_its_own() -> None:
    scheme, key = scheme_and_key(STANDARD)
    first, second = (scheme.sign(b"{}", key.secret, event_type="case.review.completed", now=NOW) for _ in range(2))
    assert first.keys() == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert first["webhook-id"].startswith("msg_")
    assert first["webhook-id"] != second["webhook-id"]
    assert first["webhook-timestamp"] == "1777886115"
    assert first["webhook-signature"] == standardwebhooks.Webhook(STANDARD.secret).sign(first["webhook-id"], NOW, "{}")


# settings -----------------------------------------------------------------------------------------------------


@every_dialect
def test_the_header_of_the_signature_is_the_schemes(dialect: Dialect) -> None:
    assert scheme_and_key(dialect)[0].signature_header == dialect.signature_header


def test_what_is_configured_as_documented_is_right() -> None:
    assert [configured(dialect.vendor, **dialect.settings)[1] for dialect in DIALECTS] == [[]] * len(DIALECTS)
    assert configured("ifcgate", IFCGATE_SIGNATURE="hmac-sha256-hex: X-Spaced ")[0].signature_header == "X-Spaced"
    assert configured("ifcgate", IFCGATE_SIGNATURE="standard-webhooks")[1] == []
    assert configured("idngo", IDNGO_DIGEST_ALGORITHMS="HMAC_SHA1_HEX,HMAC_SHA256_HEX,HMAC_SHA512_HEX")[1] == []


@pytest.mark.parametrize(
    ("vendor", "name", "value", "problem"),
    [
        ("ifcgate", "IFCGATE_SIGNATURE", "sha1", "must be standard-webhooks, or hmac-sha256-hex:<header name>"),
        ("ifcgate", "IFCGATE_SIGNATURE", "hmac-sha256-hex:", "must be standard-webhooks, or hmac-sha256-hex:<header name>"),
        ("ifcgate", "IFCGATE_SIGNATURE", "hmac-sha256-hex:no name", "must be standard-webhooks, or hmac-sha256-hex:<header name>"),
        ("ifcgate", "IFCGATE_SIGNATURE", "md5:X-Name", "must be standard-webhooks, or hmac-sha256-hex:<header name>"),
        (
            "idngo",
            "IDNGO_DIGEST_ALGORITHMS",
            "HMAC_SHA256_HEX,MD5",
            "may name HMAC_SHA1_HEX, HMAC_SHA256_HEX, HMAC_SHA512_HEX, and nothing else",
        ),
        ("idngo", "IDNGO_DIGEST_HEADER", "no name", "is no name of a header"),
        ("idngo", "IDNGO_ALGORITHM_HEADER", "x" * 101, "is no name of a header"),
    ],
)
def test_a_scheme_that_does_not_exist_is_refused(vendor: str, name: str, value: str, problem: str) -> None:
    assert configured(vendor, **{name: value})[1] == [f"{name} {problem}"]


def test_the_secret_of_the_hex_scheme_is_the_text_itself() -> None:
    scheme, _ = configured("ifcgate", **IFCGATE_HEX.settings)
    assert VENDORS["ifcgate"].parse_secret("whsec_AP8ga2V5", scheme) == b"whsec_AP8ga2V5"


@pytest.mark.parametrize("late_by", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_signed_time_that_is_five_minutes_off_to_the_second_is_in_time(late_by: timedelta) -> None:
    headers = signing.ifcgate(b"{}", secret=STANDARD.secret, timestamp=int((NOW + late_by).timestamp()))
    assert received(STANDARD, headers, b"{}").environment == "live"
