"""Programs that tests start and that a machine may lack."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip(missing: Exception) -> NoReturn:
    """Skip a test, because this machine lacks a program; in CI the test fails."""
    if os.environ.get("CI"):
        raise missing
    pytest.skip(str(missing))
