"""What tests of erasures begin with."""

from __future__ import annotations

import pytest

from tests.support.privacy.erasing import GONE, OTHER, about, handle_all, keep
from tests.support.telling import idngo


@pytest.fixture
def both(kept: str) -> None:
    """Two applicants, who are approved."""
    for key in (GONE, OTHER):
        keep(about(key, idngo(answer="GREEN")))
    handle_all()
