"""The images that the simulator sends: whole files of their formats, of which no two are equal."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from receiver.simulator.played.images import look
from receiver.simulator.whole import images


@pytest.mark.parametrize(("make", "form"), [(images.png, "PNG"), (images.jpeg, "JPEG")])
def test_an_image_is_a_whole_file(make: object, form: str) -> None:
    content = make("a mark")  # type: ignore[operator]
    with Image.open(BytesIO(content)) as image:
        image.load()
        assert (image.format, image.size) == (form, (1, 1))


def test_images_of_different_marks_differ_and_are_what_they_declare() -> None:
    pictures = [images.picture(f"user-{number}") for number in range(20)]
    assert len({picture.content for picture in pictures}) == 20
    assert {picture.content_type for picture in pictures} == {"image/png", "image/jpeg"}
    assert all(look(picture.content).content_type == picture.content_type for picture in pictures)
