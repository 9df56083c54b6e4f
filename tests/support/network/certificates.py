"""Certificates for servers on this machine, signed by themselves."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: the certificate, its key, and both in one."""

    certificate: Path
    key: Path
    both: Path


def certificate(folder: Path, *names: str) -> Certificate:
    """Make one for 127.0.0.1 and for names, valid from yesterday to tomorrow. Whoever trusts it names it as its own authority."""
    private, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)]
    draft = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(private.public_key())
    draft = draft.serial_number(1).not_valid_before(now - DAY).not_valid_after(now + DAY)
    signed = draft.add_extension(x509.SubjectAlternativeName(alternatives), critical=False).sign(private, hashes.SHA256())
    pem = serialization.Encoding.PEM
    parts = signed.public_bytes(pem), private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    made = Certificate(folder / "certificate.pem", folder / "key.pem", folder / "certificate-and-key.pem")
    made.certificate.write_bytes(parts[0])
    made.key.write_bytes(parts[1])
    made.both.write_bytes(b"".join(parts))
    return made
