"""Who sent it: every vendor's way of signing passes the same suite.

The signatures that must be accepted are literals: published ones with their source, the others made with
`openssl dgst -hmac`. Where a case needs a body of its own, `tests/support/signing.py` signs it, which is not the code under test.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
from werkzeug.datastructures import Headers

from receiver import config
from receiver.vendors import VENDORS
from receiver.vendors.base import Forged, SigningKey, Stale
from store.inbox.record import Delivery
from store.system.environment import Environment
from tests.support import signing

#: When the deliveries below arrive: the Standard Webhooks among them were signed a quarter of a minute before.
NOW = datetime(2026, 5, 4, 9, 15, 15, tzinfo=UTC)

Signer = Callable[[bytes, str], dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A vendor's way of signing, as configured, and one delivery in it, signed with each of three secrets."""

    name: str
    vendor: str
    settings: dict[str, str] = field(default_factory=dict)
    body: bytes
    #: What else is sent with the body.
    headers: dict[str, str] = field(default_factory=dict)
    signature_header: str
    #: The secret in use, the one before it, and one for the sandbox, with the body's signature by each.
    secret: str
    signature: str
    former_secret: str
    former_signature: str
    sandbox_secret: str
    sandbox_signature: str
    #: Another body's headers, by the tests' own hand.
    sign: Signer

    def signed(self, signature: str | None = None) -> dict[str, str]:
        return self.headers | {self.signature_header: self.signature if signature is None else signature}


def ifcgate_hex(body: bytes, secret: str) -> dict[str, str]:
    return {"X-Ifcgate-Digest": signing.idenfy(body, secret=secret)["Idenfy-Signature"]}


IFCGATE_BODY = b'{"event":"case.review.completed","case_id":"case_1","status":"approved"}'
IDNGO_BODY = b'{"applicantId":"a-1","type":"applicantReviewed","reviewStatus":"completed"}'
IDENFY_BODY = '{"scanRef":"scan-1","final":true,"status":{"overall":"APPROVED"},"data":{"docLastName":"PERSÖN"}}'.encode()

DIALECTS = [
    Dialect(
        name="ifcgate: standard webhooks",
        vendor="ifcgate",
        body=IFCGATE_BODY,
        headers={"webhook-id": "msg_1", "webhook-timestamp": "1777886100"},
        signature_header="webhook-signature",
        secret="whsec_aWZjZ2F0ZSBzaWduaW5nIGtleQ==",
        signature="v1,NiLVDx7D3iy71j17hiEY/a+cMK/YwrjvhXpkCEAfV1I=",
        former_secret="whsec_aWZjZ2F0ZSBmb3JtZXIga2V5",
        former_signature="v1,l8ZWEO+bQ0hKg0cMsnaM7BaCg4bjnrvHzfPSekwVFQ0=",
        sandbox_secret="whsec_aWZjZ2F0ZSBzYW5kYm94IGtleQ==",
        sandbox_signature="v1,WayWsSLBO8ZlvnMFmX2wqB1uz0dv0b1dFpmzZfIOnhQ=",
        sign=lambda body, secret: signing.ifcgate(body, secret=secret, timestamp=int(NOW.timestamp())),
    ),
    Dialect(
        name="ifcgate: hex",
        vendor="ifcgate",
        settings={"IFCGATE_SIGNATURE": "hmac-sha256-hex:X-Ifcgate-Digest"},
        body=IFCGATE_BODY,
        signature_header="X-Ifcgate-Digest",
        secret="ifcgate signing key",
        signature="32421a06895c8f297591d14db8fafb74d786081b30b5df62defc61fe4d606410",
        former_secret="ifcgate former key",
        former_signature="2380855c882d7c235311bbd65ca5b2fc9e18bb02060c67db4a2b6aca6a28d0eb",
        sandbox_secret="ifcgate sandbox key",
        sandbox_signature="f6c85bba8e84e725f2ce814d043b14029f67f4ad8aca01888f8f5b02a1c5eb9d",
        sign=ifcgate_hex,
    ),
    Dialect(
        name="idngo: sha256",
        vendor="idngo",
        body=IDNGO_BODY,
        headers={"x-payload-digest-alg": "HMAC_SHA256_HEX"},
        signature_header="x-payload-digest",
        secret="idngo signing key",
        signature="0b7c97afcb293b5486fa22c57a0323da23e78aacc924670ef236dcbd3a098990",
        former_secret="idngo former key",
        former_signature="0d8090c6d0ebfdb37b67825ebab5a0fcb6a620e2a263d5b6f5f23a4e45993d54",
        sandbox_secret="idngo sandbox key",
        sandbox_signature="b2e7d91a07f2dc61e7c1cc567dee578f7caaecf2d51203142a3aef11687803b0",
        sign=lambda body, secret: signing.idngo(body, secret=secret),
    ),
    Dialect(
        name="idngo: sha512",
        vendor="idngo",
        body=IDNGO_BODY,
        headers={"x-payload-digest-alg": "HMAC_SHA512_HEX"},
        signature_header="x-payload-digest",
        secret="idngo signing key",
        signature="6e1e8db8e01df77fec9743595406a13799cac80c556d5d0293509348cba26070"
        "4292aba1249ef8c2d74df0044a6057008e885db91f5f659071036926a655238a",
        former_secret="idngo former key",
        former_signature="b345c9b0a3bf9193bf22f1da18fcc1519df31230cfaf4e76166bcbb9b128a6cb"
        "273dc9d7ada23264f000de5d0ccfb8f8dedf9eda9a9bb63eac731b811cc30e04",
        sandbox_secret="idngo sandbox key",
        sandbox_signature="c92bfc0208133f6181a95426a85d543df7a6c5aea2f370f4acb771092144a301"
        "87236dea30abe91a7161786375bb325d562a4d269ae9758b630617ee3e833719",
        sign=lambda body, secret: signing.idngo(body, secret=secret, algorithm="HMAC_SHA512_HEX"),
    ),
    Dialect(
        name="idenfy",
        vendor="idenfy",
        body=IDENFY_BODY,
        headers={"Idenfy-Event-Type": "IDENTIFICATION_MANUAL_FINISHED"},
        signature_header="Idenfy-Signature",
        secret="idenfy signing key",
        signature="70a3e39069d06b4cfccbf275a9c00947bdb9fea2f413a981a0a823ed7a615e54",
        former_secret="idenfy former key",
        former_signature="218c2d7878c095843e7c7bd6557eb55a473b1e30006073485a52bee9da5ecd64",
        sandbox_secret="idenfy sandbox key",
        sandbox_signature="4e32dd8f750125d99fc98a4cefbd89ea4dca920db8d8bc0673fcc1ae1fa01b6a",
        sign=lambda body, secret: signing.idenfy(body, secret=secret),
    ),
]

STANDARD, IFCGATE_HEX, IDNGO, IDNGO_512, IDENFY = DIALECTS

every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
every_hex_dialect = pytest.mark.parametrize("dialect", [IFCGATE_HEX, IDNGO, IDNGO_512, IDENFY], ids=lambda dialect: dialect.name)


def authenticate(
    dialect: Dialect, headers: dict[str, str], body: bytes | None = None, *, now: datetime = NOW, secrets: list[str] | None = None,
    sandbox_secrets: list[str] | None = None, **settings: str,
) -> Delivery:  # fmt: skip
    """What becomes of a delivery where these secrets are configured: by default the one in use and the sandbox's."""
    prefix = dialect.vendor.upper()
    own = {
        f"{prefix}_SECRETS": ",".join([dialect.secret] if secrets is None else secrets),
        f"{prefix}_SANDBOX_SECRETS": ",".join([dialect.sandbox_secret] if sandbox_secrets is None else sandbox_secrets),
    }
    environment = Environment({"VAR_DIR": "/nonexistent"} | dialect.settings | own | settings)
    sender = config.read(environment).senders[dialect.vendor]
    environment.check()
    return sender.scheme.authenticate(Headers(headers), dialect.body if body is None else body, sender.keys, now=now)


# literals -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Vector:
    source: str
    vendor: str
    secret: str
    body: bytes
    headers: dict[str, str]
    now: datetime = NOW
    settings: dict[str, str] = field(default_factory=dict)


SUMSUB = "Sumsub's documentation, the example of verifying a webhook's sender"
DERIVED = "the example above, by openssl dgst"

VECTORS = [
    Vector(
        source=SUMSUB, vendor="idngo", secret="SoMe_SeCrEt_KeY", body=b"someText", settings={"IDNGO_DIGEST_ALGORITHMS": "HMAC_SHA1_HEX"},
        headers={"x-payload-digest": "f6e92ffe371718694d46e28436f76589312df8db", "x-payload-digest-alg": "HMAC_SHA1_HEX"},
    ),
    Vector(
        source=DERIVED, vendor="idngo", secret="SoMe_SeCrEt_KeY", body=b"someText",
        headers={
            "x-payload-digest": "7f3beedce7529616a9d6bba59dc1b054a7247cef67f6acff2600864399f47fe0",
            "x-payload-digest-alg": "HMAC_SHA256_HEX",
        },
    ),
    Vector(
        source=DERIVED, vendor="idngo", secret="SoMe_SeCrEt_KeY", body=b"someText",
        headers={
            "x-payload-digest": "3aae08986027051ca0656d87c4c95f1f15d3ecaf23cf239e5a43fd03a8af2822"
            "3a06be1f97624caefd55475c84673773dc10e895a1ab885a3548c58bd7af9ebf",
            "x-payload-digest-alg": "HMAC_SHA512_HEX",
        },
    ),
    Vector(
        source="github.com/GENERALBYTESCOM/batm_public, SumsubWebhookValidatorTest.java at 1101cd7",
        vendor="idngo", secret="secret_key", body=b"message",
        headers={
            "x-payload-digest": "7b88f980882c95e2be7cf49e55f69804e6b53e664f33181b965e77b73eca408b"
            "aa2a7bb5ff0e47d77127bc1089b54e43d68f6b4564f15baba769b491475c5f2e",
            "x-payload-digest-alg": "HMAC_SHA512_HEX",
        },
    ),
    Vector(
        source="github.com/standard-webhooks/standard-webhooks, the libraries' tests at b2fa7b8",
        vendor="ifcgate", secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body=b'{"test": 2432232314}',
        headers={
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        now=datetime.fromtimestamp(1614265330, UTC),
    ),
    Vector(
        source="docs.svix.com/receiving/verifying-payloads/how-manual, whose headers are named svix-…",
        vendor="ifcgate", secret="whsec_plJ3nmyCDGBKInavdOK15jsl", body=b'{"event_type":"ping","data":{"success":true}}',
        headers={
            "webhook-id": "msg_loFOjxBNrRLzqYUf",
            "webhook-timestamp": "1731705121",
            "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        },
        now=datetime.fromtimestamp(1731705121, UTC),
    ),
    # iDenfy publishes no example with its key.
    Vector(
        source="openssl dgst -sha256 -hmac", vendor="idenfy", secret="idenfy signing key", body=IDENFY_BODY,
        headers={"Idenfy-Signature": "70a3e39069d06b4cfccbf275a9c00947bdb9fea2f413a981a0a823ed7a615e54"},
    ),
]  # fmt: skip


def verdict_on(vector: Vector, **changed: str) -> Delivery:
    """Authenticate a literal with its scheme and its secret, some of its headers changed."""
    vendor = VENDORS[vector.vendor]
    scheme = vendor.configure(Environment({"VAR_DIR": "/nonexistent"} | vector.settings))
    key = SigningKey(secret=vendor.parse_secret(vector.secret, scheme), environment="live")
    return scheme.authenticate(Headers(vector.headers | changed), vector.body, (key,), now=vector.now)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector.vendor}: {vector.source[:40]}")
def test_a_literal_signature_is_accepted(vector: Vector) -> None:
    delivery = verdict_on(vector)
    assert (delivery.vendor, delivery.environment, delivery.body) == (vector.vendor, "live", vector.body)


def test_the_published_signature_that_is_one_character_off_is_refused() -> None:
    # The negative example of the same tests: …1OA= for …1OE=.
    with pytest.raises(Forged):
        verdict_on(VECTORS[4], **{"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="})


# one suite for all --------------------------------------------------------------------------------------------


@every_dialect
def test_the_right_signature_is_accepted(dialect: Dialect) -> None:
    delivery = authenticate(dialect, dialect.signed())
    assert (delivery.vendor, delivery.environment, delivery.body) == (dialect.vendor, "live", dialect.body)


@every_dialect
def test_no_signature_is_kept(dialect: Dialect) -> None:
    delivery = authenticate(dialect, dialect.signed())
    assert not [value for value in delivery.headers.values() if dialect.signature in value]


@every_dialect
def test_the_names_of_headers_may_have_any_case(dialect: Dialect) -> None:
    headers = {name.upper(): value for name, value in dialect.signed().items()}
    assert authenticate(dialect, headers).environment == "live"


def forgeries(signature: str) -> dict[str, str | None]:
    """What a stranger may put in a signature's place."""
    prefix, digest = signature[: -len(signature.removeprefix("v1,"))], signature.removeprefix("v1,")
    other = {"0": "1", "A": "B"}
    return {
        "missing": None,
        "empty": "",
        "blank": "   ",
        "no digest": prefix or "0",
        "one character less": prefix + digest[:-1],
        "its first half": prefix + digest[: len(digest) // 2],
        "one character more": prefix + digest + "0",
        "twice": prefix + digest * 2,
        "first character changed": prefix + other.get(digest[0], "0") + digest[1:],
        "zeros": prefix + "0" * len(digest),
        "neither hex nor base64": prefix + "!" * len(digest),
        "Latin-1": prefix + "é" * len(digest),
        "UTF-8, as WSGI gives it": prefix + ("é" * len(digest)).encode().decode("latin-1"),
        "beyond Latin-1": prefix + "€" * len(digest),
        "NUL": prefix + digest[:-1] + "\0",
        "quoted": f'"{signature}"',
        "very long": prefix + "0" * 100_000,
        "a list": "[]",
        "None": "None",
    }


@every_dialect
@pytest.mark.parametrize("forgery", forgeries("v1,x"))
def test_a_forged_signature_is_refused(dialect: Dialect, forgery: str) -> None:
    forged = forgeries(dialect.signature)[forgery]
    with pytest.raises(Forged):
        authenticate(dialect, dialect.headers if forged is None else dialect.signed(forged))


@every_dialect
def test_any_changed_byte_of_the_body_is_noticed(dialect: Dialect) -> None:
    for position in range(len(dialect.body)):
        changed = bytearray(dialect.body)
        changed[position] ^= 1
        with pytest.raises(Forged):
            authenticate(dialect, dialect.signed(), bytes(changed))


@every_dialect
@pytest.mark.parametrize("change", ["a newline more", "a byte less", "nothing at all", "the same JSON, written otherwise"])
def test_a_body_that_only_looks_the_same_is_refused(dialect: Dialect, change: str) -> None:
    body = {
        "a newline more": dialect.body + b"\n",
        "a byte less": dialect.body[:-1],
        "nothing at all": b"",
        "the same JSON, written otherwise": dialect.body.replace(b":", b": "),
    }[change]
    with pytest.raises(Forged):
        authenticate(dialect, dialect.signed(), body)


@every_dialect
def test_a_secret_that_is_not_configured_signs_in_vain(dialect: Dialect) -> None:
    with pytest.raises(Forged):
        authenticate(dialect, dialect.signed(dialect.former_signature))


@every_dialect
def test_old_and_new_secret_are_accepted_while_they_are_rotated(dialect: Dialect) -> None:
    both = [dialect.secret, dialect.former_secret]
    for signature in (dialect.signature, dialect.former_signature):
        assert authenticate(dialect, dialect.signed(signature), secrets=both).environment == "live"


@every_dialect
def test_a_sandbox_secret_makes_a_sandbox_delivery(dialect: Dialect) -> None:
    assert authenticate(dialect, dialect.signed(dialect.sandbox_signature)).environment == "sandbox"


@every_dialect
def test_a_vendor_with_sandbox_secrets_alone_takes_no_live_delivery(dialect: Dialect) -> None:
    with pytest.raises(Forged):
        authenticate(dialect, dialect.signed(), secrets=[])


@every_dialect
@pytest.mark.parametrize(
    ("body", "environment"),
    [
        (b'{"sandboxMode": true}', "sandbox"),
        (b'{"sandboxMode": "true"}', "sandbox"),
        (b'{"a": {"b": [1, "\xc3\xb6"]}, "sandboxMode": true}', "sandbox"),
        (b'{"sandboxMode": false}', "live"),
        (b'{"sandboxMode": "false"}', "live"),
        (b'{"sandboxMode": null}', "live"),
        (b'{"sandboxMode": ""}', "sandbox"),
        (b'{"sandboxMode": 0}', "sandbox"),
        (b'{"sandboxMode": []}', "sandbox"),
        (b'{"sandboxMode": 1}', "sandbox"),
        (b'{"sandboxMode": "yes"}', "sandbox"),
        (b'{"sandboxMode": " true "}', "sandbox"),
        (b'{"sandbox\\u004dode": true}', "sandbox"),
        (b'{"\\u0073andboxMode": "false"}', "live"),
        (b'{"sandboxMode": true, "sandboxMode": false}', "sandbox"),
        (b'{"sandbox\\u004dode": true, "sandboxMode": false}', "sandbox"),
        (b'{"name": "\\u0160\xff", "sandboxMode": true}', "sandbox"),
        (b'{"name": "\\u0160", "n": ' + b"9" * 5000 + b', "sandbox\\u004dode": 1}', "sandbox"),
        (b'{"name": "\\u0160", "sandboxMode": "false"}', "live"),
        (b'{"data": {"sandboxMode": true}}', "live"),
        (b'["sandboxMode", true]', "live"),
        (b'{"sandboxMode": true', "live"),
        (b'{"sandboxMode": ' + b"[" * 100_000, "live"),
        (b"sandboxMode\xff\xfe\x00", "live"),
        (b"", "live"),
    ],
)
def test_a_body_can_say_that_it_belongs_to_the_sandbox(dialect: Dialect, body: bytes, environment: str) -> None:
    assert authenticate(dialect, dialect.sign(body, dialect.secret), body).environment == environment


@every_dialect
def test_no_body_makes_a_sandbox_secret_a_live_one(dialect: Dialect) -> None:
    body = b'{"sandboxMode": false}'
    assert authenticate(dialect, dialect.sign(body, dialect.sandbox_secret), body).environment == "sandbox"


@every_hex_dialect
def test_hex_may_be_written_in_capitals(dialect: Dialect) -> None:
    assert authenticate(dialect, dialect.signed(dialect.signature.upper())).body == dialect.body


def test_base64_may_not_be_written_in_another_case() -> None:
    with pytest.raises(Forged):
        authenticate(STANDARD, STANDARD.signed("v1," + STANDARD.signature.removeprefix("v1,").swapcase()))


@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
def test_one_vendors_signature_is_worth_nothing_at_another(vendor: str) -> None:
    theirs = {"idngo": IDNGO, "idenfy": IDENFY}[vendor]
    with pytest.raises(Forged):
        authenticate(IFCGATE_HEX, theirs.signed(), theirs.body)


# idngo: the algorithm -----------------------------------------------------------------------------------------

#: The body's digest by an algorithm that is not accepted, with the secret in use.
SHA1 = "9881eb46f60fcbf4d6159afb48ddc6fb81c7ee26"


@pytest.mark.parametrize(
    "algorithm",
    ["HMAC_SHA1_HEX", "HMAC_MD5_HEX", "hmac_sha256_hex", "HMAC_SHA256", "sha256", "none", "", " ", "é", "HMAC_SHA256_HEX,HMAC_SHA1_HEX"],
)
def test_the_sender_cannot_choose_an_algorithm_that_is_not_accepted(algorithm: str) -> None:
    for digest in (IDNGO.signature, SHA1):
        with pytest.raises(Forged):
            authenticate(IDNGO, {"x-payload-digest": digest, "x-payload-digest-alg": algorithm})


def test_an_algorithm_is_refused_once_it_is_no_longer_accepted() -> None:
    with pytest.raises(Forged):
        authenticate(IDNGO, IDNGO.signed(), IDNGO_DIGEST_ALGORITHMS="HMAC_SHA512_HEX")


def test_a_digest_counts_by_the_algorithm_that_is_named_beside_it() -> None:
    with pytest.raises(Forged):
        authenticate(IDNGO, IDNGO.signed() | {"x-payload-digest-alg": "HMAC_SHA512_HEX"})


def test_a_digest_without_an_algorithm_is_sha256() -> None:
    assert authenticate(IDNGO, {"x-payload-digest": IDNGO.signature}).environment == "live"


def test_a_digest_without_an_algorithm_is_refused_where_sha256_is() -> None:
    with pytest.raises(Forged):
        authenticate(IDNGO, {"x-payload-digest": IDNGO.signature}, IDNGO_DIGEST_ALGORITHMS="HMAC_SHA512_HEX")


def test_the_names_of_idngos_headers_are_configured() -> None:
    names = {"IDNGO_DIGEST_HEADER": "X-Idngo-Digest", "IDNGO_ALGORITHM_HEADER": "X-Idngo-Digest-Alg"}
    headers = {"x-idngo-digest": IDNGO_512.signature, "x-idngo-digest-alg": "HMAC_SHA512_HEX"}
    assert authenticate(IDNGO_512, headers, **names).environment == "live"
    with pytest.raises(Forged):
        authenticate(IDNGO_512, IDNGO_512.signed(), **names)


# ifcgate: standard webhooks -----------------------------------------------------------------------------------

SIGNED_AT = datetime.fromtimestamp(1777886100, UTC)
A_LITTLE = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("late_by", "in_time"),
    [
        (timedelta(0), True),
        (timedelta(minutes=5) - A_LITTLE, True),
        (timedelta(minutes=5) + A_LITTLE, False),
        (-timedelta(minutes=5) + A_LITTLE, True),
        (-timedelta(minutes=5) - A_LITTLE, False),
        (timedelta(days=365), False),
        (-timedelta(days=365), False),
    ],
    ids=str,
)
def test_a_signed_time_may_be_five_minutes_off_and_no_more(late_by: timedelta, in_time: bool) -> None:
    if in_time:
        assert authenticate(STANDARD, STANDARD.signed(), now=SIGNED_AT + late_by).environment == "live"
        return
    with pytest.raises(Stale):
        authenticate(STANDARD, STANDARD.signed(), now=SIGNED_AT + late_by)


@pytest.mark.parametrize(
    "timestamp", ["", " ", "now", "-1", "+1777886100", "1e9", "1777886100.0", "0x69f8", "١٧٧٧", "9" * 20, "9" * 21, "9" * 5000, "nan"]
)
def test_a_time_that_is_none_is_refused_however_well_it_is_signed(timestamp: str) -> None:
    # Signed as the sender would, but for the digits, which `int` would take.
    headers = signing.ifcgate(STANDARD.body, secret=STANDARD.secret, message_id="msg_1", timestamp=timestamp)  # type: ignore[arg-type]
    with pytest.raises(Forged):
        authenticate(STANDARD, headers)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_standard_webhook_lacks_nothing(missing: str) -> None:
    headers = {name: value for name, value in STANDARD.signed().items() if name != missing}
    with pytest.raises(Forged):
        authenticate(STANDARD, headers)


@pytest.mark.parametrize(("header", "value"), [("webhook-id", "msg_2"), ("webhook-timestamp", "1777886101"), ("webhook-id", "msg_1.17")])
def test_id_and_time_are_covered_by_the_signature(header: str, value: str) -> None:
    with pytest.raises(Forged):
        authenticate(STANDARD, STANDARD.signed() | {header: value})


SIGNATURE = STANDARD.signature
WRONG = STANDARD.former_signature


@pytest.mark.parametrize(
    ("signatures", "accepted"),
    [
        (f"{WRONG} {SIGNATURE}", True),
        (f"{SIGNATURE} {WRONG}", True),
        (f"v1a,AAAA {SIGNATURE}", True),
        (f"v2,{WRONG[3:]} v99,x {SIGNATURE}", True),
        (f"  {SIGNATURE}  ", True),
        (f"v1 v1, , {SIGNATURE}", True),
        (f"{WRONG} v2,AAAA", False),
        (f"v2{SIGNATURE[2:]}", False),
        (f"v1a{SIGNATURE[2:]}", False),
        (f"V1{SIGNATURE[2:]}", False),
        (SIGNATURE[3:], False),
        (f",{SIGNATURE[3:]}", False),
        (f"v1{SIGNATURE[3:]}", False),
        (f"v1,{SIGNATURE}", False),
        (SIGNATURE.replace(",", ";"), False),
        (f"{WRONG},{SIGNATURE}", False),
        (f"{SIGNATURE},{WRONG}", False),
    ],
)
def test_any_signature_of_a_known_version_is_enough(signatures: str, accepted: bool) -> None:
    if accepted:
        assert authenticate(STANDARD, STANDARD.signed(signatures)).environment == "live"
        return
    with pytest.raises(Forged):
        authenticate(STANDARD, STANDARD.signed(signatures))


# ifcgate: a second opinion ------------------------------------------------------------------------------------

Message = tuple[dict[str, str], bytes]


def present_message(*, shift: int = 0, body: bytes = IFCGATE_BODY, secret: str = STANDARD.secret, message_id: str = "msg_1") -> Message:
    """A message signed at the present time, which is the one that the library judges by, or so many seconds off it."""
    return signing.ifcgate(body, secret=secret, message_id=message_id, timestamp=int(time.time()) + shift), body


def with_headers(message: Message, **changed: str | None) -> Message:
    headers = message[0] | {f"webhook-{name}": value for name, value in changed.items() if value is not None}
    return {name: value for name, value in headers.items() if changed.get(name.removeprefix("webhook-"), "") is not None}, message[1]


def among_others(message: Message, *, before: str = "", after: str = "") -> Message:
    return with_headers(message, signature=f"{before}{message[0]['webhook-signature']}{after}")


MESSAGES: dict[str, tuple[Callable[[], Message], bool]] = {
    "good": (present_message, True),
    "good, with letters beyond ASCII": (lambda: present_message(body='{"name": "PERSÖN €"}'.encode()), True),
    "good, of an empty object": (lambda: present_message(body=b"{}"), True),
    "good, of nothing": (lambda: present_message(body=b""), True),
    "good, of no JSON": (lambda: present_message(body=b"ping"), True),
    "good, with an id with a dot": (lambda: present_message(message_id="msg.1"), True),
    "four minutes old": (lambda: present_message(shift=-240), True),
    "four minutes ahead": (lambda: present_message(shift=240), True),
    "six minutes old": (lambda: present_message(shift=-360), False),
    "six minutes ahead": (lambda: present_message(shift=360), False),
    "of another century": (lambda: present_message(shift=3_000_000_000), False),
    "of the year zero": (lambda: present_message(shift=-int(time.time())), False),
    "by another secret": (lambda: present_message(secret=STANDARD.former_secret), False),
    "of another body": (lambda: (present_message()[0], IFCGATE_BODY + b" "), False),
    "with another id": (lambda: with_headers(present_message(), id="msg_2"), False),
    "with another time": (lambda: with_headers(present_message(), timestamp=str(int(time.time()) - 1)), False),
    "without an id": (lambda: with_headers(present_message(), id=None), False),
    "without a time": (lambda: with_headers(present_message(), timestamp=None), False),
    "without a signature": (lambda: with_headers(present_message(), signature=None), False),
    "with an empty id": (lambda: with_headers(present_message(), id=""), False),
    "with an empty signature": (lambda: with_headers(present_message(), signature=""), False),
    "with a time in words": (lambda: with_headers(present_message(), timestamp="today"), False),
    "with a negative time": (lambda: with_headers(present_message(), timestamp="-1777886100"), False),
    "with a time that is no number": (lambda: with_headers(present_message(), timestamp="nan"), False),
    "with a signature without a version": (lambda: with_headers(present_message(), signature=SIGNATURE[3:]), False),
    "with a version alone": (lambda: with_headers(present_message(), signature="v1"), False),
    "with a comma alone": (lambda: with_headers(present_message(), signature=","), False),
    "with an unknown version alone": (lambda: with_headers(present_message(), signature=f"v2{SIGNATURE[2:]}"), False),
    "with a wrong signature first": (lambda: among_others(present_message(), before=f"{WRONG} "), True),
    "with a wrong signature last": (lambda: among_others(present_message(), after=f" {WRONG}"), True),
    "with unknown versions around it": (lambda: among_others(present_message(), before="v1a,AAAA v3,x= ", after=" v9,AAAA"), True),
    "with two wrong signatures": (lambda: with_headers(present_message(), signature=f"{WRONG} {SIGNATURE}"), False),
    "with letters beyond ASCII for a signature": (lambda: with_headers(present_message(), signature="v1,éééé"), False),
}


def we_accept(message: Message) -> bool:
    try:
        authenticate(STANDARD, message[0], message[1], now=datetime.now(UTC))
    except Forged:
        return False
    return True


def the_library_accepts(message: Message) -> bool:
    try:
        standardwebhooks.Webhook(STANDARD.secret).verify(message[1], message[0], json_parse=False)
    except Exception:  # It raises what its parsing meets with, too, which is a refusal.
        return False
    return True


@pytest.mark.parametrize("case", MESSAGES)
def test_our_verdict_is_that_of_the_schemes_own_library(case: str) -> None:
    message, accepted = MESSAGES[case][0](), MESSAGES[case][1]
    assert (we_accept(message), the_library_accepts(message)) == (accepted, accepted)


@pytest.mark.parametrize(
    "loosely",
    [
        lambda signature: f"{signature[:10]}*{signature[10:]}",
        lambda signature: f"{signature}AAAA",
    ],
    ids=["characters that base64 does not have", "something after the padding"],
)
def test_a_signature_that_only_a_lenient_decoder_reads_is_refused(loosely: Callable[[str], str]) -> None:
    message = present_message()
    strict = message[0]["webhook-signature"]
    loose = with_headers(message, signature=loosely(strict))
    assert (we_accept(loose), the_library_accepts(loose)) == (False, python_reads_alike(loosely(strict), strict))


def python_reads_alike(loose: str, strict: str) -> bool:
    """Whether Python's lenient decoder finds the same signature in both. From 3.14.8 on it finds more behind the padding."""
    try:
        return base64.b64decode(loose.partition(",")[2]) == base64.b64decode(strict.partition(",")[2])
    except ValueError:
        return False


# what makes two deliveries the same event ---------------------------------------------------------------------


Identified = tuple[bytes, bytes | None]


def identified(vendor: str, body: bytes, headers: dict[str, str]) -> Identified:
    """A delivery's identity and subject."""
    dialect = {"ifcgate": STANDARD, "ifcgate hex": IFCGATE_HEX, "idngo": IDNGO, "idenfy": IDENFY}[vendor]
    delivery = authenticate(dialect, headers, body)
    return delivery.identity, delivery.subject


def by_ifcgate(body: bytes = b"{}", *, message_id: str = "msg_1", seconds: int = 0) -> Identified:
    at = int(NOW.timestamp()) + seconds
    return identified("ifcgate", body, signing.ifcgate(body, secret=STANDARD.secret, message_id=message_id, timestamp=at))


def by_idngo(body: bytes, *, algorithm: str = "HMAC_SHA256_HEX") -> Identified:
    return identified("idngo", body, signing.idngo(body, secret=IDNGO.secret, algorithm=algorithm))


def by_idenfy(body: bytes, event_type: str = "IDENTIFICATION") -> Identified:
    headers = signing.idenfy(body, secret=IDENFY.secret, event_type=event_type)
    return identified("idenfy", body, headers if event_type else {"Idenfy-Signature": headers["Idenfy-Signature"]})


def by_ifcgate_hex(body: bytes, secret: str = IFCGATE_HEX.secret) -> Identified:
    return identified("ifcgate hex", body, ifcgate_hex(body, secret))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: by_ifcgate(), lambda: by_ifcgate(seconds=60)),
        (lambda: by_ifcgate_hex(b"{}"), lambda: by_ifcgate_hex(b"{}", IFCGATE_HEX.sandbox_secret)),
        (lambda: by_idngo(b"{}"), lambda: by_idngo(b"{}", algorithm="HMAC_SHA512_HEX")),
        (lambda: by_idenfy(b'{"scanRef": "a"}'), lambda: by_idenfy(b'{"scanRef": "a"}')),
        (lambda: by_idenfy(b'{"scanRef": "a"}', ""), lambda: by_idenfy(b'{"scanRef": "a"}', "")),
        (lambda: by_idenfy(b'{"scanRef": "a"}', "IDENTIFICATION"), lambda: by_idenfy(b'{"scanRef": "a"}', " identification ")),
        (
            lambda: by_idenfy(b'{"scanRef": "a"}', "ID_VERIFICATION_CANCELED"),
            lambda: by_idenfy(b'{"scanRef": "a"}', "IDENTIFICATION_CANCELLED"),
        ),
        (lambda: by_idenfy(b'{"scanRef": "a"}', "X0"), lambda: by_idenfy(b'{"scanRef": "a"}', "X9")),
        (lambda: by_idenfy(b"{}", "X0"), lambda: by_idenfy(b"{}", "AN_UNKNOWN_TYPE")),
    ],
    ids=[
        "ifcgate, signed anew",
        "ifcgate hex",
        "idngo, signed otherwise",
        "idenfy",
        "idenfy without a type",
        "idenfy: the type's case",
        "idenfy: the type's spelling",
        "idenfy: unknown types",
        "idenfy: unknown types of no subject",
    ],
)
def test_a_redelivery_is_the_same_event(one: Callable[[], Identified], other: Callable[[], Identified]) -> None:
    assert one() == other()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: by_ifcgate(), lambda: by_ifcgate(message_id="msg_2")),
        (lambda: by_ifcgate(b"{}"), lambda: by_ifcgate(b"{ }")),
        (lambda: by_ifcgate(b"2{}", message_id="msg_1"), lambda: by_ifcgate(b"{}", message_id="msg_12")),
        (lambda: by_ifcgate_hex(b"{}"), lambda: by_ifcgate_hex(b"{ }")),
        (
            lambda: by_idngo(b'{"correlationId": "req-1", "type": "applicantPending"}'),
            lambda: by_idngo(b'{"correlationId": "req-1", "type": "applicantReviewed"}'),
        ),
        (lambda: by_idenfy(b'{"scanRef": "a"}'), lambda: by_idenfy(b'{"scanRef": "a", "final": true}')),
        (lambda: by_idenfy(b"{}", "IDENTIFICATION"), lambda: by_idenfy(b"{}", "IDENTIFICATION_AUTO_FINISHED")),
        (lambda: by_idenfy(b"{}", "IDENTIFICATION"), lambda: by_idenfy(b"{}", "")),
    ],
    ids=[
        "ifcgate: another id", "ifcgate: another body", "ifcgate: the border between id and body", "ifcgate hex: another body",
        "idngo: a shared correlationId", "idenfy: a shared scanRef", "idenfy: another type", "idenfy: no type",
    ],
)  # fmt: skip
def test_what_differs_is_another_event(one: Callable[[], Identified], other: Callable[[], Identified]) -> None:
    assert one()[0] != other()[0]


@pytest.mark.parametrize("vendor", ["ifcgate", "ifcgate hex", "idngo"])
def test_only_idenfys_events_have_a_subject(vendor: str) -> None:
    found = {"ifcgate": by_ifcgate, "ifcgate hex": by_ifcgate_hex, "idngo": by_idngo}[vendor](b'{"scanRef": "a", "monitoringId": "m"}')
    assert found[1] is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((b'{"scanRef": "a"}', "IDENTIFICATION"), (b'{"scanRef": "a", "final": true}', "DOCUMENT_EXPIRATION"), True),
        ((b'{"scanRef": "a"}', "IDENTIFICATION"), (b'{"scanRef": "b"}', "IDENTIFICATION"), False),
        ((b'{"scanRef": "a", "monitoringId": "m"}', "X"), (b'{"scanRef": "a", "monitoringId": "n"}', "X"), True),
        ((b'{"monitoringId": "m", "status": "ALERT"}', "AML_MONITORING"), (b'{"monitoringId": "m"}', "AML_MONITORING"), True),
        ((b'{"monitoringId": "m"}', "AML_MONITORING"), (b'{"monitoringId": "n"}', "AML_MONITORING"), False),
        ((b'{"scanRef": null, "monitoringId": "m"}', "X"), (b'{"monitoringId": "m"}', "Y"), True),
        ((b'{"scanRef": "", "monitoringId": "m"}', "X"), (b'{"monitoringId": "m"}', "Y"), True),
        ((b'{"scanRef": "m"}', "X"), (b'{"monitoringId": "m"}', "X"), False),
        ((b'{"id": 1}', "COMPANY_REVIEW"), (b'{"id": 2}', "COMPANY_REVIEW"), True),
        ((b'{"id": 1}', "COMPANY_REVIEW"), (b'{"id": 1}', "COMPANY_DELETE"), False),
        ((b"not JSON", "X"), (b"[" * 100_000, "X"), True),
        ((b'{"scanRef": {"$gt": ""}}', "X"), (b"null", "X"), True),
        ((b'{"scanRef": "X"}', "X"), (b"null", "X"), False),
        ((b"{}", ""), (b"null", ""), True),
        ((b"{}", ""), (b"{}", "X"), False),
    ],
    ids=[
        "scanRef", "another scanRef", "scanRef goes before monitoringId", "monitoringId", "another monitoringId", "null for a scanRef",
        "an empty scanRef", "scanRef is no monitoringId", "type", "another type", "unreadable", "no name", "scanRef is no type",
        "no type", "no type is no type",
    ],
)  # fmt: skip
def test_an_idenfy_event_is_about_its_scan_else_its_monitoring_else_its_type(
    one: tuple[bytes, str], other: tuple[bytes, str], same: bool
) -> None:
    subjects = by_idenfy(*one)[1], by_idenfy(*other)[1]
    assert None not in subjects
    assert (subjects[0] == subjects[1]) is same


def test_the_secret_of_a_standard_webhook_is_base64_and_not_text() -> None:
    scheme = VENDORS["ifcgate"].configure(Environment({"VAR_DIR": "/nonexistent"}))
    assert VENDORS["ifcgate"].parse_secret("whsec_AP8ga2V5", scheme) == b"\x00\xff key"
