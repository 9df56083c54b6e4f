"""Calls to the vendors' APIs, signed as each vendor documents it. Written down a second time: nothing here is the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import zlib
from dataclasses import dataclass
from struct import pack
from typing import Any
from urllib.parse import urlsplit

from receiver.simulator.vendor_server import Vendors

CREDENTIALS = {
    "IFCGATE_API_KEY": "ifcg_test_key",
    "IDNGO_APP_TOKEN": "sbx:token",
    "IDNGO_APP_SECRET": "a secret of IDnGO",
    "IDENFY_API_KEY": "key",
    "IDENFY_API_SECRET": "a secret of iDenfy",
}

BOUNDARY = "----boundary-of-a-test"


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def content(self) -> Any:
        return json.loads(self.body)


def call(vendors: Vendors, vendor: str, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
    """Call a vendor's API with the right credentials; underscores in names of headers are hyphens. A body that is no bytes goes as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return send(vendors, method, f"/{vendor}{path}", raw, authorized(vendor, method, f"/{vendor}{path}", raw) | sent)


def send(vendors: Vendors, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(vendors.url).netloc, timeout=20)
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, body=response.read(), headers=named)
    finally:
        connection.close()


def authorized(vendor: str, method: str, path: str, body: bytes) -> dict[str, str]:
    if vendor == "ifcgate":
        return {"Authorization": f"Bearer {CREDENTIALS['IFCGATE_API_KEY']}"}
    if vendor == "idenfy":
        pair = f"{CREDENTIALS['IDENFY_API_KEY']}:{CREDENTIALS['IDENFY_API_SECRET']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    at = str(int(time.time()))
    mac = hmac.new(CREDENTIALS["IDNGO_APP_SECRET"].encode(), f"{at}{method}{path}".encode() + body, hashlib.sha256)
    return {"X-App-Token": CREDENTIALS["IDNGO_APP_TOKEN"], "X-App-Access-Ts": at, "X-App-Access-Sig": mac.hexdigest()}


def multipart(metadata: dict[str, Any], content: bytes | None, *, content_type: str = "image/png") -> bytes:
    """A form as IDnGO takes it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{json.dumps(metadata)}\r\n'
    if content is None:
        return f"{head}--{BOUNDARY}--\r\n".encode()
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="a.png"\r\nContent-Type: {content_type}\r\n\r\n'
    return f"{head}{file}".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(vendors: Vendors, reference: str, metadata: dict[str, Any], content: bytes | None, *, content_type: str = "image/png") -> Answer:
    """Add a document at IDnGO, and ask for warnings."""
    form = multipart(metadata, content, content_type=content_type)
    path = f"/resources/applicants/{reference}/info/idDoc"
    sent = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}", "X_Return_Doc_Warnings": "true"}
    return call(vendors, "idngo", "POST", path, form, **sent)


def png(marked: str) -> bytes:
    """A PNG of one pixel, with a mark that makes it differ from others."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    text = chunk(b"tEXt", b"Comment\0" + marked.encode("latin-1"))
    return b"\x89PNG\r\n\x1a\n" + head + text + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
