"""Vendors that answer as a test says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.downstream import Downstream


@pytest.fixture
def server() -> Iterator[Downstream]:
    with Downstream() as running:
        yield running
