"""Marks, which whatever is said of somebody carries, and the forms in which one may be written somewhere."""

from __future__ import annotations

import base64
import hashlib

#: What each mark holds. The rest differs by field, and one letter is not of ASCII.
MARK = "cAnArYq7"


def mark(field: str) -> str:
    return f"{MARK}{field}ö" if field in ("name", "comment") else f"{MARK}{field}"


FIELDS = (
    "idngo",
    "case",
    "scan",
    "user",
    "name",
    "comment",
    "document",
    "label",
    "level",
    "workflow",
    "import",
    "monitoring",
    "tag",
    "broken",
)

#: How a mark may be written: it, and each of its digests.
PLAIN = [MARK.encode(), MARK.encode().hex().encode(), MARK.encode().hex().upper().encode()]
ENCODED = [base64.b64encode(b"x" * shift + MARK.encode())[(4 if shift else 0) : -4] for shift in range(3)]
DIGESTS = [hashlib.sha256(mark(field).encode()) for field in FIELDS]
FORMS = [*PLAIN, *ENCODED, *(one.digest() for one in DIGESTS), *(one.hexdigest().encode() for one in DIGESTS)]


def found_in(content: bytes) -> list[bytes]:
    return [form for form in FORMS if form in content]
