"""Images before they are sent: what is refused of them, and their form on the wire."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as drawn

from handlers.start.images import MEGABYTE, Base64, Image, is_encrypted, wrong
from tests.support.generated import samples

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20


def image(content: bytes, content_type: str, *, cut_at: int = 7) -> Image:
    return Image(pieces=tuple(content[at : at + cut_at] for at in range(0, len(content), cut_at)), content_type=content_type)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (JPEG, "image/jpeg"),
        (JPEG, "image/jpg"),
        (JPEG, "IMAGE/JPEG; charset=binary"),
        (PNG, "image/png"),
        (PDF, "application/pdf"),
        (b"\xef\xbb\xbf\n" + PDF, "application/pdf"),
    ],
)
@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
@pytest.mark.parametrize("cut_at", [1, 2, 7, 4096])
def test_an_image_of_its_type_can_be_sent(content: bytes, content_type: str, vendor: str, cut_at: int) -> None:
    assert wrong(image(content, content_type, cut_at=cut_at), vendor=vendor) is None


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (b"", "image/jpeg", "empty"),
        (PNG, "image/jpeg", "does not begin"),
        (PDF, "image/jpeg", "does not begin"),
        (JPEG, "application/pdf", "does not begin"),
        (b"\0" * 2000 + PDF, "application/pdf", "does not begin"),
        (b"\xff\xd8", "image/jpeg", "does not begin"),
        (b"<html>", "text/html", "must be one of"),
        (JPEG, "", "must be one of"),
        (JPEG, "image/heic", "must be one of"),
        (JPEG, "image/svg+xml", "must be one of"),
        (PDF.replace(b"/Root", b"/Encrypt 9 0 R /Root"), "application/pdf", "encrypted"),
    ],
)
def test_what_a_vendor_would_refuse_is_named(content: bytes, content_type: str, says: str) -> None:
    found = wrong(image(content, content_type), vendor="idngo")
    assert found is not None
    assert says in found


@pytest.mark.parametrize(("vendor", "most"), [("idngo", 64 * MEGABYTE), ("idenfy", 20 * MEGABYTE)])
def test_an_image_that_is_too_large_is_refused(vendor: str, most: int) -> None:
    begin = Image(pieces=(JPEG, bytes(most - len(JPEG))), content_type="image/jpeg")
    assert wrong(begin, vendor=vendor) is None
    assert wrong(Image(pieces=(*begin.pieces, b"1"), content_type="image/jpeg"), vendor=vendor) == f"is larger than {most // MEGABYTE} MB"


@pytest.mark.parametrize("mark", [b"/Encrypt 12 0 R", b"/Encrypt\r\n12 0 R", b"/Encrypt<< /Filter /Standard >>", b"/Encrypt  <<"])
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_an_encrypted_pdf_is_known_wherever_it_is_cut(mark: bytes, form: Callable[[bytes], bytes]) -> None:
    content = b"%PDF-1.7" + b" " * 100 + mark + b" " * 100
    for cut in range(len(content)):
        assert is_encrypted((form(content[:cut]), form(content[cut:])))
    assert is_encrypted(form(content[at : at + 1]) for at in range(len(content)))


@pytest.mark.parametrize("text", [b"/EncryptMetadata true", b"how to /Encrypt a file", b"/Encrypted 1 0 R", b"Encrypt 1 0 R"])
def test_a_pdf_that_speaks_of_encryption_is_not_encrypted(text: bytes) -> None:
    assert not is_encrypted((PDF, text, PDF))


@samples.properties(examples=1000)
@given(drawn.lists(drawn.binary(max_size=50), max_size=8))
def test_base64_is_the_same_wherever_an_image_is_cut(pieces: list[bytes]) -> None:
    body = Base64(Image(pieces=tuple(pieces), content_type="image/png"))
    whole = base64.b64encode(b"".join(pieces))
    for _ in range(2):
        assert b"".join(body.pieces()) == whole
    assert body.length == len(whole)


def test_a_large_piece_is_encoded_in_parts() -> None:
    content = bytes(range(256)) * 1024
    body = Base64(Image(pieces=(content, b"ab"), content_type="image/png"))
    parts = list(body.pieces())
    assert b"".join(parts) == base64.b64encode(content + b"ab")
    assert max(map(len, parts)) <= 64 * 1024


def test_an_image_is_not_in_its_representation() -> None:
    assert repr(image(JPEG, "image/jpeg")) == f"Image({len(JPEG)} bytes)"
    assert repr(Base64(image(JPEG, "image/jpeg"))).count("xff") == 0


@pytest.mark.parametrize(
    ("content_type", "name"), [("image/jpg", "document.jpg"), ("application/pdf", "document.pdf"), ("a/b", "document.bin")]
)
def test_a_file_name_says_nothing_but_the_type(content_type: str, name: str) -> None:
    assert image(JPEG, content_type).file_name == name
