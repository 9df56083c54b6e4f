"""How IDnGO signs: a hex HMAC of the raw body in one header, its algorithm named in another.

The scheme is Sumsub's, whose platform IDnGO runs on; IDnGO publishes no header names of its own, so that they are
settings. The request never chooses an algorithm that is not accepted. An event's identity is its body: `correlationId`
is documented as unique, and captured deliveries show it shared by different events.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from receiver.vendors import base
from receiver.vendors.base import Forged, Headers, SigningKey, environment_of, sha256, signing_key
from store.inbox.deliveries import Delivery
from store.system.environment import Environment

ALGORITHMS = {"HMAC_SHA1_HEX": "sha1", "HMAC_SHA256_HEX": "sha256", "HMAC_SHA512_HEX": "sha512"}

#: What a delivery without the algorithm's header is signed with, as the vendor's sample assumes.
UNNAMED = "HMAC_SHA256_HEX"


@dataclass(frozen=True, kw_only=True)
class IdngoSignature:
    accepted: tuple[str, ...]
    signature_header: str
    algorithm_header: str

    def authenticate(self, headers: Headers, body: bytes, keys: tuple[SigningKey, ...], *, now: datetime) -> Delivery:
        algorithm = headers.get(self.algorithm_header, UNNAMED).strip()
        if algorithm not in self.accepted:
            raise Forged
        hash_name = ALGORITHMS[algorithm]
        key = signing_key(keys, headers.get(self.signature_header, ""), lambda secret: hmac.digest(secret, body, hash_name).hex())
        return Delivery(
            vendor="idngo",
            environment=environment_of(key, body),
            headers={self.algorithm_header: algorithm},
            body=body,
            identity=sha256(body),
            signed_with=key.fingerprint,
        )

    def sign(self, body: bytes, secret: bytes, *, event_type: str, now: datetime) -> dict[str, str]:
        algorithm = self.accepted[0]
        return {self.signature_header: hmac.digest(secret, body, ALGORITHMS[algorithm]).hex(), self.algorithm_header: algorithm}


def configure(environment: Environment) -> IdngoSignature:
    """Return the scheme, as configured."""
    accepted = environment.items("IDNGO_DIGEST_ALGORITHMS", ("HMAC_SHA256_HEX", "HMAC_SHA512_HEX"))
    if not set(accepted) <= set(ALGORITHMS):
        environment.wrong("IDNGO_DIGEST_ALGORITHMS", f"may name {', '.join(ALGORITHMS)}, and nothing else")
    return IdngoSignature(
        accepted=accepted,
        signature_header=base.header_name(environment, "IDNGO_DIGEST_HEADER", "x-payload-digest"),
        algorithm_header=base.header_name(environment, "IDNGO_ALGORITHM_HEADER", "x-payload-digest-alg"),
    )


def parse_secret(text: str, scheme: base.Scheme) -> bytes:
    return text.encode()
