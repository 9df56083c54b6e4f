"""The image, built once for all tests of containers."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.deploy.containers import building
from tests.deploy.containers.building import Image


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image of this checkout. Skips where none can be built; in CI it must be."""
    if reason := building.why_not():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    with building.built(tmp_path_factory.mktemp("image") / "buildah") as image:
        yield image
